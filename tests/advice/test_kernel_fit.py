"""CB2xx: kernels, strides, additions and tails, each against real tensors."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from tests.advice.test_waste import Net, conv, found, places


def plain(*layers):
    return nn.Sequential(*layers)


class Joined(nn.Module):
    """A strided convolution beside a pool, the paths joined."""

    def __init__(self, pool, join=torch.add):
        super().__init__()
        self.conv, self.pool, self.join = conv(stride=2), pool, join

    def forward(self, x):
        return self.join(self.conv(x), self.pool(x))


def fails(module, n):
    try:
        module(torch.zeros(1, 4, n, n))
    except RuntimeError:
        return True
    return False


@pytest.mark.parametrize("join", [torch.add, lambda a, b: torch.cat([a, b], 1)])
@pytest.mark.parametrize(
    "pool", [nn.AvgPool2d(2), nn.MaxPool2d(2), nn.AvgPool2d(2, ceil_mode=True), conv(kernel=1, stride=2)]
)
@pytest.mark.parametrize("n", [8, 10])
def test_sizes_told_to_fail_are_those_that_fail(pool, join, n):
    module = Joined(pool, join)
    findings = found(module, (4, n, n), rule="CB202")
    failing = [f"4×{m}×{m}" for m in (n + 1, n + 2, n + 3) if fails(module, m)]
    assert [f.figures["sizes"] for f in findings] == ([", ".join(failing)] if failing else [])
    if failing:
        assert findings[0].severity == "warning"
        assert "multiples of 2" in findings[0].fix


def test_a_failure_at_the_size_given_is_an_error():
    (finding,) = found(Joined(nn.AvgPool2d(2)), (4, 9, 9), rule="CB202")
    assert (finding.severity, finding.place) == ("error", "")
    assert "a map of 5×5 behind conv and a map of 4×4 behind pool" in finding.message


def test_other_failures_at_other_sizes_are_not_a_shortcut_s():
    fixed = Net(lambda m, x: m.head((m.conv(x) + x).flatten(1)), conv=conv(), head=nn.Linear(4 * 64, 2))
    assert found(fixed, (4, 8, 8), rule="CB202") == ()
    embedded = Net(
        lambda m, x: m.conv(x) + x + m.place, conv=conv(), place=nn.Parameter(torch.zeros(1, 4, 8, 8))
    )
    assert found(embedded, (4, 8, 8), rule="CB202") == ()
    vector = Net(lambda m, x: m.conv(x) + x + m.wide(x.mean((2, 3))), conv=conv(), wide=nn.Linear(4, 8))
    assert found(vector, (4, 8, 8), rule="CB202") == ()


def centre_of(output, x):
    """Of what the output's position 8 sees, by its gradient."""
    (gradient,) = torch.autograd.grad(output[0, 0, 8], x)
    return float((gradient.flatten() * torch.arange(x.shape[-1])).sum() / gradient.sum())


@pytest.mark.parametrize("front", range(5))
def test_a_shortcut_cropped_off_centre_is_told_by_how_much(front):
    """An unpadded convolution loses as much at both ends; so must the shortcut."""
    branch = nn.Conv1d(1, 1, 5, bias=False)
    nn.init.ones_(branch.weight)
    module = Net(lambda m, x: m.conv(x) + x[..., front : x.shape[-1] - 4 + front], conv=branch)
    x = torch.zeros(1, 1, 24, requires_grad=True)
    apart = abs(centre_of(branch(x), x) - centre_of(x[..., front:], x))
    findings = found(module, (1, 24), rule="CB202")
    told = front not in (2, 4)  # in the middle; or at the front only, as causal networks crop
    assert [f.figures["apart"] for f in findings] == ([apart] if told else [])


@pytest.mark.parametrize("unpool", [nn.Upsample(scale_factor=2), nn.ConvTranspose2d(4, 4, 2, 2)])
def test_a_decoder_s_shortcut_is_not_misaligned(unpool):
    module = Net(lambda m, x: m.up(m.conv(x)) + x, conv=conv(stride=2), up=unpool)
    findings = found(module, (4, 8, 8), rule="CB202")
    assert [f.figures["sizes"] for f in findings] == ["4×9×9, 4×11×11"]  # and fails only at odd sizes
    assert fails(module, 9)
    assert not fails(module, 10)
    deeper = Net(lambda m, x: m.up(m.down(x)) + x, down=plain(conv(stride=2), conv(stride=2)))
    deeper.up = nn.Upsample(scale_factor=4)
    (finding,) = found(deeper, (4, 8, 8), rule="CB202")
    assert finding.figures["sizes"] == "4×9×9, 4×10×10, 4×11×11"


def test_a_map_of_one_position_is_stretched_by_broadcasting():
    module = Net(lambda m, x: x + m.conv(x), conv=nn.Conv2d(4, 4, 3, stride=8))
    at_11, finding = found(module, (4, 8, 8), rule="CB202")
    assert at_11.figures["sizes"] == "4×11×11"  # where the map has two positions
    assert "a map of 1×1 is added to one of 8×8" in finding.message
    assert "it sees only 3 of 8 positions" in finding.message
    context = Net(lambda m, x: x + m.conv(x.mean((2, 3), keepdim=True)), conv=conv(kernel=1))
    assert found(context, (4, 8, 8), rule="CB202") == ()
    whole = Net(lambda m, x: x + m.conv(x), conv=nn.Conv2d(4, 4, 8))  # sees all, though at this size only
    assert ["broadcasting" in f.message for f in found(whole, (4, 8, 8), rule="CB202")] == [False]


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (conv(kernel=2, padding=1), True),
        (conv(kernel=4, padding="same"), True),
        (nn.MaxPool2d(2, stride=1), True),
        (conv(kernel=2, dilation=2, padding=1), False),
        (conv(kernel=2, stride=2, padding=0), False),
        (conv(kernel=4, stride=2, padding=1), False),
        (conv(kernel=3), False),
        (conv(kernel=16, padding=0), False),  # which looks at all of the map at once
    ],
)
def test_an_even_kernel_lies_half_a_position_off(layer, told):
    assert places(plain(layer), (4, 16, 16), rule="CB203") == (["0"] if told else [])
    if told:
        x = torch.rand(1, 4, 16, 16, requires_grad=True)
        (gradient,) = torch.autograd.grad(layer(x)[0, :, 8, 8].sum(), x)
        seen = [i for i in range(16) if gradient[0, :, i].any()]
        assert isinstance(layer, nn.MaxPool2d) or (seen[0] + seen[-1]) % 2 == 1  # an odd number of halves


def test_a_causal_kernel_may_be_even():
    layer = nn.Conv1d(4, 4, 2)
    ahead = Net(lambda m, x: m.conv(F.pad(x, (1, 0))), conv=layer)
    assert places(ahead, (4, 16), rule="CB203") == []
    cut = Net(lambda m, x: m.conv(x)[..., :-1], conv=nn.Conv1d(4, 4, 2, padding=1))
    assert places(cut, (4, 16), rule="CB203") == []
    assert places(plain(layer), (4, 16), rule="CB203") == ["0"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(0, 4), st.integers(1, 3), st.integers(1, 3), st.integers(14, 17))
@example(5, 3, 3, 1, 16)  # more than fits, and yet the same map
def test_padding_told_is_padding_that_keeps_the_map(kernel, padding, stride, dilation, n):
    module = nn.Conv2d(1, 1, kernel, stride, padding, dilation)
    if dilation * (kernel - 1) >= n:
        return
    findings = found(module, (1, n, n), rule="CB205")
    out, reach = module(torch.zeros(1, 1, n, n)).shape[-1], dilation * (kernel - 1) + 1
    if reach % 2 and stride < reach:
        off = out != -(-n // stride) and (out > 1 or padding > reach // 2)
        assert bool(findings) == off
    if findings:
        fixed = nn.Conv2d(1, 1, kernel, stride, findings[0].figures["fitting_padding"], dilation)
        if reach % 2:
            assert fixed(torch.zeros(1, 1, n, n)).shape[-1] == -(-n // stride)
        one_less = stride > 1 and out == -(-n // stride) - 1
        assert reach % 2 == 0 or findings[0].severity == ("warning" if padding and not one_less else "note")


def test_patches_need_no_padding():
    assert places(nn.Conv2d(4, 4, 4, stride=4), (4, 10, 10), rule="CB205") == []


def test_padding_by_an_op_of_its_own_counts():
    module = plain(nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3))
    assert places(module, (4, 8, 8), rule="CB205") == []
    assert places(nn.Conv2d(4, 4, 3, padding_mode="reflect", padding=1), (4, 8, 8), rule="CB205") == []


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(1, 2), st.integers(1, 2), st.integers(1, 5), st.booleans())
def test_idle_taps_are_those_without_a_gradient(kernel, stride, dilation, n, grouped):
    module = nn.Conv2d(4, 8, kernel, stride, dilation * (kernel // 2), dilation, groups=2 if grouped else 1)
    module(torch.rand(1, 4, n, n) + 1).square().sum().backward()
    idle = int((module.weight.grad == 0).sum())
    findings = found(module, (4, n, n), rule="CB206")
    assert [f.figures["params"] for f in findings] == ([idle] if idle else [])
