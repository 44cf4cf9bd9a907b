"""U-Net and DeepLab heads: twins written here, sizes, exact costs, fields by NaN propagation, what is refused."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from msgspec.structs import replace

from convblocks import BLOCKS, BlockSpec, Network, Stage, Stem, network_cost
from convblocks.analysis import count
from convblocks.experiments.implementations import Frame
from convblocks.networks import DilatedHead, UNetHead, dilated, features, zoo
from tests.grid_of import grid_of

SIZES = {1: (37,), 2: (21, 30), 3: (9, 12, 11)}


def net(head, family="residual", dims=2, strides=(1, 2, 2), stem_stride=1, **options):
    return Network(
        in_channels=3,
        classes=5,
        stem=Stem(out_channels=4, stride=stem_stride),
        stages=tuple(
            Stage(block=BlockSpec(family, **options), blocks=2, out_channels=4 * 2**i, stride=stride)
            for i, stride in enumerate(strides)
        ),
        head=head,
        dims=dims,
    )


HEADS = {"unet": UNetHead(), "dilated": DilatedHead(width=8, rates=(1, 2))}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("stem_stride", [1, 2])
def test_scores_have_the_inputs_size_and_costs_are_exact(head, dims, stem_stride):
    network = net(HEADS[head], dims=dims, stem_stride=stem_stride)
    network = dilated(network, 4) if head == "dilated" else network
    size = SIZES[dims]
    module = network.build().eval()
    assert module(torch.zeros(2, 3, *size)).shape == (2, 5, *size)
    traced = count(module, (3, *size))
    assert network_cost(network, size) == traced
    assert not traced.unknown_ops
    assert traced.params == sum(p.numel() for p in module.parameters())
    assert traced.macs == macs_by_hooks(module, torch.zeros(1, 3, *size))
    assert Network.from_toml(network.to_toml()) == Network.from_json(network.to_json()) == network


def macs_by_hooks(module, x):
    """Multiply-accumulates of all convolutions, from the shapes that pass through."""
    total = []

    def hook(layer, inputs, output):
        positions = (inputs[0] if "Transpose" in type(layer).__name__ else output)[0, 0].numel()
        total.append(positions * layer.weight.numel())

    for layer in module.modules():
        if "Conv" in type(layer).__name__ and hasattr(layer, "kernel_size"):
            layer.register_forward_hook(hook)
    with torch.no_grad():
        module(x)
    return sum(total)


@pytest.mark.parametrize("family", ["simple", "residual", "bottleneck"])
def test_any_family_in_encoder_and_decoder(family):
    network = net(UNetHead(block=BlockSpec(family, depth=3)), family=family, depth=3)
    assert network.build()(torch.zeros(2, 3, 13, 18)).shape == (2, 5, 13, 18)


def test_the_u_net_decoder_is_the_papers():
    """Figure 1, written out: up-convolution, copy and crop, two 3×3 convolutions, at last 1×1."""
    module = net(UNetHead()).build().eval()
    x = torch.randn(2, 3, 15, 22)
    maps, y = [], module.stem(module.standardise(x))
    for stage in module.stages:
        y = stage(y)
        maps.append(y)
    weights = module.head.state_dict()

    def conv(y, name):
        y = F.conv2d(y, weights[f"{name}.conv.weight"], padding=1)
        norm = [weights[f"{name}.norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.relu(F.batch_norm(y, *norm))

    for i, skip in enumerate(reversed(maps[:-1])):
        y = F.conv_transpose2d(y, weights[f"ups.{i}.up.weight"], weights[f"ups.{i}.up.bias"], stride=2)
        y = torch.cat([skip, y[:, :, : skip.shape[2], : skip.shape[3]]], 1)
        y = conv(conv(y, f"ups.{i}.block.layers.0"), f"ups.{i}.block.layers.1")
    expected = F.conv2d(y, weights["scores.weight"], weights["scores.bias"])
    with torch.no_grad():
        assert torch.allclose(module(x), expected, atol=1e-6)


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("n", range(13, 21))
def test_a_pool_that_rounds_down_leaves_zeros_at_the_far_edge(n, dims):
    """AlexNet's 3-wide pool without padding: of 13 positions it sees them all, of 14 not the last."""
    network = net(UNetHead(), family="simple", dims=dims, strides=(1, 1, 1), pool="max3_unpadded", depth=1)
    module, size, seen = network.build().eval(), (n + 200,) * dims, []
    for up in module.head.ups:
        up.up.register_forward_hook(lambda _, __, made: seen.append(made))
        up.block.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    assert module(torch.randn(2, 3, *size)).shape == (2, 5, *size)
    for made, joined in zip(seen[::2], seen[1::2], strict=True):
        up = joined[:, joined.shape[1] // 2 :]
        inside = tuple(slice(min(n, m)) for n, m in zip(made.shape[2:], up.shape[2:], strict=True))
        assert torch.equal(up[(..., *inside)], made[(..., *inside)])
        assert (up != 0).sum() == (up[(..., *inside)] != 0).sum()


def test_a_u_net_on_alexnet():
    alexnet = replace(zoo.alexnet(classes=4), head=UNetHead())
    assert alexnet.build().eval()(torch.zeros(1, 3, 65, 65)).shape == (1, 4, 65, 65)


PREACTIVATED = [name for name, block in BLOCKS.items() if getattr(block, "preactivated", False)]


def closed(module, name, x):
    """ReLU of the batch norm called `name`."""
    weights = module.state_dict()
    norm = [weights[f"{name}.0.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    return F.relu(F.batch_norm(x, *norm))


def scramble(module):
    for tensor in module.state_dict().values():
        if tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5)


@pytest.mark.parametrize("family", PREACTIVATED)
def test_what_reads_pre_activated_maps_reads_them_normed_and_activated(family):
    """Each map that the decoder takes, those that it makes, and the one that the pyramid takes."""
    frame = Frame(1, (16, 16), 3, 2, UNetHead(block=BlockSpec(family)))
    (implementation, *_), _ = grid_of((12,), 2, (family,), (3, 6), (1,))
    unet = frame.network(implementation, (8, 12)).build().eval()
    scramble(unet)
    up, x = unet.head.ups[0], torch.randn(2, 1, 16, 16)
    seen = {}
    for name, part in {"up": up.up, "block": up.block, "scores": unet.head.scores}.items():
        part.register_forward_hook(lambda _, given, made, name=name: seen.update({name: (given[0], made)}))
    with torch.no_grad():
        unet(x)
        maps = features(frame.network(implementation, (8, 12))).eval()
        maps.load_state_dict({k: v for k, v in unet.state_dict().items() if not k.startswith("head.")})
        first, last = maps(x)
        assert torch.equal(seen["up"][0], closed(unet, "head.closings.1", last))
        assert torch.equal(seen["block"][0][:, :8], closed(unet, "head.closings.0", first))
        assert torch.equal(seen["scores"][0], closed(unet, "head.ups.0.closing", seen["block"][1]))
        head = DilatedHead(width=4, rates=(1,))
        deeplab = dataclasses.replace(frame, head=head).network(implementation, (8, 12)).build().eval()
        scramble(deeplab)
        deeplab.head.register_forward_pre_hook(lambda _, given: seen.update(last=given[0][-1]))
        deeplab.head.point.register_forward_pre_hook(lambda _, given: seen.update(point=given[0]))
        deeplab(x)
        assert torch.equal(seen["point"], closed(deeplab, "head.closing", seen["last"]))


def test_maps_are_closed_without_a_norm_too():
    """And not in place, since the next stage reads them as they were."""
    head = UNetHead(activation="silu")
    module = net(head, family="preactivation", norm="none", activation="silu").build()
    module(torch.randn(2, 3, 9, 9)).sum().backward()
    assert all(p.grad is not None for p in module.parameters())
