"""From a matched implementation to its record: cost, receptive field, gradient at the start, and its latency."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from msgspec.structs import replace

from convblocks.analysis import count, receptive_field, trace
from convblocks.analysis.fields.receptive_field import Seen
from convblocks.data import Dataset
from convblocks.drawing import outline
from convblocks.engine.trial import start
from convblocks.errors import TraceError
from convblocks.experiments.implementations import Frame
from convblocks.experiments.matching import Matched
from convblocks.measure import latencies
from convblocks.networks import Network
from convblocks.records import Design, Latency, Outline
from convblocks.signal import gradient_norms
from convblocks.training import Placement
from convblocks.training.objective import as_targets

BATCH = 64  # examples that the gradient at the start is measured on
BYTES = 4  # of a float32


def describe(matched: Matched, frame: Frame, dataset: Dataset, placement: Placement) -> Design:
    """The design's record. Costs are of the whole network as deployed and traced, not of the sums that matched it."""
    implementation, deployed = matched.implementation, matched.network.deployed()
    with torch.device("meta"):
        module = deployed.build()
    shape = (frame.in_channels, *frame.size)
    cost = count(module, shape)
    design = Design(
        name=implementation.name,
        family=implementation.family.text,
        block_depth=implementation.block_depth,
        blocks=implementation.blocks * implementation.stages,
        groups=implementation.groups,
        stack_depth=implementation.stack_depth,
        widths=matched.widths,
        network=matched.network.to_dict(),
        deployed=None if deployed == matched.network else deployed.to_dict(),
        params=cost.params,
        macs=cost.macs,
        activations=cost.activations,
        activation_bytes=cost.activations * BYTES,
        receptive_field=tuple(map(_in_whole_pixels, receptive_field(trace(module.body(), shape)))),
        gradient_norms=(),
        unknown_ops=tuple(sorted(cost.unknown_ops)),
        block=None if matched.problem else _block(matched.network, frame),
        problem=matched.problem,
    )
    return _with_gradients(design, dataset, placement.device, implementation.family.init)


def _block(network: Network, frame: Frame) -> Outline:
    """A block within the first stage, on the map that it has there."""
    stage = network.stages[0]
    size = (-(-n // stride) for n, stride in zip(frame.size, frame.stem_stride(), strict=True))
    with torch.device("meta"):
        block = stage.block.build(stage.out_channels, stage.out_channels, dims=network.dims)
    return outline(block.eval(), (stage.out_channels, *size))


def _in_whole_pixels(seen: Seen) -> tuple[int, int, int] | Literal["all"] | None:
    """A record's axis; one that up-samples has no whole step, which a record does not hold."""
    if seen is None or seen == "all":
        return seen
    step, lo, hi = (int(part) for part in seen)
    return (step, lo, hi) if (step, lo, hi) == seen else None


def _with_gradients(design: Design, dataset: Dataset, device: str, init: str) -> Design:
    """Gradient norms of the body on the first BATCH shuffled training examples, as seed 0 starts; or why not."""
    if design.problem:
        return design
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


def time_designs(
    designs: Sequence[Design], dataset: Dataset, threads: int, placement: Placement
) -> list[Latency]:
    """Latency of each as deployed, for a batch of one example. Weights do not matter to it, so fresh ones serve."""
    example = placement.place_examples(torch.from_numpy(dataset.train.x[:1]))
    networks = {d.name: Network.from_dict(d.deployed or d.network) for d in designs}
    modules = {name: placement.place(network.build(), example.ndim) for name, network in networks.items()}
    measured = latencies(modules, example, threads=threads)
    quartiles = {name: np.quantile(ms, (0.25, 0.5, 0.75)).tolist() for name, ms in measured.items()}
    return [
        Latency(
            design=name,
            batch=1,
            threads=threads,
            repeats=len(measured[name]),
            lower_ms=lower,
            median_ms=median,
            upper_ms=upper,
        )
        for name, (lower, median, upper) in quartiles.items()
    ]
