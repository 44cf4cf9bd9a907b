"""ResNets for CIFAR-10 and their plain twins (He et al. 2016, arXiv:1512.03385, section 4.2)."""

from collections.abc import Callable
from functools import partial

from convblocks.blocks.spec import BlockSpec
from convblocks.errors import OptionError
from convblocks.layers.check import whole
from convblocks.networks.spec import Network, Stage
from convblocks.networks.stem import Stem


def cifar_resnet(layers: int, classes: int = 10) -> Network:
    """6n + 2 layers: a stem, three stages of n blocks of two convolutions at 16, 32, 64 channels, a classifier.

    The shortcuts have no parameters (option A), so that the plain twin has the same.
    """
    return _three_stages(BlockSpec("residual", shortcut="zeros"), _blocks(layers), classes)


def cifar_plain(layers: int, classes: int = 10) -> Network:
    """The same layers without shortcuts."""
    return _three_stages(BlockSpec("simple", depth=2), _blocks(layers), classes)


def _blocks(layers: int) -> int:
    blocks, rest = divmod(whole("layers", layers, at_least=8) - 2, 6)
    if rest:
        below = 6 * blocks + 2
        raise OptionError("layers", layers, f"expected 6n + 2 of them, as {below} or {below + 6}")
    return blocks


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
}
