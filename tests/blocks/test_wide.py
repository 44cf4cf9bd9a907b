"""The wide block against the authors' basic block, Wide ResNet's published sizes, and each kernel list of table 2."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import BlockSpec, PreActivationBlock, WideBlock
from convblocks.errors import OptionError
from tests.blocks.test_families import copy_in_order, scramble


class HandWide(nn.Module):
    """One norm and one convolution a kernel; with dropout in front of each convolution but the first."""

    def __init__(self, inputs, outputs, stride, kernels, dropout=0.0):
        super().__init__()
        widths = [inputs, *[outputs] * len(kernels)]
        self.layers = nn.ModuleList()
        for i, k in enumerate(kernels):
            conv = nn.Conv2d(widths[i], widths[i + 1], k, 1 if i else stride, k // 2, bias=False)
            self.layers.append(nn.ModuleList([nn.BatchNorm2d(widths[i]), conv]))
        self.shortcut = None
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.dropout = dropout

    def forward(self, x):
        (norm, conv), *rest = self.layers
        ready = F.relu(norm(x))
        out = conv(ready)
        for norm, conv in rest:
            out = conv(F.dropout(F.relu(norm(out)), self.dropout, self.training))
        return out + (x if self.shortcut is None else self.shortcut(ready))


TABLE_2 = {
    "B(3,3)": (3, 3),
    "B(3,1,3)": (3, 1, 3),
    "B(1,3,1)": (1, 3, 1),
    "B(1,3)": (1, 3),
    "B(3,1)": (3, 1),
    "B(3,1,1)": (3, 1, 1),
}


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(8, 8, 1), (8, 8, 2), (8, 12, 1), (8, 12, 2)])
@pytest.mark.parametrize("kernels", TABLE_2)
def test_equals_the_hand_written_block_with_its_weights(kernels, inputs, outputs, stride, dropout):
    torch.manual_seed(0)
    theirs = HandWide(inputs, outputs, stride, TABLE_2[kernels], dropout)
    ours = WideBlock(inputs, outputs, kernels, stride, dropout=dropout)
    scramble(theirs)
    copy_in_order(theirs, ours)
    x = torch.randn(2, inputs, 9, 12)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    torch.manual_seed(1)
    found = ours.train()(x)
    torch.manual_seed(1)
    assert torch.equal(found, theirs.train()(x))


@pytest.mark.parametrize(("depth", "k", "millions"), [(40, 4, 8.9), (16, 8, 11.0), (28, 10, 36.5)])
def test_parameters_of_the_published_networks(depth, k, millions):
    """WRN-40-4, WRN-16-8 and WRN-28-10, table 5 of the paper."""
    with torch.device("meta"):
        parts, channels = [nn.Conv2d(3, 16, 3, bias=False)], 16
        for i, width in enumerate((16 * k, 32 * k, 64 * k)):
            for j in range((depth - 4) // 6):
                parts.append(WideBlock(channels, width, "B(3,3)", 2 if i and j == 0 else 1))
                channels = width
        network = nn.Sequential(*parts, nn.BatchNorm2d(channels), nn.Linear(channels, 10))
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == millions


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("dilation", [1, 2])
def test_depth_alone_is_the_deepening_factor(depth, dilation):
    ours, plain = (family(4, 6, depth=depth, dilation=dilation) for family in (WideBlock, PreActivationBlock))
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(ours(x), plain(x))


def test_the_default_is_the_basic_block():
    keys = WideBlock(4, 4).state_dict().keys()
    assert (
        keys == WideBlock(4, 4, "B(3,3)").state_dict().keys() == WideBlock(4, 4, depth=2).state_dict().keys()
    )


def test_a_spec_holds_the_paper_s_words():
    spec = BlockSpec("wide", kernels="B(3,1,3)", dropout=0.3)
    assert BlockSpec.from_dict(spec.to_dict()) == spec
    assert [layer.kernel_size for layer in spec.build(4, 4).modules() if isinstance(layer, nn.Conv2d)] == [
        (3, 3),
        (1, 1),
        (3, 3),
    ]


REFUSALS = [
    ({"kernels": 3}, r"kernels=3: expected a kernel size for each convolution, as in B\(3,3\)"),
    ({"kernels": "3,3"}, r"kernels='3,3': expected"),
    ({"kernels": "B()"}, r"kernels='B\(\)': expected"),
    ({"kernels": "B(3,3"}, r"kernels='B\(3,3': expected"),
    ({"kernels": "B(3,4)"}, r"kernels='B\(3,4\)': an even kernel .*not 4"),
    ({"kernels": "B(0)"}, r"kernels='B\(0\)': an even kernel .*not 0"),
    ({"kernels": "B(3,1)", "depth": 3}, r"depth=3: kernels=B\(3,1\) has 2 convolutions; leave depth out"),
    ({"depth": 0}, r"depth=0: .*at least 1"),
    ({"depth": 1, "dropout": 0.3}, r"dropout=0.3: stands between convolutions, and the block has one"),
    ({"dropout": 1.0}, r"dropout=1.0: expected a probability"),
]


@pytest.mark.parametrize(("options", "message"), REFUSALS)
def test_what_cannot_work_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        WideBlock(4, 8, **options)
