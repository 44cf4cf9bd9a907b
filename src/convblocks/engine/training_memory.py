"""Memory that the training of a network takes, before it is trained."""

from collections.abc import Sequence

import torch

from convblocks.analysis import step_memory
from convblocks.data.memory import available_bytes
from convblocks.errors import RunError, Setting, TraceError
from convblocks.formatting import size
from convblocks.networks import Network
from convblocks.records import Study
from convblocks.text import plural
from convblocks.training import Recipe


def training_bytes(network: Network, shape: Sequence[int], recipe: Recipe) -> int:
    """Returns the peak of a training step on a CPU, in bytes, without what the process takes by itself.

    Args:
        network: what is trained, which may be another form than what is deployed.
        shape: (channels, *spatial) of an example.
        recipe: gives the batch size and the optimizer.

    Returns:
        Bytes; 0 where the step cannot be traced.
    """
    optimizer = "momentum" if recipe.optimizer == "sgd" and recipe.momentum else recipe.optimizer
    with torch.device("meta"):
        module = network.build()
    try:
        return step_memory(module.train(), shape, batch=recipe.batch_size, optimizer=optimizer).peak_bytes
    except TraceError:
        return 0


def require_training_memory(network: Network, name: str, study: Study) -> None:
    """Raises RunError where a training step on a CPU takes more memory than each worker can have.

    Args:
        network: what is trained.
        name: its design's.
        study: gives the recipe, the size of an example and the number of workers.
    """
    available = available_bytes() if study.host.device == "cpu" else None
    if available is None:
        return
    recipe = Recipe(**study.recipe)  # type: ignore[arg-type]  # which it checks itself
    needed = training_bytes(network, study.data.shape, recipe) * study.workers
    if needed > available:
        budget = () if study.budget is None else (Setting("budget"), ", a smaller ")
        raise RunError(
            f"{name} with {'/'.join(map(str, network.channels))} channels takes over {size(needed)} to train in "
            f"{plural(study.workers, 'worker')}, and {size(available)} are available: give a smaller ",
            *budget,
            Setting("batch_size"),
            ", or fewer ",
            Setting("workers"),
        )
