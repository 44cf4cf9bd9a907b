"""Windows of convolutions, from the options of their calls."""

from torch import nn

from convblocks.analysis.ops import Window, window
from convblocks.analysis.trace import trace


def test_an_output_padding_is_no_dilation():
    op = trace(nn.ConvTranspose2d(3, 4, 5, 3, 1, output_padding=2), (3, 8, 8)).ops[0]
    assert window(op, 0) == Window(size=5, stride=3, padding=1, dilation=1)
    op = trace(nn.ConvTranspose2d(3, 4, 5, 3, 1, dilation=(2, 3)), (3, 8, 8)).ops[0]
    assert [window(op, axis).dilation for axis in range(2)] == [2, 3]
