"""RegNetX: stages whose widths follow a straight line (Radosavovic et al. 2020, arXiv:2003.13678, section 3.3).

RegNetY's gates stand between the k×k convolution and the 1×1 one behind it, where no family here has them.
"""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial

from convblocks.blocks.block_spec import BlockSpec
from convblocks.checks import whole
from convblocks.errors import OptionError
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.stem import Stem

QUANTUM = 8
"""Widths are multiples of it."""


def regnet_x(
    depth: int, initial: int, slope: float, multiplier: float, group_width: int, classes: int = 1000
) -> Network:
    """RegNetX of `depth` blocks in stages of equal width; the paper's d, w_0, w_a, w_m and g.

    Block j should be initial + slope · j wide; each stage is `multiplier` times as wide as the one before
    (equations 2 to 4). The blocks are bottlenecks that do not narrow, in groups of `group_width` channels.
    Raises OptionError.
    """
    return Network(
        in_channels=3,
        classes=classes,
        stem=Stem(out_channels=32, stride=2),
        stages=tuple(
            Stage(
                block=BlockSpec("bottleneck", expansion=1, groups=width // min(width, group_width)),
                blocks=blocks,
                out_channels=width,
                stride=2,
            )
            for blocks, width in stage_table(depth, initial, slope, multiplier, group_width)
        ),
    )


def stage_table(
    depth: int, initial: int, slope: float, multiplier: float, group_width: int
) -> list[tuple[int, int]]:
    """Returns blocks and width of each stage. Raises OptionError."""
    whole("depth", depth, at_least=1)
    whole("initial", initial, at_least=QUANTUM)
    whole("group_width", group_width, at_least=1)
    if not 0 <= slope < math.inf:
        raise OptionError("slope", slope, "widths grow with it; expected at least 0")
    if not 1 < multiplier < math.inf:
        raise OptionError("multiplier", multiplier, "of one stage's width to the last's; expected above 1")
    steps = Counter(round(math.log(1 + slope * j / initial, multiplier)) for j in range(depth))
    quantised = Counter[int]()
    # two steps may share a width
    for step, blocks in steps.items():
        quantised[QUANTUM * round(initial * multiplier**step / QUANTUM)] += blocks
    return [(blocks, _in_groups(width, group_width)) for width, blocks in quantised.items()]


def _in_groups(width: int, group_width: int) -> int:
    """Returns the nearest width that whole groups fill.

    Of two the wider: 400 channels end torchvision's 400MF, where the paper has 384.
    """
    group = min(width, group_width)
    return group * math.floor(width / group + 0.5)


# the top models of section 5, by their MACs
REGNETS: dict[str, Callable[..., Network]] = {
    "regnet_x_400mf": partial(regnet_x, 22, 24, 24.48, 2.54, 16),
    "regnet_x_800mf": partial(regnet_x, 16, 56, 35.73, 2.28, 16),
    "regnet_x_1_6gf": partial(regnet_x, 18, 80, 34.01, 2.25, 24),
    "regnet_x_3_2gf": partial(regnet_x, 25, 88, 26.31, 2.25, 48),
    "regnet_x_8gf": partial(regnet_x, 23, 80, 49.56, 2.88, 120),
    "regnet_x_16gf": partial(regnet_x, 22, 216, 55.59, 2.1, 128),
    "regnet_x_32gf": partial(regnet_x, 23, 320, 69.86, 2.0, 168),
}
