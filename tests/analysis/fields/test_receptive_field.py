"""Receptive fields against NaN: put one into an input column and see which outputs become NaN."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from convblocks import BLOCKS, BlockSpec
from convblocks.analysis import receptive_field, trace
from convblocks.blocks.block_spec import block_options
from convblocks.errors import SpecError
from tests.analysis.one_op import Do, after_convolution


def sees(module, channels, n, dims, axis):
    """sees[output, input] along one axis, found by NaN; the other axes are as long."""
    x = torch.randn(n, channels, *(n,) * dims)
    for i in range(n):
        x[i].select(1 + axis, i).fill_(float("nan"))
    with torch.no_grad():
        spoiled = module.eval()(x).isnan()
    others = tuple(a for a in range(1, spoiled.ndim) if a != 2 + axis)
    return spoiled.any(others).T


def computed(make, channels, n, dims):
    with torch.device("meta"):
        module = make()
    return receptive_field(trace(module, (channels, *(n,) * dims)))


def check(make, channels, n, dims):
    fields = computed(make, channels, n, dims)
    module = make()
    inside = 0
    for axis, field in enumerate(fields):
        seen = sees(module, channels, n, dims, axis)
        if field == "all":
            assert (seen == seen.any(0)).all()  # each output sees all that any output sees
            continue
        step, lo, hi = field
        for i, row in enumerate(seen):
            first, last = step * i + lo, step * i + hi
            reached = row.nonzero().flatten().tolist()
            assert all(first <= r <= last for r in reached)
            if first >= 0 and last < n:
                assert (reached[0], reached[-1]) == (first, last)
                inside += 1
    return inside


def _can_have(family, depth):
    try:
        BlockSpec(family, depth=depth)
    except SpecError:
        return False
    return True


@st.composite
def cases(draw):
    family = draw(st.sampled_from(sorted(BLOCKS)))
    dims = draw(st.integers(1, 2))
    least = next(depth for depth in (1, 2, 3) if _can_have(family, depth))
    values = {
        "depth": st.integers(least, least + 2),
        "kernel_size": st.sampled_from([1, 3, 5]),
        "stride": st.integers(1, 3),
        "dilation": st.integers(1, 2),
        "norm": st.sampled_from(["batch", "layer", "none", "group", "instance"]),
        "padding_mode": st.sampled_from(["zeros", "replicate"]),
        "pool": st.sampled_from(["none", "max", "average", "blur"]),
        "shortcut": st.sampled_from(["projection", "average"]),
        "function_depth": st.integers(1, 2),
    }
    taken = {"stride", *block_options(family)}
    options = {name: draw(value) for name, value in values.items() if name in taken} | {"dims": dims}
    return family, options, dims


@settings(max_examples=150, deadline=None)
@given(cases())
def test_fields_of_every_family_equal_what_nan_shows(case):
    family, options, dims = case
    n = {1: 61, 2: 29}[dims]
    inside = check(lambda: BLOCKS[family](2, 4, **options), 2, n, dims)
    assume(inside > 0 or options.get("norm") in ("group", "instance"))


def test_vgg_16_sees_212_pixels_at_its_last_pool():
    """A published figure: Araujo et al. 2019 (Distill), table of receptive fields."""
    layers: list[nn.Module] = []
    for depth in (2, 2, 3, 3, 3):
        layers += [layer for _ in range(depth) for layer in (nn.Conv2d(1, 1, 3, padding=1), nn.ReLU())]
        layers.append(nn.MaxPool2d(2))
    step, lo, hi = computed(lambda: nn.Sequential(*layers), 1, 224, 2)[0]
    assert (step, hi - lo + 1) == (32, 212)


MOVES = {
    "transposed": lambda: after_convolution(nn.ConvTranspose1d(4, 4, 4, 2, 1)),
    "transposed dilated": lambda: after_convolution(
        nn.ConvTranspose1d(4, 4, 3, 3, 2, dilation=2), nn.Conv1d(4, 4, 3, padding=1)
    ),
    "nearest": lambda: after_convolution(nn.Upsample(scale_factor=2), nn.Conv1d(4, 4, 3, padding=1)),
    "linear": lambda: after_convolution(nn.Upsample(scale_factor=2, mode="linear"), nn.Conv1d(4, 4, 3, 2, 1)),
    "adaptive": lambda: after_convolution(nn.AdaptiveAvgPool1d(12), nn.Conv1d(4, 4, 3, padding=1)),
    "asymmetric padding": lambda: after_convolution(nn.ConstantPad1d((3, 0), 0.0), nn.Conv1d(4, 4, 4)),
    "channel shuffle": lambda: after_convolution(
        Do(lambda x: x.view(-1, 2, 2, x.shape[-1]).transpose(1, 2).flatten(1, 2))
    ),
    "chunk and cat": lambda: after_convolution(
        Do(lambda x: torch.cat([x.chunk(2, 1)[0], x.chunk(2, 1)[1].relu()], 1))
    ),
    "sliced": lambda: after_convolution(Do(lambda x: x[:, :, 2::2] + x[..., 1:-1:2])),
    "split along": lambda: after_convolution(Do(lambda x: x.split(12, dim=2)[1])),
    "squeeze and excite": lambda: after_convolution(Do(lambda x: x * x.mean(-1, keepdim=True).sigmoid())),
    "tokens and back": lambda: after_convolution(
        Do(lambda x: x.transpose(1, 2).flatten(0, 1).view(-1, 24, 4).transpose(1, 2))
    ),
    "batch and channels merged": lambda: after_convolution(
        Do(lambda x: x.reshape(-1, 1, x.shape[-1]).view_as(x))
    ),
    "attention": lambda: after_convolution(
        Do(lambda x: torch.softmax(x.transpose(1, 2) @ x, -1) @ x.transpose(1, 2))
    ),
}


@pytest.mark.parametrize("make", MOVES.values(), ids=MOVES)
def test_what_moves_an_axis_is_followed_as_nan_shows(make):
    torch.manual_seed(0)
    n = 24
    (field,) = computed(make, 2, n, 1)
    module = make().eval()
    x = torch.randn(n, 2, n)
    for i in range(n):
        x[i, :, i] = float("nan")
    with torch.no_grad():
        out = torch.stack(
            [module(part[None])[0] for part in x]
        ).isnan()  # one by one: some views merge the batch
    along = 1 if out.shape[-1] == 4 else 2
    seen = out.any(3 - along).T
    if field == "all":
        assert seen.all()
        return
    step, lo, hi = field
    for i, row in enumerate(seen):
        if not (step * i + lo >= 0 and step * i + hi < n) and isinstance(module[1], nn.Upsample):
            continue  # at the border torch reads one pixel more, with weight 0
        reached = row.nonzero().flatten().tolist()
        expected = [j for j in range(n) if step * i + lo <= j <= step * i + hi]
        assert (reached[0], reached[-1]) == (expected[0], expected[-1])


MIXED = {
    "var_mean": lambda x: torch.var_mean(x, 1, keepdim=True)[1],
    "softmin": lambda x: torch.nn.functional.softmin(x, 1),
    "softmin of a row": lambda x: torch.nn.functional.softmin(x, 3),
    "triangles": lambda x: x.tril() + x.triu(),
}


@pytest.mark.parametrize("name", MIXED)
def test_statistics_and_triangles_see_what_nan_reaches(name):
    class After(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3, padding=1)

        def forward(self, x):
            return MIXED[name](self.conv(x))

    check(After, 2, 9, 2)
