"""CB2xx: kernels, strides, additions and tails, each against real tensors."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convblocks import analyze, load_target
from tests.analysis.advice.test_waste import Net, conv, found, places


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
    ],
)
def test_stride_repeated(layers, size, expected):
    assert places(plain(*layers), size, rule="CB201") == expected


def test_a_wide_network_is_not_told_where_stride_is_repeated_in_two_blocks():
    block = lambda: plain(conv(stride=2), nn.BatchNorm2d(4), nn.ReLU(), conv(), nn.BatchNorm2d(4), nn.ReLU())  # noqa: E731
    assert places(plain(block(), block()), (4, 32, 32), rule="CB201") == []


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
        assert "multiples of 2" in findings[0].mend


def test_a_failure_at_the_size_given_is_an_error():
    (finding,) = found(Joined(nn.AvgPool2d(2)), (4, 9, 9), rule="CB202")
    assert (finding.severity, finding.place) == ("error", "")
    assert "a map of 5×5 behind conv and a map of 4×4 behind pool" in finding.message


def test_other_failures_at_other_sizes_are_not_a_shortcut_s():
    fixed = Net(lambda m, x: m.head((m.conv(x) + x).flatten(1)), conv=conv(), head=nn.Linear(4 * 64, 2))
    assert found(fixed, (4, 8, 8), rule="CB202") == ()
    embedded = Net(lambda m, x: m.conv(x) + m.place.weight, conv=conv(), place=nn.Embedding(8, 8))
    assert found(embedded, (4, 8, 8), rule="CB202") == ()


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
    assert [f.figures["apart"] for f in findings] == ([apart] if front != 2 else [])


@pytest.mark.parametrize("unpool", [nn.Upsample(scale_factor=2), nn.ConvTranspose2d(4, 4, 2, 2)])
def test_a_decoder_s_shortcut_is_not_misaligned(unpool):
    module = Net(lambda m, x: m.up(m.conv(x)) + x, conv=conv(stride=2), up=unpool)
    findings = found(module, (4, 8, 8), rule="CB202")
    assert [f.figures["sizes"] for f in findings] == ["4×9×9, 4×11×11"]  # and fails only at odd sizes
    assert fails(module, 9)
    assert not fails(module, 10)


def test_a_map_of_one_position_is_stretched_by_broadcasting():
    module = Net(lambda m, x: x + m.conv(x), conv=nn.Conv2d(4, 4, 3, stride=8))
    at_11, finding = found(module, (4, 8, 8), rule="CB202")
    assert at_11.figures["sizes"] == "4×11×11"  # where the map has two positions
    assert "a map of 1×1 is added to one of 8×8" in finding.message
    assert "it sees only 3 of 8 positions" in finding.message
    context = Net(lambda m, x: x + m.conv(x.mean((2, 3), keepdim=True)), conv=conv(kernel=1))
    assert found(context, (4, 8, 8), rule="CB202") == ()


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
        assert findings[0].severity == ("warning" if padding else "note")


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


def saved(before, after):
    return {"params": before.params - after.params, "macs": before.macs - after.macs}


def test_what_removing_the_tail_saves_is_what_it_saves():
    """Three 3×3 convolutions see 3, 5 and 7 pixels: on 5 × 5 the input of the third sees all."""
    layers = [plain(conv(bias=False), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(5)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    (finding,) = found(plain(*layers, *head), (4, 5, 5), rule="CB204")
    assert (finding.place, finding.severity, finding.figures["layers"]) == ("2.0", "warning", 3)
    less = saved(analyze(plain(*layers, *head), (4, 5, 5)), analyze(plain(*layers[:2], *head), (4, 5, 5)))
    assert {name: finding.figures[name] for name in less} == less
    assert found(plain(*layers[:2], *head), (4, 5, 5), rule="CB204") == ()
    assert found(plain(*layers, *head), (4, 12, 12), rule="CB204") == ()


def test_the_tail_of_resnet18_is_its_last_block():
    module = load_target("torchvision:resnet18", on_meta=True).module
    (finding,) = found(module, (3, 224, 224), rule="CB204")
    before = analyze(module, (3, 224, 224))
    module.layer4[1] = nn.Identity()
    less = saved(before, analyze(module, (3, 224, 224)))
    assert {name: finding.figures[name] for name in less} == less
    assert finding.severity == "note"  # past its shortcuts some inputs see less


def test_neither_a_decoder_nor_attention_is_a_tail():
    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList(plain(conv(stride=2), conv()) for _ in range(3))
            self.up = nn.ModuleList(nn.ConvTranspose2d(4, 4, 2, 2) for _ in range(3))
            self.last = plain(conv(), conv())

        def forward(self, x):
            kept = []
            for layer in self.down:
                kept.append(x)
                x = layer(x)
            for layer in self.up:
                x = layer(x) + kept.pop()
            return self.last(x)

    assert found(UNet(), (4, 16, 16), rule="CB204") == ()
    attention = load_target("torchvision:vit_b_16", on_meta=True).module
    assert found(attention, (3, 224, 224), rule="CB204") == ()
