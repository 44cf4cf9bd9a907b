"""The maps of a network, against timm's features_only: channels, reductions and values."""

import copy

import pytest
import torch
from msgspec.structs import replace

from convblocks import BlockSpec, Network, Stage, Stem
from convblocks.errors import OptionError
from convblocks.networks import dilated, features, zoo
from convblocks.networks.weights import load_foreign
from convblocks.networks.zoo import ZOO
from convblocks.targets.zoos import with_operators
from tests.networks.test_weights import shaken

timm = with_operators(lambda: __import__("timm"))

OTHER_NAMES = {
    "mobilenet_v2": "mobilenetv2_100",
    "regnet_x_400mf": "regnetx_004",
    "regnet_x_800mf": "regnetx_008",
    "regnet_x_1_6gf": "regnetx_016",
    "regnet_x_3_2gf": "regnetx_032",
    "regnet_x_8gf": "regnetx_080",
    "regnet_x_16gf": "regnetx_160",
    "regnet_x_32gf": "regnetx_320",
}
SHARED = [name for name in ZOO if name in OTHER_NAMES or timm.is_model(name)]


def of_timm(name, **options):
    return timm.create_model(OTHER_NAMES.get(name, name), pretrained=False, features_only=True, **options)


def test_these_are_all_that_timm_has_too():
    assert len(SHARED) == 39
    alone = set(ZOO) - set(SHARED)
    assert all(name.startswith(("cifar_", "wrn_", "revnet", "alexnet")) for name in alone)


@pytest.mark.parametrize("name", SHARED)
def test_channels_and_reductions_are_timm_s(name):
    with torch.device("meta"):
        theirs, ours = of_timm(name).feature_info, features(ZOO[name]())
    channels = theirs.channels()
    if name == "regnet_x_400mf":  # the paper's 384, and torchvision's 400
        channels[-1] = 400
    assert list(ours.channels) == channels
    assert list(ours.reductions) == theirs.reduction()


@pytest.mark.parametrize(
    "name", ["resnet50", "resnext50_32x4d", "wide_resnet50_2", "resnet50d", "vgg11_bn", "vgg11"]
)
def test_maps_are_timm_s_with_its_weights(name):
    whole = shaken(timm.create_model(name, pretrained=False)).state_dict()
    theirs = of_timm(name).eval()
    own = {key.replace("features.", "features_"): value for key, value in whole.items()}
    theirs.load_state_dict({key: own[key] for key in theirs.state_dict()})
    network = ZOO[name]()
    ours = features(network).eval()
    load_foreign(ours, network, whole, "timm")
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found, expected = ours(x), theirs(x)
    assert len(found) == len(expected)
    for mine, timms in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, timms, rtol=1e-5, atol=1e-5 * timms.abs().max().item())


@pytest.mark.parametrize(
    "out_indices", [(1, 2, 3, 4), (0,), (-1,), (-3, -1), (4, 2), (1, 1), 1, 3, 5, [2, 4], range(2)]
)
def test_out_indices_choose_as_in_timm(out_indices):
    network = ZOO["resnet18"]()
    every, some = features(network).eval(), features(network, out_indices).eval()
    some.load_state_dict(every.state_dict())
    numbers = out_indices if isinstance(out_indices, int) else tuple(out_indices)
    with torch.device("meta"):
        theirs = of_timm("resnet18", out_indices=numbers).feature_info
    assert list(some.channels) == theirs.channels(sorted({i % 5 for i in theirs.out_indices}))
    x = torch.randn(1, 3, 64, 64)
    maps = every(x)
    wanted = [maps[i] for i in sorted({i % 5 for i in theirs.out_indices})]
    for found, expected, channels, reduction in zip(
        some(x), wanted, some.channels, some.reductions, strict=True
    ):
        assert torch.equal(found, expected)
        assert found.shape[1:] == (channels, 64 // reduction, 64 // reduction)


@pytest.mark.parametrize("out_indices", [(), 0, 6, (5,), (-6,), (1.0,), "12", (True,), 1.5, -1])
def test_maps_that_are_not_there_are_refused(out_indices):
    with pytest.raises(OptionError, match=r"expected numbers of its 5 maps, 0 to 4 or -5 to -1") as raised:
        features(ZOO["resnet18"](), out_indices)
    assert raised.value.given == out_indices


def test_the_way_of_earlier_versions_gives_the_same_with_a_notice():
    network = ZOO["resnet18"]()
    with pytest.warns(DeprecationWarning, match=r"networks\.features\(network, out_indices\)"):
        old = network.build(features=True, out_indices=2)
    new = features(network, 2)
    new.load_state_dict(old.state_dict())
    x = torch.randn(1, 3, 64, 64)
    assert all(map(torch.equal, old.eval()(x), new.eval()(x)))
    with pytest.raises(OptionError, match="call features"):
        network.build(out_indices=2)


def test_what_stands_behind_the_last_map_does_not_run():
    maps = features(ZOO["resnet18"](), (0, 2))
    maps.stages[2] = maps.stages[3] = None
    assert [m.shape[1] for m in maps(torch.randn(2, 3, 64, 64))] == [64, 128]


def test_a_pool_closes_a_map_wherever_it_stands():
    """Each block of a stage may pool, an axis may stride alone, and a copied module runs its own layers."""
    pooled = Stage(block=BlockSpec("simple", depth=2, pool="max"), blocks=2, out_channels=8, stride=(2, 1))
    stem = Stem(out_channels=4, pool="max3")
    network = Network(
        in_channels=3, classes=2, stem=stem, stages=(pooled, replace(pooled, blocks=1, stride=1))
    )
    maps = features(network).eval()
    assert maps.channels == (4, 4, 8, 8, 8, 8)
    assert maps.reductions == (1, 2, (4, 2), (8, 4), (16, 8), (32, 16))
    found = maps(x := torch.randn(1, 3, 64, 64))
    for each, channels, by in zip(found, maps.channels, maps.reductions, strict=True):
        by = (by, by) if isinstance(by, int) else by
        assert each.shape[1:] == (channels, 64 // by[0], 64 // by[1])
    whole = network.build().eval()
    whole.load_state_dict({**whole.state_dict(), **maps.state_dict()})
    assert torch.equal(whole.stages(whole.stem(x)), found[-1])
    other = copy.deepcopy(maps)
    torch.nn.init.zeros_(other.stem.layers.conv.weight)
    assert not other(x)[0].any()
    assert torch.equal(maps(x)[0], found[0])


def test_alexnet_s_reductions_are_products_of_strides_though_its_maps_are_smaller():
    maps = features(zoo.alexnet())
    assert list(zip(maps.channels, maps.reductions, strict=True)) == [(64, 4), (192, 8), (256, 16), (256, 32)]
    assert [m.shape[-1] for m in maps(torch.zeros(1, 3, 224, 224))] == [55, 27, 13, 6]


def test_stages_that_dilate_give_the_last_one_s_map():
    maps = features(dilated(ZOO["resnet18"](), most=8))
    assert (maps.channels, maps.reductions) == ((64, 64, 512), (2, 4, 8))
