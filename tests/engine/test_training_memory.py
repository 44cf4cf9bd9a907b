"""Memory of training, and the refusal of what cannot fit."""

import pytest
from msgspec.structs import replace

from convblocks import Network, Recipe
from convblocks.engine import training_memory
from convblocks.engine.training_memory import require_training_memory, training_bytes
from convblocks.errors import RunError
from tests.engine.test_trial import NETWORK
from tests.made_records import make_study


def test_each_worker_needs_the_bytes_of_a_step(monkeypatch):
    network = Network.from_dict(NETWORK.to_dict() | {"in_channels": 1})
    study = make_study()  # of two workers
    needed = training_bytes(network, study.data.shape, Recipe(**study.recipe))
    monkeypatch.setattr(training_memory, "available_bytes", lambda: 2 * needed)
    require_training_memory(network, "wide", study)
    monkeypatch.setattr(training_memory, "available_bytes", lambda: 2 * needed - 1)
    with pytest.raises(RunError, match="wide with 64 channels"):
        require_training_memory(network, "wide", study)
    require_training_memory(network, "wide", replace(study, workers=1))
    require_training_memory(network, "wide", replace(study, host=replace(study.host, device="cuda")))
