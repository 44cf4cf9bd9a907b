"""Makes the record of a design from its network: cost, receptive field, and gradient norms as training begins."""

from typing import Literal

import numpy as np
import torch
from msgspec.structs import replace

from convblocks.analysis import count, receptive_field
from convblocks.analysis.fields.receptive_field import AxisField
from convblocks.checks import per_axis
from convblocks.data import Dataset
from convblocks.drawing import outline
from convblocks.engine.trial import start
from convblocks.errors import TraceError
from convblocks.networks import Network
from convblocks.records import Design, Outline
from convblocks.records.study import digest_of
from convblocks.signal import gradient_norms
from convblocks.training import Placement
from convblocks.training.objective import as_targets
from convblocks.training.placement import CPU

BATCH = 64
"""Examples that the gradient at the start is measured on."""
BYTES = 4
"""Bytes of a float32."""


def describe(
    network: Network,
    dataset: Dataset,
    *,
    placement: Placement = CPU,
    init: str = "he_normal",
    name: str = "",
    problem: str = "",
) -> Design:
    """Returns the record of a network as a design to be trained on a data set.

    Args:
        network: what is trained; costs are those of the form that it is deployed in, of the whole network as traced.
        dataset: gives the size of an example, and examples for the gradient norms.
        placement: where the gradient norms are taken.
        init: how the weights start, as Recipe.init.
        name: fit for a file name; by default ``net-`` and the start of the network's digest.
        problem: why the design is not to be trained, if so; it has no gradient norms then.
    """
    spec, deployed = network.to_dict(), network.deployed()
    with torch.device("meta"):
        module = deployed.build()
    shape = dataset.card.shape
    cost = count(module, shape)
    design = Design(
        name=name or f"net-{digest_of(spec)[:8]}",
        blocks=sum(stage.blocks for stage in network.stages),
        widths=network.channels,
        network=spec,
        deployed=None if deployed == network else deployed.to_dict(),
        params=cost.params,
        macs=cost.macs,
        activations=cost.activations,
        activation_bytes=cost.activations * BYTES,
        receptive_field=tuple(map(_in_whole_pixels, receptive_field(module.body(), shape))),
        gradient_norms=(),
        unknown_ops=tuple(sorted(cost.unknown_ops)),
        block=None if problem else _block(network, dataset.card.shape[1:]),
        problem=problem,
    )
    return design if problem else _with_gradients(design, dataset, placement.device, init)


def _block(network: Network, size: tuple[int, ...]) -> Outline:
    """Returns the outline of a block within the first stage, on the map that the stem leaves."""
    stage, reduction = network.stages[0], network.stem.reduction(network.dims) if network.stem else 1
    strides = per_axis("stride", reduction, network.dims, at_least=1)
    size = tuple(-(-n // stride) for n, stride in zip(size, strides, strict=True))
    with torch.device("meta"):
        block = stage.block.build(stage.out_channels, stage.out_channels, dims=network.dims)
    return outline(block.eval(), (stage.out_channels, *size))


def _in_whole_pixels(field: AxisField) -> tuple[int, int, int] | Literal["all"] | None:
    """Returns a record's axis; None for one that up-samples, which has no whole step."""
    if field is None or field == "all":
        return field
    step, lo, hi = (int(part) for part in field)
    return (step, lo, hi) if (step, lo, hi) == field else None


def _with_gradients(design: Design, dataset: Dataset, device: str, init: str) -> Design:
    """Returns the design with its body's gradient norms, or with why it has none.

    They are of the first BATCH shuffled training examples, as seed 0 starts.
    """
    module = start(design, 0, dataset.train, init).to(device).train()
    chosen = np.random.default_rng(0).permutation(len(dataset.train.y))[:BATCH]
    x = torch.from_numpy(dataset.train.x[chosen]).to(device)
    try:
        norms = gradient_norms(module, x, as_targets(dataset.train.y[chosen]).to(device))
    except TraceError as error:  # what trains may still be closed to measuring; the other designs go on
        return replace(design, gradients_unknown=" ".join(str(error).split()))
    of_body = tuple(norm for path, norm in norms.items() if path.startswith("stages."))
    unreached = "" if of_body else "no gradient reaches a convolution module of the body"
    return replace(design, gradient_norms=of_body, gradients_unknown=unreached)
