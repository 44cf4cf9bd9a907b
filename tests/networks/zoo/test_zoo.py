"""Parameters and MACs of the zoo: as published, and as torchvision and timm count."""

import re

import pytest
import torch

from convblocks import load_target, network_cost
from convblocks.errors import OptionError, TargetError
from convblocks.networks import features
from convblocks.networks.zoo import PIXELS, ZOO, cifar_resnet, vgg, zoo_network
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


def _theirs(name):
    return models.get_model(name) if name in SHARED else timm.create_model(name)


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
