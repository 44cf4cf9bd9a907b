"""Receptive fields drawn over an image."""

from itertools import pairwise

import torch
from torch import nn

from convblocks import analyze
from convblocks.report.field_drawing import APART, AROUND, FRAMES, Box, drawing
from convblocks.report.layer_figures import layer_figures
from tests.report.analysed import BLANK


def reached_by(model: nn.Sequential, layers: int, size: tuple[int, int], at: tuple[int, int]) -> Box:
    """The box of the pixels that the gradient of one output reaches."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, *size, requires_grad=True, dtype=torch.float64)
    model[:layers].double().eval()(x)[0, :, at[0], at[1]].sum().backward()
    rows, columns = (torch.nonzero(x.grad[0].abs().sum((0, axis)))[:, 0] for axis in (2, 1))
    first, last = [int(i.min()) for i in (rows, columns)], [int(i.max()) + 1 for i in (rows, columns)]
    return Box(first[1], first[0], last[1] - first[1], last[0] - first[0])


def test_frames_are_what_autograd_reaches_from_the_central_output():
    size = (61, 75)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, (5, 3), stride=2), nn.Conv2d(4, 4, 3, dilation=2)
    )
    analysis = analyze(model, (3, *size))
    frames = drawing(analysis).frames
    assert [frame.layer for frame in frames] == ["0", "1", "2"]
    for frame, layer in zip(frames, analysis.layers, strict=True):
        axes = zip(size, layer.receptive_field, strict=True)
        places = [((n - 1) / 2 - (low + high) / 2) / step for n, (step, low, high) in axes]
        boxes = {
            (r, c): reached_by(model, int(layer.name) + 1, size, (r, c))
            for r in {int(places[0]), int(places[0]) + 1}
            for c in {int(places[1]), int(places[1]) + 1}
        }
        off = {
            at: abs(b.x + b.width / 2 - size[1] / 2) + abs(b.y + b.height / 2 - size[0] / 2)
            for at, b in boxes.items()
        }
        assert frame.box in [boxes[at] for at in off if off[at] == min(off.values())]


def test_frames_lie_within_each_other_and_are_few():
    deep = nn.Sequential(*[nn.Conv2d(2, 2, 3, padding=1) for _ in range(120)])
    shown = drawing(analyze(deep, (2, 64, 64)))
    assert 3 < len(shown.frames) <= FRAMES
    sides = [frame.box.width for frame in shown.frames]
    assert all(b >= APART * a for a, b in pairwise(sides))
    assert sides[-1] == 241
    assert shown.frames[-1].beyond
    assert "the whole of the image" in shown.frames[-1].text
    assert shown.view.width <= 64 * (1 + 2 * AROUND) * 1.05
    assert not shown.frames[0].beyond


def test_of_a_volume_a_plane_is_drawn_and_of_a_signal_a_strip():
    volume = drawing(analyze(nn.Conv3d(1, 2, (5, 3, 7)), (1, 20, 30, 40)), BLANK)
    assert (volume.frames[0].box.width, volume.frames[0].box.height) == (7, 3)
    assert volume.picture is None
    signal = drawing(analyze(nn.Conv1d(1, 2, 9), (1, 50)), BLANK)
    assert signal.frames[0].box == Box(20, 0, 9, 10)
    assert "18\N{NO-BREAK SPACE}% of the input" in signal.frames[0].text
    assert drawing(analyze(nn.Linear(4, 2), (4,))) is None


def test_gates_do_not_hide_what_layers_see():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.squash = nn.Sigmoid()

        def forward(self, x):
            return self.squash(x.mean((2, 3), keepdim=True)) * x

    analysis = analyze(nn.Sequential(nn.Conv2d(3, 4, 3), Gate(), nn.Conv2d(4, 4, 3)), (3, 16, 16))
    assert analysis.layers[-1].receptive_field == ("all", "all")
    assert analysis.layers[-1].local_field == ((1, 0, 4), (1, 0, 4))
    assert [layer.productive for layer in analysis.layers if layer.macs] == [True, True]
    assert all(layer.productive is not False for layer in analysis.layers)
    assert [frame.text.split()[0] for frame in drawing(analysis).frames] == ["3", "5"]
    assert "What gates such as squeeze-excite show" in layer_figures(analysis)[1].reading
