"""Weights of torchvision's and timm's networks: the same outputs as theirs, and an exact way back."""

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import save_file

from convblocks.errors import OptionError, WeightsError
from convblocks.networks import features
from convblocks.networks.heads import GridHead, UNetHead
from convblocks.networks.weights import from_foreign, key_map, load_foreign, to_foreign
from convblocks.networks.zoo import ZOO
from convblocks.targets.zoos import with_operators

models = with_operators(lambda: __import__("torchvision.models").models)
timm = with_operators(lambda: __import__("timm"))

SMALL = ("resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "alexnet", "vgg11", "vgg11_bn")
LARGE = (
    *("resnet34", "resnet101", "resnet152", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet101_2"),
    *("vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
)
OF_TIMM = ("resnet18", "resnet50d", "resnext50_32x4d", "vgg11_bn")


def shaken(module):
    """Running statistics, scales and shifts at random."""
    torch.manual_seed(0)
    for name, value in module.state_dict().items():
        if value.ndim == 1 and value.is_floating_point():
            value.copy_(
                torch.rand(value.shape) + 0.5 if "bias" not in name else torch.randn(value.shape) * 0.1
            )
    return module.eval()


def check(name, theirs, of):
    network, theirs = ZOO[name](), shaken(theirs)
    state = theirs.state_dict()
    ours = network.build().eval()
    load_foreign(ours, network, state, of)
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected, found = theirs(x), ours(x)
    assert (expected - found).norm() <= 1e-5 * expected.norm()
    back = to_foreign(network, ours.state_dict(), of)
    assert set(back) == set(state)
    assert all(torch.equal(back[key], state[key]) for key in state)


@pytest.mark.parametrize("name", SMALL)
def test_torchvision_s_weights_give_its_outputs(name):
    check(name, models.get_model(name), "torchvision")


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_torchvision_s_large_weights_give_its_outputs(name):
    check(name, models.get_model(name), "torchvision")


@pytest.mark.parametrize("name", OF_TIMM)
def test_timm_s_weights_give_its_outputs(name):
    check(name, timm.create_model(name), "timm")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_files_load(tmp_path, suffix):
    theirs, network = models.resnet18(num_classes=4), ZOO["resnet18"](classes=4)
    path = tmp_path / f"w.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(theirs.state_dict(), path)
    ours = network.build()
    load_foreign(ours, network, path)
    assert torch.equal(ours.head.linear.weight, theirs.fc.weight)


def test_what_does_not_fit_is_named():
    state = models.resnet18(num_classes=4).state_dict()
    network = ZOO["resnet18"](classes=5)
    state["extra"] = state.pop("conv1.weight")
    message = (
        r"1 missing: conv1.weight; 1 unexpected: extra; 2 of another shape: fc.weight is \(4, 512\), "
        r"expected \(5, 512\), fc.bias"
    )
    with pytest.raises(WeightsError, match=message):
        from_foreign(network, state)
    kept = from_foreign(network, state, strict=False)
    assert not {"stem.layers.conv.weight", "head.linear.weight", "head.linear.bias"} & set(kept)
    old = {k: v for k, v in models.resnet18().state_dict().items() if "num_batches" not in k}
    assert len(from_foreign(ZOO["resnet18"](), old)) == len(old)


def test_a_network_whose_weights_do_not_load_is_refused_with_those_that_do():
    for name, key in (
        ("cifar_resnet20", "stem.conv.weight"),
        ("convnext_tiny", "stem.conv.weight"),
        ("cifar_plain20", "head.linear.weight"),
    ):
        network = ZOO[name]()
        message = f"such a network do not load, since no key of theirs answers to {key}; those of AlexNet, VGG, ResNet"
        for ask in (key_map, lambda network: from_foreign(network, {})):
            with pytest.raises(OptionError, match=message) as raised:
                ask(network)
            assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["vgg11", "vgg16_bn"])
def test_whose_weights_they_are_is_read_off_their_keys(name):
    network = ZOO[name](classes=4)
    with torch.device("meta"):
        made = {
            "timm": timm.create_model(name, num_classes=4),
            "torchvision": models.get_model(name, num_classes=4),
        }
    states = {of: module.state_dict() for of, module in made.items()}
    for of, state in states.items():
        assert (
            from_foreign(network, state).keys()
            == from_foreign(network, state, of).keys()
            == key_map(network).keys()
        )
    with pytest.raises(WeightsError, match=r"6 missing: pre_logits\.fc1\.weight"):
        from_foreign(network, states["torchvision"], "timm")


def test_other_classes_leave_the_classifier_as_it_is_and_all_else_has_to_fit():
    network, state = ZOO["resnet18"](classes=10), models.resnet18(num_classes=4).state_dict()
    with pytest.raises(
        WeightsError, match=r"or pass classifier=False to .* \(4, 512\), expected \(10, 512\)"
    ):
        from_foreign(network, state)
    module = network.build()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    load_foreign(module, network, state, classifier=False)
    assert torch.equal(module.stem.layers.conv.weight, state["conv1.weight"])
    assert torch.equal(module.head.linear.weight, before["head.linear.weight"])
    for lost in ("fc.weight", "fc.bias"):
        del state[lost]
    assert len(from_foreign(network, state, classifier=False)) == len(state)
    state["extra"] = state.pop("conv1.weight")
    with pytest.raises(WeightsError, match=r"1 missing: conv1\.weight; 1 unexpected: extra$"):
        from_foreign(network, state, classifier=False)


def test_without_its_classifier_a_vgg_keeps_the_hidden_layers_and_a_segmentation_takes_the_stages():
    network, state = ZOO["vgg11"](classes=7), ZOO["vgg11"](classes=4)
    theirs = to_foreign(state, state.build().state_dict(), "timm")
    found = from_foreign(network, theirs, classifier=False)
    assert key_map(network).keys() - found.keys() == {"head.linear.weight", "head.linear.bias"}
    scoring = replace(ZOO["resnet18"](classes=3), head=UNetHead())
    module, theirs = scoring.build(), models.resnet18().state_dict()
    load_foreign(module, scoring, theirs, classifier=False)
    assert torch.equal(module.stages[3][1].main[0].conv.weight, theirs["layer4.1.conv1.weight"])


def test_a_checkpoint_and_its_wrappers_are_seen_through(tmp_path):
    network, state = ZOO["resnet18"](classes=4), models.resnet18(num_classes=4).state_dict()
    wrapped = {f"module._orig_mod.{key}": value for key, value in state.items()}
    optimizer = {"state": {0: {"step": torch.ones(())}}, "param_groups": [{"lr": 0.1}]}
    torch.save({"epoch": 3, "state_dict": wrapped, "optimizer": optimizer}, tmp_path / "w.pth")
    expected = from_foreign(network, state)
    for given in (wrapped, {"model": state}, {"model_state_dict": wrapped}, tmp_path / "w.pth"):
        module = network.build()
        load_foreign(module, network, given)
        assert all(torch.equal(module.state_dict()[key], value) for key, value in expected.items())
    with pytest.raises(
        WeightsError, match=r"has state dicts under 'model', 'model_ema'; pass one, as checkpoint\["
    ):
        from_foreign(network, {"model": state, "model_ema": state})
    half = {**state, "module.fc.bias": state["fc.bias"]}
    with pytest.raises(WeightsError, match=r"1 unexpected: module\.fc\.bias"):
        from_foreign(network, half)


def test_what_is_no_state_dict_is_refused_with_the_mend():
    network = ZOO["resnet18"]()
    for given, message in (
        (models.resnet18(), r"got a ResNet, expected a state dict; pass its \.state_dict\(\)$"),
        (None, r"got a NoneType, expected a state dict; as module\.state_dict\(\) gives$"),
    ):
        for ask in (
            from_foreign,
            to_foreign,
            lambda network, given: load_foreign(network.build(), network, given),
        ):
            with pytest.raises(WeightsError, match=f"^the weights: {message}"):
                ask(network, given)


def test_what_is_no_tensor_is_named():
    network = ZOO["resnet18"](classes=4)
    state = {**models.resnet18(num_classes=4).state_dict(), "fc.bias": [0, 0, 0, 0], "bn1.bias": None}
    message = "2 not a tensor: bn1.bias is a NoneType, expected a torch.Tensor, fc.bias is a list"
    with pytest.raises(WeightsError, match=message):
        from_foreign(network, state)
    assert "head.linear.bias" not in from_foreign(network, state, strict=False)
    with pytest.raises(WeightsError, match=r"1 not a tensor: head\.linear\.bias is a list"):
        to_foreign(network, {**network.build().state_dict(), "head.linear.bias": [0]})


def test_a_module_of_another_network_is_refused_and_not_filled_in_part():
    network, theirs = ZOO["resnet18"](classes=4), models.resnet18(num_classes=4)
    state = {key: value + 1 for key, value in theirs.state_dict().items()}
    before = {key: value.clone() for key, value in theirs.state_dict().items()}
    message = r"^the module is not of the network: expected network\.build\(\) or .*missing: standardise\.mean.*unexp"
    for other in (theirs, ZOO["cifar_resnet20"]().build(), torch.nn.Sequential(network.build())):
        with pytest.raises(WeightsError, match=message.partition("stand")[0]) as raised:
            load_foreign(other, network, state)
        assert "\n" not in str(raised.value)
    with pytest.raises(WeightsError, match=message):
        load_foreign(theirs, network, state)
    assert all(torch.equal(value, before[key]) for key, value in theirs.state_dict().items())
    with pytest.raises(
        WeightsError, match=r"not of the network.*2 of another shape: head.linear.weight is \(5,"
    ):
        load_foreign(network.with_classes(5).build(), network, state)
    maps = features(network)
    load_foreign(maps, network, state)
    assert torch.equal(maps.stem.layers.conv.weight, state["conv1.weight"])


@pytest.mark.parametrize("grid", [7, (2, 3)])
def test_a_vgg_of_other_widths_and_another_grid_goes_there_and_back(grid):
    network = ZOO["vgg11"](classes=4)
    narrow = replace(network.stages[-1], out_channels=24)
    stages, head = (*network.stages[:-1], narrow), GridHead(grid=grid, hidden=(32, 16))
    network = replace(network, stages=stages, head=head)
    state = network.build().state_dict()
    theirs = to_foreign(network, state, "timm")
    assert theirs["pre_logits.fc1.weight"].shape == (32, 24, *((7, 7) if grid == 7 else grid))
    assert theirs["pre_logits.fc2.weight"].shape == (16, 32, 1, 1)
    back = from_foreign(network, theirs, "timm")
    assert all(torch.equal(value, state[key]) for key, value in back.items())
    assert len(back) == len(theirs)


def test_each_stage_s_shortcut_has_its_own_names():
    network = ZOO["resnet18"]().with_blocks("residual", stages=[2], shortcut="average")
    named = [name for name in key_map(network).values() if name.endswith(("downsample.0.weight", "2.weight"))]
    assert {"layer2.0.downsample.0.weight", "layer3.0.downsample.2.weight"} <= set(named)
    module = network.build()
    theirs = to_foreign(network, module.state_dict())
    again = network.build()
    load_foreign(again, network, theirs)
    assert torch.equal(
        again.stages[2][0].shortcut[1].conv.weight, module.stages[2][0].shortcut[1].conv.weight
    )
