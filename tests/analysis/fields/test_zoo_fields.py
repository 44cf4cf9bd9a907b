"""Receptive fields of other people's networks against NaN: put one into a column or row, see what becomes NaN.

Every convolution, pool, norm and rectifier of a network is watched, so fields are compared from the first layer on,
where the image does not yet clip them, to the last.
"""

import warnings
from math import ceil, floor

import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.targets import load_target

WATCHED = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.ReLU)
QUICK = """
    torchvision:alexnet torchvision:mnasnet0_5 torchvision:shufflenet_v2_x0_5 torchvision:squeezenet1_1
    torchvision:resnet18 timm:ghostnet_050 timm:mobilenetv3_small_050
"""
SLOW = """
    torchvision:convnext_tiny torchvision:densenet121 torchvision:efficientnet_b0 torchvision:googlenet
    torchvision:inception_v3 torchvision:mobilenet_v2 torchvision:regnet_x_400mf torchvision:resnet50
    torchvision:resnext50_32x4d torchvision:vgg11 torchvision:vgg16_bn torchvision:wide_resnet50_2
    timm:convmixer_768_32 timm:convnextv2_atto timm:cs3darknet_focus_s timm:cspresnet50 timm:darknet17
    timm:darknet53 timm:densenetblur121d timm:dla34 timm:dla60x timm:dpn68 timm:ese_vovnet19b_dw
    timm:fasternet_t0 timm:fbnetc_100 timm:gernet_s timm:hardcorenas_a timm:hgnetv2_b0 timm:hrnet_w18_small
    timm:inception_next_atto timm:inception_resnet_v2 timm:inception_v4 timm:lcnet_050 timm:legacy_xception
    timm:mixnet_s timm:mobilenetv1_100 timm:mobilenetv4_conv_small timm:mobileone_s0 timm:nf_resnet26
    timm:rdnet_tiny timm:regnetx_002 timm:repvgg_a0 timm:repvit_m0_9 timm:res2net50_14w_8s timm:resnet26t
    timm:resnetblur18 timm:resnetv2_18 timm:rexnet_100 timm:selecsls42 timm:seresnet18 timm:starnet_s1
    timm:tf_efficientnet_lite0 timm:tresnet_m timm:vovnet39a timm:xception41
"""
SIDE = 64
SIDES = {  # layers without padding leave no column over at these sides
    "torchvision:squeezenet1_1": 63,
    "timm:convmixer_768_32": 63,
    "timm:legacy_xception": 63,
    "torchvision:inception_v3": 75,
    "timm:inception_v4": 75,
    "timm:inception_resnet_v2": 75,
}
UPSAMPLED = {"timm:hrnet_w18_small"}
NAMES = [*QUICK.split(), *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW.split())]


def built(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return load_target(name).module.eval()


def seen_along(net, n, axis):
    """For each watched call in order, seen[output, input] along one axis."""
    x = torch.randn(1, 3, n, n).repeat(n + 1, 1, 1, 1)
    for i in range(n):
        x[i].select(1 + axis, i).fill_(float("nan"))
    found = []

    def watch(name, output):
        if output.ndim == 4 and len(output) == n + 1:
            spoiled = output.isnan().any(dim=(1, 3 - axis))
            assert not spoiled[n].any(), f"{name} gives NaN for a clean image"
            found.append((name, spoiled[:n].T))

    named = [(name, m) for name, m in net.named_modules() if isinstance(m, WATCHED)]
    handles = [m.register_forward_hook(lambda m, x, y, name=name: watch(name, y)) for name, m in named]
    with torch.inference_mode():
        net(x)
    for handle in handles:
        handle.remove()
    return found


def expected(field, outputs, n):
    """The first and last input that each output sees, within the image."""
    if field == "all":
        return [(0, n - 1)] * outputs
    step, lo, hi = field
    return [(max(ceil(step * i + lo), 0), min(floor(step * i + hi), n - 1)) for i in range(outputs)]


def agree(reached, wanted, *, upsampled):
    """Equal; behind up-sampling, where a field is the narrowest that holds them all, within and somewhere equal."""
    if not upsampled:
        return reached == wanted
    pairs = list(zip(reached, wanted, strict=True))
    within = all(a <= first <= last <= b for (first, last), (a, b) in pairs)
    return within and any(r[0] == w[0] for r, w in pairs) and any(r[1] == w[1] for r, w in pairs)


@pytest.mark.parametrize("name", NAMES)
def test_fields_are_what_nan_shows(name):
    net, n = built(name), SIDES.get(name, SIDE)
    layers = {}
    for layer in analyze(net, (3, n, n)).layers:
        layers.setdefault(layer.name, []).append(layer)
    compared = 0
    for axis in (0, 1):
        calls = {path: iter(found) for path, found in layers.items()}
        for path, seen in seen_along(net, n, axis):
            field = next(calls[path]).receptive_field[axis]
            reached = [(int(row.nonzero()[0]), int(row.nonzero()[-1])) for row in seen]
            wanted = expected(field, len(seen), n)
            assert agree(reached, wanted, upsampled=name in UPSAMPLED), (
                f"{path}: {field}: {reached} for {wanted}"
            )
            compared += 1
    assert compared > 10
