"""Parameters and MACs of the zoo: as published, and as torchvision and timm count."""

import re

import pytest
import torch

from convblocks import load_target, network_cost
from convblocks.blocks import reparameterize
from convblocks.errors import OptionError, TargetError
from convblocks.networks import features
from convblocks.networks.zoo import PIXELS, ZOO, cifar_plain, cifar_resnet, regnet_x, vgg, zoo_network
from convblocks.targets.zoos import with_operators

models = with_operators(lambda: __import__("torchvision.models").models)
timm = with_operators(lambda: __import__("timm"))

PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "resnext50_32x4d": 25_028_904,
    "alexnet": 61_100_840,
    "vgg16": 138_357_544,
}
MILLIONS = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7, 1202: 19.4}  # He et al. 2016, table 6
SHARED = [name for name in ZOO if name in models.list_models()]


def test_most_of_the_zoo_is_torchvision_s_too():
    assert len(SHARED) == 31


@pytest.mark.parametrize("name", SHARED)
def test_parameters_to_the_unit_and_macs_as_torchvision_publishes(name):
    meta = models.get_model_weights(name).DEFAULT.meta
    cost = network_cost(ZOO[name](), (224, 224))
    assert cost.params == meta["num_params"] == PUBLISHED.get(name, cost.params)
    published = getattr(
        models.get_model_weights(name), "IMAGENET1K_V1", models.get_model_weights(name).DEFAULT
    )
    assert cost.macs / 1e9 == pytest.approx(published.meta["_ops"], abs=6e-4)


TIMMS = ["resnet18d", "resnet34d", "resnet50d", "resnet101d", "resnet152d"]
TIMMS += ["repvgg_a0", "repvgg_a1", "repvgg_a2", "repvgg_b0"]


@pytest.mark.parametrize("name", TIMMS)
def test_parameters_as_timm_counts(name):
    with torch.device("meta"):
        theirs = timm.create_model(name)
    assert network_cost(ZOO[name](), (224, 224)).params == sum(p.numel() for p in theirs.parameters())


@pytest.mark.parametrize(  # arXiv:2101.03697, table 4
    ("name", "millions", "gmacs"),
    [
        ("repvgg_a0", 8.30, 1.4),
        ("repvgg_a1", 12.78, 2.4),
        ("repvgg_a2", 25.49, 5.1),
        ("repvgg_b0", 14.33, 3.1),
    ],
)
def test_a_deployed_repvgg_has_the_paper_s_parameters_and_macs(name, millions, gmacs):
    deployed = ZOO[name]().with_blocks("repvgg", reparameterized=True)
    cost = network_cost(deployed, (224, 224))
    assert cost.params / 1e6 == pytest.approx(millions, abs=0.011)
    assert cost.macs / 1e9 == pytest.approx(gmacs, abs=0.05)
    with torch.device("meta"):
        turned, built = reparameterize(ZOO[name]().build()), deployed.build()
    assert {k: v.shape for k, v in turned.state_dict().items()} == {
        k: v.shape for k, v in built.state_dict().items()
    }


@pytest.mark.parametrize(("layers", "millions"), MILLIONS.items())
def test_cifar_resnets_have_the_paper_s_parameters_and_their_twins_the_same(layers, millions):
    cost, plain = (network_cost(make(layers), (32, 32)) for make in (cifar_resnet, cifar_plain))
    digits = 2 if layers < 100 else 1
    assert round(cost.params / 1e6, digits) == millions
    assert (plain.params, plain.macs) == (cost.params, cost.macs)


MILLIONS_BY_NAME = {  # arXiv:1605.07146, tables 4 and 5
    "cifar_preactivation164": 1.7,
    "wrn_16_8": 11.0,
    "wrn_22_8": 17.2,
    "wrn_28_10": 36.5,
    "wrn_40_1": 0.6,
    "wrn_40_2": 2.2,
    "wrn_40_4": 8.9,
}


@pytest.mark.parametrize(("name", "millions"), MILLIONS_BY_NAME.items())
def test_preactivated_networks_have_their_papers_parameters(name, millions):
    assert network_cost(ZOO[name](), (32, 32)).params / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize(
    ("name", "units", "widths"), [("revnet38", 3, (32, 64, 112)), ("revnet110", 9, (32, 64, 128))]
)
def test_revnets_have_the_paper_s_parameters(name, units, widths):
    """arXiv:1707.04585, table 2: 0.46 and 1.73 million."""
    convolutions, before = 3 * 32 * 9, 32
    norms = 2 * widths[-1]
    for width in widths:
        convolutions += (before * width + (4 * units - 1) * width**2) // 4 * 9
        norms += before + (4 * units - 1) * width
        before = width
    params = network_cost(ZOO[name](), (32, 32)).params
    assert params == convolutions + norms + 10 * (widths[-1] + 1)
    assert round(params / 1e6, 2) == {"revnet38": 0.46, "revnet110": 1.73}[name]


def test_the_published_10_2_million_of_resnet_1001_are_its_weights_without_the_norms_scales_and_shifts():
    with torch.device("meta"):
        module = ZOO["cifar_preactivation1001"]().build()
    weights = sum(p.numel() for p in module.parameters() if p.ndim > 1)
    assert round(weights / 1e6, 1) == 10.2
    assert sum(p.numel() for p in module.parameters()) == 10_327_706


ELSEWHERE = {
    "mobilenet_v2": r"$^",
    "convnext_tiny": "layer_scale",
    "repvgg_a0": "identity",
    "regnet_x_400mf": r"\.shortcut\.|\.proj\.",
}
"""Part of the names of weights that stand elsewhere in their list than in ours; the others have one order."""


@pytest.mark.parametrize(("name", "part"), ELSEWHERE.items())
def test_outputs_are_theirs_with_their_weights(name, part):
    torch.manual_seed(0)
    ours, theirs = ZOO[name]().build().eval(), _theirs(name).eval()
    state, shapes = theirs.state_dict(), {k: v.shape for k, v in ours.state_dict().items()}
    for key, value in state.items():
        if "running" in key or "layer_scale" in key:
            value.uniform_(0.5, 1.5)

    def ordered(keys):
        return sorted(keys, key=lambda key: re.search(part, key) is not None)

    names = ordered(key for key in shapes if not key.startswith("standardise."))
    pairs = zip(names, (state[key] for key in ordered(state)), strict=True)
    ours.load_state_dict({key: value.reshape(shapes[key]) for key, value in pairs}, strict=False)
    x = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(  # arXiv:2003.13678, section 5
    ("name", "blocks", "widths"),
    [
        ("regnet_x_800mf", (1, 3, 7, 5), (64, 128, 288, 672)),
        ("regnet_x_3_2gf", (2, 6, 15, 2), (96, 192, 432, 1008)),
        ("regnet_x_8gf", (2, 5, 15, 1), (80, 240, 720, 1920)),
        ("regnet_x_32gf", (2, 7, 13, 1), (336, 672, 1344, 2520)),
    ],
)
def test_the_rule_gives_the_paper_s_stages(name, blocks, widths):
    network = ZOO[name]()
    assert (tuple(s.blocks for s in network.stages), network.channels) == (blocks, widths)


def test_a_regnet_that_cannot_be():
    with pytest.raises(OptionError, match=r"slope=-1: .*at least 0"):
        regnet_x(16, 56, -1, 2.28, 16)
    with pytest.raises(OptionError, match=r"multiplier=1: .*above 1"):
        regnet_x(16, 56, 35.73, 1, 16)
    assert regnet_x(4, 16, 0, 2.0, 24).channels == (16,)


def _theirs(name):
    return models.get_model(name) if name in SHARED else timm.create_model(name)


def test_a_shortcut_of_zeros_skips_and_fills():
    block = ZOO["cifar_resnet20"]().stages[1].block.build(16, 32, 2).eval()
    x = torch.rand(2, 16, 7, 7)
    short = block.shortcut(x)
    assert torch.equal(short[:, :16], x[:, :, ::2, ::2])
    assert not short[:, 16:].any()
    assert block(x).shape == (2, 32, 4, 4)
    with pytest.raises(OptionError, match=r"shortcut='zeros': .*in_channels=16, out_channels=8"):
        type(block)(16, 8, shortcut="zeros")


def test_a_name_that_is_not_there():
    with pytest.raises(OptionError, match="did you mean 'resnet50'"):
        zoo_network("resnet5O")
    assert zoo_network("resnet50", classes=7).classes == 7
    with pytest.raises(OptionError, match="layers=21: expected 6n"):
        cifar_resnet(21)
    with pytest.raises(OptionError, match="layers=12: expected one of 11, 13, 16, 19"):
        vgg(12)


def test_the_zoo_is_a_target_by_name():
    target = load_target("zoo:resnet18", on_meta=True)
    assert (target.kind, target.channels, target.dims) == ("zoo", 3, 2)
    assert target.input_size == (3, 224, 224)
    assert load_target("zoo:wrn_28_10", on_meta=True).input_size == (3, 32, 32)
    assert sum(p.numel() for p in target.module.parameters()) == PUBLISHED["resnet18"]
    with pytest.raises(TargetError, match=r"did you mean 'resnet18'\?$"):
        load_target("zoo:resnet1B")


@pytest.mark.parametrize(
    ("text", "says"),
    [("zoo:", "^zoo: needs a name, as in "), ("zoo:xyzq", "^zoo:xyzq: the zoo has no network called")],
)
def test_where_no_name_is_close_the_message_says_how_to_print_all(text, says, capsys):
    with pytest.raises(
        TargetError, match=rf"{says}.*; it has alexnet, .* and \d\d more; python -c"
    ) as raised:
        load_target(text)
    code = re.search(r'python -c "(.*)" prints all$', str(raised.value))[1]
    exec(code, {})  # noqa: S102 - our own message
    assert capsys.readouterr().out.split() == list(ZOO)


LARGER = ("resnet101d", "resnet152d")  # timm trained these on 256 pixels, the paper on 224


@pytest.mark.parametrize("name", [*SHARED, *(name for name in TIMMS if name not in LARGER)])
def test_the_size_of_the_images_is_that_of_the_published_weights(name):
    """Of the older of torchvision's, which are the paper's recipe."""
    if name in SHARED:
        weights = models.get_model_weights(name)
        crop = getattr(weights, "IMAGENET1K_V1", weights.DEFAULT).transforms.keywords["crop_size"]
    else:
        crop = timm.get_pretrained_cfg(name).input_size[-1]
    assert PIXELS[name] == crop


def test_other_channels_are_refused_not_spread_over_all():
    network = ZOO["cifar_resnet20"]()
    message = r"^shape=\(2, 1, 8, 8\): the network takes \(N, 3, …\); Network.with_in_channels makes one for others$"
    for module in (network.build(), features(network)):
        with pytest.raises(OptionError, match=message):
            module(torch.zeros(2, 1, 8, 8))
    with pytest.raises(OptionError, match=r"shape=\(8,\)"):
        network.build()(torch.zeros(8))
    assert network.with_in_channels(1).build()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
