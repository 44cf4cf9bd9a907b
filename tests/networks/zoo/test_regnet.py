"""RegNetX's stages follow the paper's rule."""

import pytest

from convblocks.errors import OptionError
from convblocks.networks.zoo import ZOO, regnet_x


@pytest.mark.parametrize(  # arXiv:2003.13678, section 5
    ("name", "blocks", "widths"),
    [
        ("regnet_x_800mf", (1, 3, 7, 5), (64, 128, 288, 672)),
        ("regnet_x_3_2gf", (2, 6, 15, 2), (96, 192, 432, 1008)),
        ("regnet_x_8gf", (2, 5, 15, 1), (80, 240, 720, 1920)),
        ("regnet_x_32gf", (2, 7, 13, 1), (336, 672, 1344, 2520)),
    ],
)
def test_the_rule_gives_the_paper_s_stages(name, blocks, widths):
    network = ZOO[name]()
    assert (tuple(s.blocks for s in network.stages), network.channels) == (blocks, widths)


def test_a_regnet_that_cannot_be():
    with pytest.raises(OptionError, match=r"slope=-1: .*at least 0"):
        regnet_x(16, 56, -1, 2.28, 16)
    with pytest.raises(OptionError, match=r"multiplier=1: .*above 1"):
        regnet_x(16, 56, 35.73, 1, 16)
    assert regnet_x(4, 16, 0, 2.0, 24).channels == (16,)
