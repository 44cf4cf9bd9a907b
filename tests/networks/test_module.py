"""The modules that a Network describes."""

import torch

from convblocks import BlockSpec, Network, ResidualBlock, Stage, Stem


def network(**changes):
    stages = (
        Stage(block=BlockSpec("residual", depth=2), blocks=2, out_channels=8),
        Stage(block=BlockSpec("bottleneck", groups=2), blocks=1, out_channels=16, stride=2),
    )
    return Network(
        **{"in_channels": 3, "classes": 5, "stem": Stem(out_channels=8), "stages": stages, **changes}
    )


def test_standardise_takes_examples_as_they_come():
    net = network().build().eval()
    x = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    mean, std = x.float().mean((0, 2, 3)), x.float().std((0, 2, 3))
    expected = net((x.float() - mean.view(-1, 1, 1)) / std.view(-1, 1, 1))
    net.standardise.fit_(mean, std)
    torch.testing.assert_close(net(x), expected)


def test_blocks_are_built_in_order():
    net = network().build()
    assert [type(block).__name__ for stage in net.stages for block in stage] == ["ResidualBlock"] * 2 + [
        "BottleneckBlock"
    ]
    assert isinstance(net.stages[0][0], ResidualBlock)
