"""Networks for CIFAR-10: ResNets, their plain twins, pre-activation, wide and reversible ones."""

from collections.abc import Callable
from functools import partial

from convblocks.blocks.block_spec import BlockSpec
from convblocks.checks import whole
from convblocks.errors import OptionError
from convblocks.networks.heads import MeanHead
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.stem import Stem


def cifar_resnet(layers: int, classes: int = 10) -> Network:
    """ResNet (He et al. 2016, arXiv:1512.03385, section 4.2) of 6n + 2 layers in three stages.

    Each stage has n blocks of two convolutions, at 16, 32 and 64 channels. The shortcuts have no parameters (option A),
    so that the plain twin has as many.
    """
    return _three_stages(BlockSpec("residual", shortcut="zeros"), _share("layers", layers, 2, 6), classes)


def cifar_plain(layers: int, classes: int = 10) -> Network:
    """The plain twin of `cifar_resnet`: the same layers without shortcuts."""
    return _three_stages(BlockSpec("simple", depth=2), _share("layers", layers, 2, 6), classes)


def _share(option: str, layers: int, fixed: int, per_block: int) -> int:
    """Returns n of layers = `per_block` · n + `fixed`. Raises OptionError for another number of layers."""
    blocks, rest = divmod(whole(option, layers, at_least=fixed + per_block) - fixed, per_block)
    if rest:
        below = per_block * blocks + fixed
        raise OptionError(
            option, layers, f"expected {per_block}n + {fixed} of them, as {below} or {below + per_block}"
        )
    return blocks


def cifar_preactivation(layers: int, classes: int = 10) -> Network:
    """Pre-activation ResNet of 9n + 2 layers: three stages of n bottlenecks (arXiv:1603.05027, table 4)."""
    blocks = _share("layers", layers, 2, 9)
    return _preactivated(BlockSpec("preactivation_bottleneck"), blocks, (64, 128, 256), classes)


def wide_resnet(layers: int, widening: int, classes: int = 10) -> Network:
    """WRN-d-k: d = 6n + 4 layers, three stages of n blocks B(3,3) at k times 16, 32, 64 channels (arXiv:1605.07146)."""
    k, blocks = whole("widening", widening, at_least=1), _share("layers", layers, 4, 6)
    return _preactivated(BlockSpec("wide"), blocks, (16 * k, 32 * k, 64 * k), classes)


def revnet(layers: int, widths: tuple[int, ...] = (32, 64, 128), classes: int = 10) -> Network:
    """RevNet of 12n + 2 layers: three stages of n reversible units of 4 convolutions (arXiv:1707.04585, table 2).

    A stage is one block, which keeps its output alone for backward.
    """
    units = _share("layers", layers, 2, 12)
    return _preactivated(BlockSpec("reversible", depth=4 * units), 1, widths, classes, stem=32)


def _preactivated(
    block: BlockSpec, blocks: int, widths: tuple[int, ...], classes: int, stem: int = 16
) -> Network:
    """The stem is a bare convolution, since the first block norms; norm and activation close the stages."""
    return Network(
        in_channels=3,
        classes=classes,
        stem=Stem(out_channels=stem, norm="none", activation="none", bias=False),
        stages=tuple(
            Stage(block=block, blocks=blocks, out_channels=width, stride=2 if i else 1)
            for i, width in enumerate(widths)
        ),
        head=MeanHead(norm="batch", activation="relu"),
    )


def _three_stages(block: BlockSpec, blocks: int, classes: int) -> Network:
    return Network(
        in_channels=3,
        classes=classes,
        stem=Stem(out_channels=16),
        stages=tuple(
            Stage(block=block, blocks=blocks, out_channels=width, stride=1 if width == 16 else 2)
            for width in (16, 32, 64)
        ),
    )


DEPTHS = (20, 32, 44, 56, 110, 1202)
CIFAR: dict[str, Callable[..., Network]] = {
    **{f"cifar_resnet{n}": partial(cifar_resnet, n) for n in DEPTHS},
    **{f"cifar_plain{n}": partial(cifar_plain, n) for n in DEPTHS},
    "cifar_preactivation164": partial(cifar_preactivation, 164),
    "cifar_preactivation1001": partial(cifar_preactivation, 1001),
    "wrn_16_8": partial(wide_resnet, 16, 8),
    "wrn_22_8": partial(wide_resnet, 22, 8),
    "wrn_28_10": partial(wide_resnet, 28, 10),
    "wrn_40_1": partial(wide_resnet, 40, 1),
    "wrn_40_2": partial(wide_resnet, 40, 2),
    "wrn_40_4": partial(wide_resnet, 40, 4),
    "revnet38": partial(revnet, 38, (32, 64, 112)),
    "revnet110": partial(revnet, 110),
}
