"""What an error says to change, where shapes do not fit: real torch refuses the one module and runs the other."""

import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.analysis import trace
from convblocks.errors import TraceError

Conv = nn.Conv2d


class Does(nn.Module):
    """A function of the input and of modules."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(modules)

    def forward(self, x):
        return self.function(x, *self.parts)


def lenet(features):
    return nn.Sequential(
        Conv(3, 6, 5), nn.MaxPool2d(2), Conv(6, 16, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(features, 84)
    )


def through(*layers):
    return nn.Sequential(Conv(3, 8, 1), *layers)


def add(x, first, main, shortcut=None):
    x = first(x)
    return main(x) + (shortcut(x) if shortcut else x)


IMAGE, PIXELS = (3, 9, 9), 9 * 9


# The module that fails, the size, what the error says, the module as it says.
BROKEN = {
    "channels of an inner layer": (through(Conv(4, 5, 1)), IMAGE, "; in_channels=8 in 1", through(Conv(8, 5, 1))),
    "channels of a transposed one": (
        through(nn.ConvTranspose2d(4, 5, 2)), IMAGE, "; in_channels=8 in 1", through(nn.ConvTranspose2d(8, 5, 2))),
    "channels of one in groups": (
        nn.Sequential(Conv(3, 10, 1), Conv(8, 8, 1, groups=4)), IMAGE, "; in_channels=10 in 1 and groups=2",
        nn.Sequential(Conv(3, 10, 1), Conv(10, 8, 1, groups=2))),
    "channels last": (
        through(Does(lambda x: x.permute(0, 2, 3, 1)), Conv(8, 8, 1)), IMAGE, "; in_channels=9 in 2, or move the "
        "channels to the second axis: x.permute(0, 3, 1, 2)",
        through(Does(lambda x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2)), Conv(8, 8, 1))),
    "channels of the first layer": (Conv(5, 6, 1), IMAGE, "spatial axes, e.g. 5x9x9; or in_channels=3",
        Conv(3, 6, 1)),
    "features": (lenet(120), (3, 32, 32), "; in_features=400 in 5", lenet(400)),
    "a map that was not flattened": (
        through(nn.Linear(8 * PIXELS, 2)), IMAGE, "x.flatten(1) gives its 648 features",
        through(nn.Flatten(), nn.Linear(648, 2))),
    "a map's channels to a linear layer": (
        through(nn.Linear(8, 2)), IMAGE, "or take their mean over positions (x.mean((2, 3)))",
        through(Does(lambda x: x.mean((2, 3))), nn.Linear(8, 2))),
    "a batch norm": (through(nn.BatchNorm2d(4)), IMAGE, "; num_features=8 in 1", through(nn.BatchNorm2d(8))),
    "a batch norm of rows": (
        through(nn.Flatten(), nn.BatchNorm2d(8)), IMAGE, "; BatchNorm1d in 2, for 2 axes with the batch",
        through(nn.Flatten(), nn.BatchNorm1d(648))),
    "a layer norm": (
        through(nn.LayerNorm([8, 4, 4])), IMAGE, "; normalized_shape=(8, 9, 9) in 1", through(nn.LayerNorm([8, 9, 9]))),
    "a layer norm of channels": (
        through(nn.LayerNorm(8)), IMAGE, "or use GroupNorm(1, 8)", through(nn.GroupNorm(1, 8))),
    "a group norm": (through(nn.GroupNorm(4, 16)), IMAGE, "; num_channels=8 in 1", through(nn.GroupNorm(4, 8))),
    "an instance norm": (
        through(nn.InstanceNorm2d(4, affine=True)), IMAGE, "; num_features=8 in 1",
        through(nn.InstanceNorm2d(8, affine=True))),
    "slopes": (through(nn.PReLU(4)), IMAGE, "; num_parameters=8 in 1", through(nn.PReLU(8))),
    "sub-pixels": (
        nn.Sequential(Conv(3, 10, 1), nn.PixelShuffle(2)), IMAGE, "2² = 4 channels, e.g. 8 in place of 10",
        nn.Sequential(Conv(3, 8, 1), nn.PixelShuffle(2))),
    "a kernel larger than the map": (
        through(Conv(8, 8, 5), Conv(8, 8, 6)), (3, 9, 9), "; give a larger input, of at least 3×10×10, or padding="
        "1 in 2",
        through(Conv(8, 8, 5), Conv(8, 8, 6, padding=1))),
    "a view of other features": (
        through(Does(lambda x: x.view(-1, 400))), IMAGE, "648 values here: x.flatten(1), and 648 features",
        through(Does(lambda x: x.view(-1, 648)))),
    "a batch that is fixed": (
        through(Does(lambda x: x.view(32, 648))), IMAGE, "the batch of 32 is fixed: use x.shape[0] in its place",
        through(Does(lambda x: x.view(x.shape[0], 648)))),
    "a view of a transposed map": (
        through(Does(lambda x: x.transpose(1, 2).view(-1, 648))), IMAGE, "use reshape in place of view",
        through(Does(lambda x: x.transpose(1, 2).reshape(-1, 648)))),
    "a sequence's features": (
        nn.Sequential(nn.Linear(3, 5), nn.GRU(4, 4)), (7, 3), "; input_size=5 in 1",
        nn.Sequential(nn.Linear(3, 5), nn.GRU(5, 4))),
    "attention's features": (
        Does(lambda x, a: a(x, x, x)[0], nn.MultiheadAttention(4, 2)), (7, 6), "; embed_dim=6 in parts.0",
        Does(lambda x, a: a(x, x, x)[0], nn.MultiheadAttention(6, 2))),
    "a first state of another batch": (
        Does(lambda x, g: g(x, torch.zeros(1, 32, 4))[0], nn.GRU(3, 4, batch_first=True)), (7, 3),
        "; make its first state for x.shape[0] examples in parts.0",
        Does(lambda x, g: g(x, torch.zeros(1, x.shape[0], 4))[0], nn.GRU(3, 4, batch_first=True))),
    "a type": (
        through(Conv(8, 8, 1).double()), IMAGE, "; convert the tensor before 1 by .to(torch.float64), or the module to",
        through(Does(lambda x: x.to(torch.float64)), Conv(8, 8, 1).double())),
    "a shortcut without a projection": (
        Does(add, Conv(3, 6, 1), Conv(6, 8, 3, 2, 1)), (3, 9, 9), "; nn.Conv2d(6, 8, 1, stride=2) on the side of 6×9×9",
        Does(add, Conv(3, 6, 1), Conv(6, 8, 3, 2, 1), nn.Conv2d(6, 8, 1, stride=2))),
    "a shortcut of a signal": (
        Does(add, nn.Conv1d(3, 6, 1), nn.Conv1d(6, 8, 3, 3, 1)), (3, 9), "; nn.Conv1d(6, 8, 1, stride=3) on the side",
        Does(add, nn.Conv1d(3, 6, 1), nn.Conv1d(6, 8, 3, 3, 1), nn.Conv1d(6, 8, 1, stride=3))),
    "a shortcut of rows": (
        Does(add, nn.Linear(3, 6), nn.Linear(6, 8)), (3,), "; nn.Linear(6, 8) on the side of 6",
        Does(add, nn.Linear(3, 6), nn.Linear(6, 8), nn.Linear(6, 8))),
    "a product of matrices": (
        Does(lambda x, a: a(x) @ a(x), nn.Linear(3, 5)), (7, 3), "; transpose the second: transpose(-2, -1)",
        Does(lambda x, a: a(x) @ a(x).transpose(-2, -1), nn.Linear(3, 5))),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_the_fix_is_computed_and_works(name):
    broken, size, words, fixed = BROKEN[name]
    with pytest.raises((RuntimeError, ValueError, AssertionError)):
        broken(torch.rand(2, *size))
    with pytest.raises(TraceError) as refused:
        analyze(broken, size)
    assert words in str(refused.value)
    fixed(torch.rand(2, *size))
    analyze(fixed, size)


@pytest.mark.parametrize(
    ("features", "size"), [(400, (3, 28, 28)), (16 * 53 * 53, (3, 64, 64)), (256, (3, 40, 33))]
)
def test_an_input_that_a_linear_layer_fits_is_named_where_there_is_one(features, size):
    with pytest.raises(TraceError, match=r"in_features=\d+ in 5, or an input of 3×(\d+)×(\d+)$") as refused:
        trace(lenet(features), size)
    named = str(refused.value).rpartition(" ")[2]
    lenet(features)(torch.rand(1, *map(int, named.split("×"))))


@pytest.mark.parametrize(
    "layer", [nn.MaxPool2d(5), nn.AvgPool2d(5), nn.ReflectionPad2d(5), Conv(8, 8, 3, dilation=2)]
)
def test_the_smallest_input_is_named_where_one_is_too_small(layer):
    net = nn.Sequential(Conv(3, 8, 3, 2), layer)
    with pytest.raises(TraceError, match=r"give a larger input, of at least 3×(\d+)×\1") as refused:
        trace(net, (3, 8, 8))
    least = int(str(refused.value).partition("at least 3×")[2].partition("×")[0])
    net(torch.rand(1, 3, least, least))
    with pytest.raises(RuntimeError):
        net(torch.rand(1, 3, least - 1, least - 1))
