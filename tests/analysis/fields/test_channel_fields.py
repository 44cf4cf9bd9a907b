"""What is told of a map part of whose axis lies in its channels or is interleaved, against NaN propagation."""

import pytest
import torch
from torch import nn

from convblocks.analysis import receptive_field, trace


def space_to_depth(x):
    """TResNet's (Ridnik et al. 2021, arXiv:2003.13630, section 2.1), blocks of 4."""
    n, c, h, w = x.shape
    return x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 3, 5, 1, 2, 4).reshape(n, 16 * c, h // 4, w // 4)


def halves_to_channels(x):
    return x.unflatten(2, (2, 24)).flatten(1, 2)


class _Map(nn.Module):
    """Layers behind a move of positions, the axis last."""

    def __init__(self, work, *behind):
        super().__init__()
        self.work, self.behind = work, nn.Sequential(*behind)

    def forward(self, x):
        return self.behind(self.work(x))


def _depthwise(channels, dims=2, **options):
    layer = (nn.Conv1d, nn.Conv2d)[dims - 1]
    return layer(channels, channels, 3, groups=channels, **{"padding": 1, **options})


IMAGES = {
    "space to depth": (lambda: _Map(space_to_depth), (4, 0, 3)),
    "depthwise behind it": (lambda: _Map(space_to_depth, _depthwise(32)), (4, -4, 7)),
    "two depthwise behind it": (
        lambda: _Map(
            space_to_depth, _depthwise(32, stride=2), nn.ReLU(), _depthwise(32, padding=2, dilation=2)
        ),
        (8, -20, 23),
    ),
    "pools behind it": (lambda: _Map(space_to_depth, nn.MaxPool2d(3, 2), nn.AvgPool2d(2, 1)), (8, 0, 19)),
    "convolution behind it": (lambda: _Map(space_to_depth, nn.Conv2d(32, 3, 3, padding=1)), (4, -4, 7)),
    "depthwise transposed behind it": (
        lambda: _Map(space_to_depth, nn.ConvTranspose2d(32, 32, 2, 2, groups=32)),
        (2, -2, 3),
    ),
    "norm over the channels behind it": (
        lambda: _Map(lambda x: nn.functional.layer_norm(space_to_depth(x).permute(0, 2, 3, 1), (32,))),
        (4, 0, 3),
    ),
    "copies side by side": (
        lambda: _Map(
            lambda x: x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2).reshape(1, 2, 2 * x.shape[2], -1)
        ),
        (0.5, -0.5, 0),
    ),
}


def along(module, n, dims, place):
    """Of each output position along a tensor axis, the inputs seen along the first spatial axis."""
    columns = []
    for i in range(n):
        x = torch.randn(1, 2, *(n,) * dims)
        x[:, :, i] = float("nan")
        with torch.no_grad():
            spoiled = module(x).isnan()
        columns.append(spoiled.any(tuple(a for a in range(spoiled.ndim) if a != place)))
    return [row.nonzero().flatten().tolist() for row in torch.stack(columns, 1)]


def agrees(field, seen, n, *, alike=True):
    """No output sees more than the field; of those inside the image all reach its ends, some where not alike."""
    step, lo, hi = field
    ends = set()
    for i, inputs in enumerate(seen):
        first, last = step * i + lo, step * i + hi
        assert all(first <= each <= last for each in inputs)
        if first >= 0 and last < n:
            ends |= {("lo", first == inputs[0]), ("hi", last == inputs[-1])}
            assert not alike or (inputs[0], inputs[-1]) == (first, last)
    assert {("lo", True), ("hi", True)} <= ends


@pytest.mark.parametrize("name", IMAGES)
def test_a_position_sees_what_all_its_channels_see(name):
    make, expected = IMAGES[name]
    module, n = make().eval(), 48
    fields = receptive_field(trace(module, (2, n, n)))
    assert fields == (expected, expected)
    alike = name not in ("copies side by side", "depthwise transposed behind it")
    agrees(fields[0], along(module, n, 2, 1 if "norm" in name else 2), n, alike=alike)


SIGNALS = {
    "copies side by side": (lambda x: x[..., None].expand(1, 2, 48, 2).reshape(1, 2, 96), True),
    "halves in the channels": (halves_to_channels, True),
    "pairs in the channels": (lambda x: x.unflatten(2, (24, 2)).transpose(2, 3).flatten(1, 2), True),
    "two axes": (lambda x: x.unflatten(2, (12, 4)), False),
    "two axes as one, turned": (lambda x: x.unflatten(2, (12, 4)).transpose(2, 3).flatten(2), False),
    "map after map": (lambda x: x[:, :, None].expand(1, 2, 2, 48).reshape(1, 2, 96), False),
    "channels in the map": (lambda x: x.flatten(1)[:, None], False),
    "pairs in the channels, shuffled": (
        lambda x: nn.functional.channel_shuffle(
            x.unflatten(2, (24, 2)).permute(0, 3, 1, 2).flatten(1, 2), 2
        ).reshape(1, 2, 48),
        False,
    ),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_an_axis_that_is_no_axis_of_the_map_is_unknown_or_right(name):
    work, known = SIGNALS[name]
    module = _Map(work)
    (field,) = receptive_field(trace(module, (2, 48)))
    assert (field is not None) == known
    if known:
        agrees(field, along(module, 48, 1, 2), 48, alike=name != "copies side by side")


def test_branches_interleaved_are_told_no_narrower_than_they_are():
    conv = nn.Conv1d(2, 2, 3, padding=1)
    module = _Map(lambda x: torch.stack([x, conv(x)], -1).flatten(-2))
    (field,) = receptive_field(trace(module, (2, 48)))
    assert field == (0.5, -1.5, 1)
    for i, inputs in enumerate(along(module, 48, 1, 2)):
        assert 0.5 * i - 1.5 <= inputs[0]
        assert inputs[-1] <= 0.5 * i + 1


def test_a_vector_of_features_sees_all():
    assert receptive_field(trace(nn.Flatten(), (2, 6, 8))) == ("all", "all")
