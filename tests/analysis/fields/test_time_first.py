"""Inputs whose channels come last, as (batch, time, features): fields run along what the module convolves."""

import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.advice import advise
from tests.analysis.fields.test_aligned_corners import seen_by


class TimeFirst(nn.Module):
    """Three dilated convolutions see 15 steps; `causal` or centred, and back to (batch, time, features) or not."""

    def __init__(self, causal=True, back=True, how="transpose"):
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Conv1d(12, 12, 3, padding=(2 if causal else 1) * d, dilation=d) for d in (1, 2, 4)]
        )
        self.causal, self.back, self.how = causal, back, how

    def forward(self, x):
        x = x.transpose(1, 2) if self.how == "transpose" else x.permute(0, 2, 1).contiguous()
        for conv in self.convs:
            y = conv(x)
            x = torch.relu(y[..., : x.shape[-1]] if self.causal else y) + x
        return x.transpose(1, 2) if self.back else x


class ImageLast(nn.Module):
    """(batch, height, width, channels), as Keras has it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 5, stride=2)

    def forward(self, x):
        return self.conv(x.permute(0, 3, 1, 2))


@pytest.mark.parametrize("how", ["transpose", "permute"])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("back", [True, False])
def test_the_field_runs_along_time(how, causal, back):
    found = analyze(TimeFirst(causal, back, how), (40, 12))
    assert found.receptive_field == ((1, -14, 0) if causal else (1, -7, 7),)
    assert all(layer.productive for layer in found.layers if layer.type == "Conv1d")


def test_the_field_is_what_nan_reaches():
    class Turned(nn.Module):  # time last, as seen_by looks at it
        def __init__(self):
            super().__init__()
            self.net = TimeFirst(back=False)

        def forward(self, x):
            return self.net(x.transpose(1, 2))

    step, lo, hi = analyze(TimeFirst(), (40, 12)).receptive_field[0]
    at = seen_by(Turned().eval(), (12, 40))[20].nonzero()[:, 0].tolist()
    assert at == list(range(step * 20 + lo, step * 20 + hi + 1))


def test_images_with_channels_last():
    assert analyze(ImageLast(), (16, 20, 3)).receptive_field == ((2, 0, 4), (2, 0, 4))


def test_channels_first_stays_as_it_is():
    """Also where an input as long as it has channels is turned on purpose."""
    assert analyze(nn.Conv1d(12, 4, 3), (12, 40)).receptive_field == ((1, 0, 2),)
    square = nn.Sequential(nn.Identity(), nn.Conv2d(3, 4, 3))
    assert analyze(square, (3, 9, 9)).receptive_field == ((1, 0, 2),) * 2


def test_advice_is_of_the_time_axis():
    """12 features are no axis of 12 pixels that three layers see whole."""
    assert not [finding for finding in advise(TimeFirst(), (400, 12)) if "400" in finding.message]
    assert not [finding for finding in advise(TimeFirst(), (400, 12)) if "image of 12" in finding.message]
