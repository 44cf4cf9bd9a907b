"""What backward needs, against autograd: PyTorch's own hooks see each tensor that it saves, in training, on data."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from convblocks import BottleneckBlock, ResidualBlock, SimpleConvBlock, analyze, load_target
from convblocks.analysis import trace
from convblocks.analysis.memory.saved import saved_for_backward


def kept_bytes(net, *inputs):
    """Of every storage that autograd saves, once; without what the module holds itself."""
    held = {t.untyped_storage()._cdata for t in (*net.parameters(), *net.buffers())}
    seen = {}

    def pack(tensor):
        seen.setdefault(
            tensor.untyped_storage()._cdata, tensor
        )  # which keeps it, so that no other has its address
        return tensor

    net.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(*inputs)
    return sum(t.untyped_storage().nbytes() for address, t in seen.items() if address not in held)


def predicted(net, *sizes, batch=2):
    found = saved_for_backward(trace(net, *sizes, batch=batch))
    assert found.unknown == ()
    return found.bytes


def check(net, *sizes, batch=2):
    real = kept_bytes(net, *[torch.randn(batch, *size) for size in sizes])
    assert predicted(net, *sizes, batch=batch) == real


NORMS = ("batch", "group", "layer", "instance", "none")
ACTIVATIONS = ("relu", "leaky_relu", "elu", "silu", "mish", "hardswish", "gelu", "tanh", "none")
FAMILIES = {"simple": SimpleConvBlock, "residual": ResidualBlock, "bottleneck": BottleneckBlock}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_our_families_keep_what_autograd_keeps(family, activation, norm):
    for dims in (1, 2, 3):
        block = FAMILIES[family](4, 8, stride=2, depth=3, norm=norm, activation=activation, dims=dims)
        check(block, (4, *(7,) * dims))


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
    ],
)
def test_padding_shortcuts_and_groups(block):
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


class Through(nn.Module):
    """A function of a convolution's output, and of a weight where it takes two."""

    def __init__(self, function):
        super().__init__()
        self.conv, self.weight = nn.Conv2d(3, 4, 3, padding=1), nn.Parameter(torch.rand(4, 1, 1) + 0.5)
        self.function = function

    def forward(self, x):
        x = self.conv(x)
        return self.function(x, self.weight) if self.function.__code__.co_argcount > 1 else self.function(x)


FUNCTIONS = {
    "times a weight": lambda x, w: x * w,
    "times itself": lambda x: x * x,
    "times a number": lambda x: x * 2.0 + 1,
    "times in place": lambda x, w: x.mul_(w),
    "times what needs no gradient": lambda x, w: x * w.detach(),
    "by a weight": lambda x, w: x / w,
    "by a number": lambda x: 1 / (x / 2),
    "to a power": lambda x: x**3 + 2**x,
    "to a learnt power": lambda x, w: x.abs() ** w,
    "larger": lambda x, w: torch.maximum(x, w),
    "roots": lambda x: x.abs().sqrt().rsqrt().exp().log(),
    "relu before and after": lambda x: F.relu(x + 1) + x.relu_(),
    "in place by position": lambda x: F.hardswish(F.hardsigmoid(x + 1, True) + 1, True),
    "in place by position, seen through the old name": lambda x: (lambda y: F.relu(y, True) + F.silu(y))(x + 1),
    "silu in place": lambda x: F.silu(F.silu(x, inplace=True) + 1, inplace=True),
    "others": lambda x: F.softplus(F.elu(x)) + F.selu(x) + F.softsign(x) + F.relu6(x) + F.hardtanh(x, -1, 1),
    "functions": lambda x: x.sinh() + x.asin() + torch.erfc(x) + x.exp2() + x.tan() + abs(x) + F.logsigmoid(x),
    "functions in place": lambda x: (x + 1).sin_().mul_(2.0).erf_().reciprocal_().square_() + torch.fmax(x, x + 1),
    "clamps": lambda x: x.clamp(0, 1) + x.clamp_min(0) + (x + 1).clamp_(0, 1),
    "softmax": lambda x: F.softmax(x, 1) + F.log_softmax(x, 1),
    "views": lambda x: x.flatten(2).transpose(1, 2).chunk(2, -1)[0].relu().unsqueeze(1),
    "squares of views": lambda x: x[:, :2] * x[:, 2:],
    "two chunks, one storage": lambda x: (lambda a, b: torch.sigmoid(a) * b)(*x.chunk(2, 1)),
    "joined": lambda x: F.silu(torch.cat([x, x.flip(-1)], 1)) + F.silu(torch.stack([x, x], 1).flatten(1, 2)),
    "statistics": lambda x: x.mean(1) + x.var(1) + x.std(1) + x.amax(1) + x.sum(1) + x.norm(dim=1),
    "the largest": lambda x: x.max(1)[0].sum() + x.max() + x.topk(2, 1)[0].sum() + x.sort(2)[0].sum(),
    "normalised": lambda x: F.normalize(x, dim=1),
    "layer norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "rms norm": lambda x, w: F.rms_norm(x, x.shape[3:]) + F.rms_norm(x, x.shape[3:], w.expand(4, 1, 8)[0, 0]),
    "group norm": lambda x: F.group_norm(x, 2),
    "instance norm": lambda x: F.instance_norm(x),
    "instance norm with a weight": lambda x, w: F.instance_norm(x, weight=w.flatten(), bias=w.flatten()),
    "max pools": lambda x: F.max_pool2d(x, 2).sum() + F.max_pool1d(x.flatten(2), 3).sum(),
    "average pools": lambda x: F.avg_pool2d(x, 2) + F.adaptive_avg_pool2d(x, 1) + F.adaptive_avg_pool2d(x, 4),
    "padded": lambda x: F.pad(x, (1, 1)).sum() + F.pad(x, (1, 1, 1, 1), mode="reflect").sum(),
    "stretched": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear") + F.interpolate(x, scale_factor=2),
    "by index": lambda x: x[:, torch.tensor([0, 2])] + x.index_select(1, torch.tensor([1, 3])),
    "masked": lambda x: torch.where(x > 0, x, 0.5) + x.masked_fill(x > 1, 0.0),
    "dropped": lambda x: F.dropout(x, 0.5) + F.dropout2d(x, 0.5),
    "dropped in place": lambda x: F.dropout(x, 0.5, True, True),
    "none dropped": lambda x: F.relu(F.dropout(F.sigmoid(x), 0.0)),
    "products": lambda x: x @ x.transpose(2, 3) + torch.einsum("bchw,bcvw->bchv", x, x),
    "crosswise products": lambda x: (x.flatten(2).transpose(1, 2) @ x.flatten(2)) @ x.flatten(2).transpose(1, 2),
    "products of batches": lambda x: x.permute(0, 2, 1, 3) @ x.permute(0, 2, 3, 1),
    "attention": lambda x: F.scaled_dot_product_attention(x, x + 1, x * 2),
    "attention, its heads joined": lambda x: F.silu(
        F.scaled_dot_product_attention(x, x + 1, x * 2).transpose(1, 2).flatten(2)
    ),
    "attention, its heads behind the positions": lambda x: (
        lambda y: F.silu(F.scaled_dot_product_attention(y, y, y).transpose(1, 2).flatten(2))
    )(x.transpose(1, 2)),
    "attention with a mask": lambda x: F.scaled_dot_product_attention(x, x + 1, x * 2, torch.zeros(8, 8)),
    "attention with a learnt mask": lambda x, w: F.scaled_dot_product_attention(x, x + 1, x * 2, w.expand(4, 8, 8)),
    "attention of one head": lambda x: F.scaled_dot_product_attention(x[:, 0], x[:, 1] + 1, x[:, 2] * 2),
    "attention with dropout": lambda x: F.scaled_dot_product_attention(x, x + 1, x * 2, dropout_p=0.1),
    "attention with dropout and a mask": lambda x: F.scaled_dot_product_attention(
        x, x + 1, x * 2, torch.zeros(8, 8), 0.1
    ),
    "attention with dropout, its heads behind the positions": lambda x: (
        lambda y: F.silu(F.scaled_dot_product_attention(y, y, y, dropout_p=0.1).transpose(1, 2).flatten(2))
    )(x.transpose(1, 2)),
    "attention with a mask of truths": lambda x: F.scaled_dot_product_attention(
        x, x + 1, x * 2, torch.ones(8, 8, dtype=torch.bool).tril()
    ),
    "attention of channels behind the positions": lambda x: F.scaled_dot_product_attention(
        *x.flatten(2).transpose(1, 2).unsqueeze(1).chunk(2, -1), x.flatten(2).mT[:, None, :, :2]
    ),
    "attention, one operand across": lambda x: F.silu(F.scaled_dot_product_attention(x, x.mT, x).transpose(1, 2)),
    "attention with values of another width": lambda x: F.scaled_dot_product_attention(x, x + 1, x[..., :4] * 2),
    "a weight that is computed": lambda x, w: F.conv2d(x, (w - w.mean()).expand(4, 4, 1, 1) * 2),
    "without gradient": lambda x: x + torch.no_grad()(lambda: torch.sigmoid(x) * x)() + torch.tanh(x.detach()),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_an_op_keeps(name):
    check(Through(FUNCTIONS[name]), (3, 8, 8))


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_multi_head_attention(need_weights, batch_first, dropout):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.attend = nn.MultiheadAttention(8, 2, dropout=dropout, batch_first=batch_first)

        def forward(self, x):
            return self.attend(x, x, x, need_weights=need_weights)[0]

    check(Net(), (5, 8), batch=3)


@pytest.mark.parametrize("batch_first", [True, False])
def test_transformer_layers_drop_attention_too(batch_first):
    check(nn.TransformerEncoderLayer(32, 4, 64, batch_first=batch_first), (64, 32))


class Attention(nn.Module):
    """As most are written: in eval mode nobody sees the dropout."""

    def __init__(self, name, p, residual_p):
        super().__init__()
        self.project, self.name = nn.Linear(8, 24), name
        self.add_module(name, nn.Dropout(p))
        self.resid_drop = nn.Dropout(residual_p)

    def forward(self, x):
        q, k, v = self.project(x).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        p = self.get_submodule(self.name).p
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=p if self.training else 0.0)
        return self.resid_drop(x.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("name", "p", "residual_p"),
    [("drop", 0, 0), ("drop", 0.1, 0.2), ("attn_drop", 0.1, 0), ("attn_drop", 0, 0.1)],
)
def test_dropout_of_attention_that_eval_mode_hides(name, p, residual_p, training):
    net = Attention(name, p, residual_p)
    real = kept_bytes(net, torch.randn(2, 16, 8))
    assert predicted(net.train(training), (16, 8)) == real


class Sometimes(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, dropout_p=0.1 if self.training else 0.0)


class Never(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, dropout_p=0.0)


def test_dropout_of_attention_that_cannot_be_told_is_named():
    first, size = nn.Conv2d(3, 4, 1), (3, 8, 8)
    for net, given in ((nn.Sequential(first, Sometimes()), size), (Attention("drop", 0.1, 0), (16, 8))):
        assert analyze(net, given).unsaved_ops == ("scaled_dot_product_attention",)
    check(nn.Sequential(first, Never()), size)


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
