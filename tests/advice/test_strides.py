"""CB201 and CB207: strides against real tensors, and against encoders that mean theirs."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convblocks import load_target
from tests.advice import hand_written
from tests.advice.test_waste import Net, conv, found, places


def plain(*layers):
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("layers", "size", "expected"),
    [
        ([conv(stride=2), conv(stride=2)], (4, 16, 16), [""]),
        (
            [conv(3, 8, stride=2), nn.ReLU(), conv(8, 8, stride=2), nn.ReLU(), conv(8, 8, stride=2)],
            (3, 16, 16),
            [""],
        ),
        ([conv(stride=2), conv()], (4, 16, 16), []),
        (
            [conv(3, 8, stride=2), conv(8, 16, stride=2)],
            (3, 16, 16),
            [],
        ),  # wider each time, as a discriminator is
        ([conv(stride=2), nn.MaxPool2d(2), conv(stride=2)], (4, 32, 32), []),
        ([conv(stride=2), conv(), conv(stride=2)], (4, 32, 32), []),
        ([conv(kernel=7, stride=2), conv(stride=2)], (4, 32, 32), []),  # two layers of their own
        ([conv(stride=2), conv(stride=2, groups=4)], (4, 32, 32), []),
        ([conv(3, 4, stride=2), conv(stride=2), conv()], (3, 32, 32), []),  # a stem
    ],
)
def test_stride_repeated(layers, size, expected):
    assert places(plain(*layers), size, rule="CB201") == expected


def strided(*widths, kernel=3, padding=1, norm=nn.BatchNorm2d, unit=list):
    """Convolutions of stride 2, each with a norm and an activation; in a module of its own if `unit` is `plain`."""
    layers = []
    for before, out in pairwise(widths):
        made = [conv(before, out, kernel, stride=2, padding=padding), norm(out), nn.ReLU()]
        layers += [plain(*made)] if unit is plain else made
    return layers


ONCE = {  # by the place of the finding: blocks in which one stride was meant
    "layers": hand_written.SimpleBlock(3, 32, stride=2),
    "": plain(*strided(3, 32, 32)),
    "0": plain(plain(*strided(3, 32, 32, 32)), conv(32, 64)),
    "1": plain(conv(3, 16), plain(*strided(16, 32, 32, norm=lambda n: nn.GroupNorm(4, n)))),
    "0.layers": plain(
        hand_written.SimpleBlock(3, 32, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 9)
    ),
}


@pytest.mark.parametrize("place", ONCE)
def test_stride_repeated_in_what_is_built_as_one_block_is_a_warning(place):
    (finding,) = found(ONCE[place], (3, 64, 64), rule="CB201")
    assert (finding.severity, finding.place) == ("warning", place)


class Subsampling(nn.Module):
    """ESPnet's Conv2dSubsampling: a quarter of the frames, by two strides."""

    def __init__(self):
        super().__init__()
        self.conv = plain(
            conv(1, 32, stride=2, padding=0), nn.ReLU(), conv(32, 32, stride=2, padding=0), nn.ReLU()
        )
        self.out = nn.Linear(32 * 19, 8)

    def forward(self, x):
        return self.out(self.conv(x).transpose(1, 2).flatten(2))


ENCODERS = {
    "subsampling of speech": (Subsampling(), (1, 100, 80)),
    "kernels of 4": (plain(*strided(3, 32, 32, 32, kernel=4)), (3, 64, 64)),
    "without norms": (plain(*strided(3, 32, 32, 32, 32, norm=nn.Identity)), (3, 64, 64)),  # Mnih et al. 2016
    "a unit for each stride": (
        plain(*strided(1, 64, 64, 64, 64, unit=plain)),
        (1, 28, 28),
    ),  # Finn et al. 2017
    "with its head": (plain(*strided(3, 64, 64, 64), nn.Flatten(), nn.Linear(64 * 64, 9)), (3, 64, 64)),
    "a stem": (plain(plain(*strided(3, 64, 64)), conv(64, 64)), (3, 64, 64)),  # Wang et al. 2019, HRNet
}


@pytest.mark.parametrize("case", ENCODERS)
def test_stride_repeated_in_an_encoder_is_a_note_that_leaves_it_open(case):
    module, size = ENCODERS[case]
    (finding,) = found(module, size, rule="CB201")
    assert finding.severity == "note"
    assert finding.fix.startswith("none if that is meant")
    assert "keeps 1 of" not in finding.message


def test_a_wide_network_is_not_told_where_stride_is_repeated_in_two_blocks():
    block = lambda: plain(conv(stride=2), nn.BatchNorm2d(4), nn.ReLU(), conv(), nn.BatchNorm2d(4), nn.ReLU())  # noqa: E731
    assert places(plain(block(), block()), (4, 32, 32), rule="CB201") == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(0, 1), st.integers(1, 3)),
        min_size=1,
        max_size=2,
    ),
    st.integers(10, 15),
)
def test_positions_told_to_be_unread_have_no_gradient(kinds, n):
    layers = [nn.Conv2d(1, 1, k, s, p, d) for k, s, p, d in kinds]
    module = Net(
        lambda m, x: [getattr(m, f"conv{i}")(x) for i in range(len(layers))],
        **{f"conv{i}": layer for i, layer in enumerate(layers)},
    )
    x = torch.rand(1, 1, n, n, requires_grad=True)
    for layer in layers:
        nn.init.ones_(layer.weight)
    (gradient,) = torch.autograd.grad(sum(out.sum() for out in module(x)), x)
    unread = int((gradient == 0).sum())
    findings = found(module, (1, n, n), rule="CB207")
    if findings:
        assert findings[0].figures["unread"] == unread
    elif unread:  # only what is left over at the far end
        steps_over = [s > 1 and len({d * tap % s for tap in range(k)}) < s for k, s, _, d in kinds]
        assert not all(steps_over)


def test_a_shortcut_that_strides_over_what_its_branch_reads_is_no_waste():
    block = load_target("torchvision:resnet18").module.layer2[0]
    assert places(block, (64, 8, 8), rule="CB207") == []
    first_version = Net(  # He et al. 2016 stride in the first 1×1 convolution
        lambda m, x: m.body(x) + m.shortcut(x),
        body=plain(conv(kernel=1, stride=2), conv()),
        shortcut=conv(kernel=1, stride=2),
    )
    (finding,) = found(plain(conv(), first_version), (4, 8, 8), rule="CB207")
    assert (finding.figures["unread"], finding.figures["positions"]) == (48, 64)
    assert "of what 0 computes" in finding.message


def test_what_only_moves_or_activates_is_not_computed_for_nobody():
    def interleaved(m, x):  # as NASNet does: even positions on one path, odd ones on the other
        return m.even(x) + m.odd(F.pad(x, (-1, 1, -1, 1)))

    both = Net(interleaved, even=conv(kernel=1, stride=2), odd=conv(kernel=1, stride=2))
    assert places(both, (4, 8, 8), rule="CB207") == []
    activated = Net(
        lambda m, x: m.wide(x) + m.up(m.narrow(x.relu())), wide=conv(), narrow=conv(kernel=1, stride=2)
    )
    activated.up = nn.Upsample(scale_factor=2)
    assert places(activated, (4, 8, 8), rule="CB207") == []
    alone = nn.Sequential(conv(), nn.BatchNorm2d(4), nn.ReLU(), conv(kernel=1, stride=2))
    (finding,) = found(alone, (4, 8, 8), rule="CB207")
    assert (finding.place, finding.figures["unread"]) == ("3", 48)
    assert "of what 0 computes" in finding.message


def test_a_rest_at_the_far_end_is_not_stepped_over():
    module = Net(
        lambda m, x: (m.wide(x), m.narrow(x)), wide=conv(stride=2, padding=0), narrow=conv(kernel=1, stride=2)
    )
    assert places(module, (4, 8, 8), rule="CB207") == []
