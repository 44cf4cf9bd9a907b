"""Turns strides of a backbone's last stages into dilation, so that its maps stay large."""

from msgspec.structs import replace

from convblocks.blocks.block_spec import BlockSpec, block_options
from convblocks.checks import per_axis, whole
from convblocks.errors import SpecError
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.per_axis import Axes, product


def dilated(network: Network, most: int = 8) -> Network:
    """Returns the network with no map smaller than the input by more than `most` along an axis (its output stride).

    A stage whose stride would shrink the map further keeps it, and it and all after it have their convolutions dilated
    by the strides left out, so that they see as far as before (Chen et al. 2017, arXiv:1706.05587, section 3.2: every
    convolution of such a stage dilates).

    Raises:
        OptionError: `most` is below what the stem shrinks by.
        SpecError: a family without the option `dilation`, or a stage whose pools would shrink the map further.
    """
    dims = network.dims
    stages: list[Stage] = []
    reduction: Axes = network.stem.reduction(dims) if network.stem else 1
    least = max(_axes(reduction, dims))
    hint = f": the stem shrinks the map to 1/{least}, and its strides stay" if least > 1 else ""
    whole("most", most, at_least=least, hint=hint)
    spread: Axes = 1
    for i, stage in enumerate(network.stages):
        kept_stride, dilation = _shared(stage.stride, reduction, most, dims)
        spread = product(spread, dilation, dims=dims)
        if spread != 1:
            stage = replace(stage, block=_spread(stage.block, spread, dims, i), stride=kept_stride)
        reduction = product(reduction, stage.reduction(dims), dims=dims)
        if (shrunk := max(_axes(reduction, dims))) > most:
            raise _pools(stage.block, i, f"shrinks the map to 1/{shrunk}, and most={most}")
        stages.append(stage)
    return replace(network, stages=tuple(stages))


def _axes(axes: Axes, dims: int) -> tuple[int, ...]:
    return per_axis("stride", axes, dims, at_least=1)


def _shared(stride: Axes, reduction: Axes, most: int, dims: int) -> tuple[Axes, Axes]:
    """Returns the stride to keep, and the stride that becomes dilation."""
    strides, reductions = _axes(stride, dims), _axes(reduction, dims)
    kept_strides = [s if s * r <= most else 1 for s, r in zip(strides, reductions, strict=True)]
    dilations = [s // k for s, k in zip(strides, kept_strides, strict=True)]
    return product(tuple(kept_strides), dims=dims), product(tuple(dilations), dims=dims)


def _spread(block: BlockSpec, by: Axes, dims: int, at: int) -> BlockSpec:
    if "dilation" not in block_options(block.family):
        raise SpecError(
            f"stages[{at}].block", f"{block.family} has no option dilation, which a dilated stage takes"
        )
    if block.option("pool") not in (None, "none"):
        raise _pools(block, at, "cannot stand in a dilated stage")
    dilation = product(block.option("dilation"), by, dims=dims)
    return BlockSpec(block.family, **{**block.options, "dilation": dilation})


def _pools(block: BlockSpec, at: int, problem: str) -> SpecError:
    return SpecError(
        f"stages[{at}].block.pool",
        f"got {block.option('pool')!r}, which {problem}; give the stage a stride instead, which can be left out",
    )
