"""Memory that the training of a network takes, before it is trained."""

from collections.abc import Sequence

import torch

from convblocks.analysis import step_memory
from convblocks.errors import TraceError
from convblocks.networks import Network
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
