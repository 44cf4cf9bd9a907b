"""What others have published of known networks: torchvision's own counts, and receptive fields from papers."""

import pytest
import torch

from convblocks import analyze
from convblocks.analysis import trace
from convblocks.analysis.fields.receptive_field import receptive_fields
from convblocks.targets import load_target
from convblocks.targets.target import built
from convblocks.targets.zoos import with_operators

models = with_operators(lambda: __import__("torchvision")).models

QUICK = """
    alexnet convnext_tiny densenet121 efficientnet_b0 googlenet inception_v3 mnasnet0_5 mnasnet0_75 mnasnet1_0
    mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_400mf regnet_x_800mf regnet_y_400mf
    regnet_y_800mf resnet18 resnet34 resnet50 resnet101 resnext50_32x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0
    shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 vgg11 vgg13 vgg16 vgg16_bn vgg19
    wide_resnet50_2
"""
AS_PUBLISHED = {  # what the published weights are built with, beyond the default
    "googlenet": lambda crop: {"aux_logits": False, "init_weights": False},
    "inception_v3": lambda crop: {"init_weights": False},
    "vit_b_16": lambda crop: {"image_size": crop},
    "vit_l_16": lambda crop: {"image_size": crop},
    "vit_h_14": lambda crop: {"image_size": crop},
}
NAMES = [
    name if name in QUICK.split() else pytest.param(name, marks=pytest.mark.slow)
    for name in models.list_models(module=models)
]


@pytest.mark.parametrize("name", NAMES)
def test_macs_and_parameters_are_torchvision_s(name):
    """`_ops` are GMACs, to three digits after the point (torchvision's scripts/collect_model_stats.py)."""
    published = {
        (w.transforms.keywords["crop_size"], w.meta["_ops"], w.meta["num_params"])
        for w in models.get_model_weights(name)
    }
    for crop, gigamacs, params in published:
        options = AS_PUBLISHED.get(name, lambda crop: {})(crop)
        net = built(lambda: models.get_model(name, weights=None, **options), on_meta=True)  # noqa: B023
        found = analyze(net, (3, crop, crop))
        assert found.params == params
        assert round(found.macs / 1e9, 3) == gigamacs
        assert found.unknown_ops == ()


def field_sizes(net, size, path):
    """Of the last map that the module at `path` puts out."""
    seen = trace(net, size)
    fields = receptive_fields(seen)
    within = [op for op in seen.ops if op.path == path or op.path.startswith(f"{path}.")]
    step, lo, hi = fields[within[-1].outputs[0].number][0]
    return step, hi - lo + 1


PUBLISHED_FIELDS = [  # Araujo et al. 2019, "Computing Receptive Fields of Convolutional Neural Networks" (Distill)
    ("torchvision:alexnet", "features", 195),
    ("torchvision:vgg16", "features", 212),
    ("timm:mobilenetv1_100", "blocks", 315),
    ("torchvision:inception_v3", "Mixed_7c", 1311),
    ("timm:inception_v4", "features", 2071),
    ("timm:inception_resnet_v2", "conv2d_7b", 3039),
    # With the stride in the second convolution of a stage's first block: github.com/nashory/DeLF-pytorch/issues/15.
    ("torchvision:resnet50", "layer4", 427),
    ("torchvision:resnet101", "layer4", 971),
]


@pytest.mark.parametrize(("target", "path", "size"), PUBLISHED_FIELDS)
def test_receptive_fields_are_those_of_the_papers(target, path, size):
    found = load_target(target, on_meta=True)
    step, seen = field_sizes(found.module, found.input_size, path)
    assert seen == size
    assert step == 32


@pytest.mark.parametrize(("name", "size"), [("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)])
def test_resnets_with_the_stride_in_a_stage_s_last_block_see_more(name, size):
    """TF-slim's ResNets, as Araujo et al. 2019 give them: stride 2 in the last block of stages 1, 2 and 3."""
    with torch.device("meta"):
        net = models.get_model(name, weights=None)
    for stage in (net.layer2, net.layer3, net.layer4):
        stage[0].conv2.stride = stage[0].downsample[0].stride = (1, 1)
    for stage in (net.layer1, net.layer2, net.layer3):
        last = stage[-1]
        last.conv2.stride = (2, 2)
        last.downsample = torch.nn.MaxPool2d(1, 2)
    assert field_sizes(net, (3, 224, 224), "layer4") == (32, size)
