"""The text of ops, inputs and outputs in a drawing."""

from torch import nn

from convblocks.drawing import outline
from convblocks.drawing.op_labels import named, named_outputs


def test_clipping_is_named_as_papers_do():
    layers = nn.Sequential(
        nn.Conv2d(4, 4, 1), nn.ReLU6(), nn.Hardtanh(), nn.Hardtanh(0, 6), nn.ReLU(inplace=True)
    )
    assert outline(layers, (4, 8, 8)).boxes[1].detail == "ReLU6, hardtanh, ReLU6, ReLU"
    pools = nn.Sequential(nn.MaxPool2d(3, 2), nn.AvgPool2d((1, 2)), nn.AdaptiveMaxPool2d((2, 1)))
    found = [box.text for box in outline(pools, (4, 16, 16)).boxes[1:-1]]
    assert found == ["3×3 max pool, stride 2", "1×2 avg pool, stride 1×2", "adaptive max pool to 2×1"]


def test_inputs_and_outputs_have_channels_where_their_axis_is():
    assert named("input", (1, 3, 8, 9)) == "input, 3 channels, 8×9"
    assert named("input", (1, 8, 9, 3), channels=3) == "input, 8×9, 3 channels"
    assert named("input", (10, 1, 6), channels=2, batch=1) == "input, 10, 6 channels"
    assert named_outputs([((1, 4, 8, 8), 1)]) == "output, 4 channels, 8×8"
    assert named_outputs([((1, 3, 8, 8), 1), ((1, 1, 8, 8), 1)]) == "outputs: 3 and 1 channels, 8×8"
