"""Trained modules from a run folder, against those whose weights were put there."""

from hashlib import sha256

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import save

from convblocks import BlockSpec, Network, Stage, Stem, load
from convblocks.errors import RunError
from convblocks.runs.store import RunFolder
from tests.made_records import make_design, make_run, make_study

STAGES = (Stage(block=BlockSpec("simple", depth=2), blocks=1, out_channels=8),)
NETWORK = Network(in_channels=1, classes=2, stem=Stem(out_channels=4), stages=STAGES)


@pytest.fixture
def trained(tmp_path):
    """Modules by seed, the second of which is the best, in a folder."""
    folder = RunFolder(tmp_path)
    design = replace(make_design("a"), network=NETWORK.to_dict())
    folder.save_study(make_study())
    folder.save_designs([design])
    modules = {}
    for seed, accuracy in enumerate((0.9, 0.95, 0.8)):
        torch.manual_seed(seed)
        modules[seed] = NETWORK.build().eval()
        content = save(modules[seed].state_dict())
        path = folder.weights(design.name, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        folder.add_run(replace(make_run(design, seed, accuracy), weights_sha256=sha256(content).hexdigest()))
    return folder, modules


@pytest.mark.parametrize(("seed", "given"), [(None, 1), (0, 0), (2, 2)])
def test_the_module_computes_what_the_trained_one_does(trained, seed, given):
    folder, modules = trained
    x = torch.randn(2, 1, 8, 8)
    found = load(folder.path, "a-d8", seed)
    assert not found.training
    assert torch.equal(found(x), modules[given](x))


def test_weights_that_the_record_does_not_name_are_refused(trained):
    folder, modules = trained
    folder.weights("a-d8", 1).write_bytes(save(modules[0].state_dict()))
    with pytest.raises(RunError, match="not the file that the record names"):
        load(folder.path, "a-d8")


@pytest.mark.parametrize(
    ("design", "seed", "message"), [("b-d8", None, "it has a-d8"), ("a-d8", 7, "0, 1, 2")]
)
def test_what_the_folder_lacks_is_told_with_what_it_has(trained, design, seed, message):
    with pytest.raises(RunError, match=message):
        load(trained[0].path, design, seed)


def test_a_folder_without_designs_is_refused(tmp_path):
    with pytest.raises(RunError, match="holds no designs"):
        load(tmp_path, "a-d8")
