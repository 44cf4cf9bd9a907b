"""What `advise` says of the widespread blocks, of ours and of well-known networks; and which rules it runs."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from convblocks import BLOCKS, BottleneckBlock, ResidualBlock, SimpleConvBlock, advise, load_target
from convblocks.errors import OptionError, TraceError
from tests.advice import hand_written
from tests.networks.test_network_spec import networks

HAND_WRITTEN = [hand_written.SimpleBlock, hand_written.ResidualBlock, hand_written.BottleneckBlock]


def ids(module, *sizes, **options):
    return Counter(finding.id for finding in advise(module, *sizes, **options))


@pytest.mark.parametrize("block", HAND_WRITTEN)
@pytest.mark.parametrize("stride", [1, 2])
def test_a_bias_before_each_norm_of_every_hand_written_block(block, stride):
    module = block(16, 32, stride=stride)
    places = [f.place for f in advise(module, (16, 28, 28)) if f.id == "CB101"]
    assert places == [name for name, m in module.named_modules() if isinstance(m, nn.Conv2d)]


def test_stride_in_every_convolution_of_the_simple_block():
    (found,) = advise(hand_written.SimpleBlock(16, 32, stride=2), (16, 28, 28), select=["CB2"])
    assert (found.id, found.place, found.severity) == ("CB201", "layers", "warning")
    assert found.figures == {"convolutions": 3, "stride": "2×2", "from": "28×28", "to": "4×4"}
    module = hand_written.SimpleBlock(16, 32, stride=2)
    assert module(torch.zeros(1, 16, 28, 28)).shape[2:] == (4, 4)
    assert not advise(hand_written.ResidualBlock(16, 32, stride=2), (16, 28, 28), select=["CB2"])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("block", HAND_WRITTEN[1:])
def test_with_kernel_5_the_map_shrinks_and_the_addition_breaks(block, stride):
    module = block(16, 32, kernel_size=5, stride=stride)
    with pytest.raises(RuntimeError):
        module(torch.zeros(1, 16, 28, 28))
    found = advise(module, (16, 28, 28), select=["CB2"])
    wide = [name for name, m in module.named_modules() if getattr(m, "kernel_size", 0) == (5, 5)]
    assert [f.place for f in found if f.id == "CB205"] == wide
    (broken,) = [f for f in found if f.id == "CB202"]
    assert (broken.severity, broken.place) == ("error", "")
    assert broken.fix == f"padding=2 in {' and '.join(wide)}"
    for name in wide:  # the fix fixes it
        module.get_submodule(name).padding = (2, 2)
    module(torch.zeros(1, 16, 28, 28))
    assert not advise(module, (16, 28, 28), select=["CB2"])


def test_with_kernel_5_the_simple_block_shrinks_layer_by_layer():
    module = hand_written.SimpleBlock(16, 32, kernel_size=5)
    found = advise(module, (16, 28, 28), select=["CB2"])
    assert [(f.id, f.place, f.figures["to"]) for f in found] == [
        ("CB205", "layers.0", 26),
        ("CB205", "layers.3", 24),
        ("CB205", "layers.6", 22),
    ]


@pytest.mark.parametrize("block", [SimpleConvBlock, ResidualBlock, BottleneckBlock])
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"kernel_size": 5, "stride": 2}, {"dilation": 2}])
def test_ours_have_none_of_that(block, options):
    assert not advise(block(16, 32, depth=4, **options), (16, 28, 28))


@settings(max_examples=25, deadline=None)
@given(networks())
def test_networks_of_ours_waste_nothing_whatever_the_spec(spec):
    """A map that strides have made too small for a kernel is the spec's doing."""
    found = ids(spec.build(), (spec.in_channels, *(9,) * spec.dims))
    open_ended = any(getattr(BLOCKS[stage.block.family], "preactivated", False) for stage in spec.stages)
    # as the papers have them; the bias of a stage without norms is then the spec's doing
    norms_before = {"CB101", "CB103"} if open_ended else set()
    assert found.keys() <= {"CB204", "CB206", "CB207"} | norms_before


ZOO = {
    "resnet18": {"CB204": 1},
    "resnet50": {"CB204": 1},
    "resnext50_32x4d": {"CB204": 1},
    "mobilenet_v3_large": {"CB204": 1},
    "efficientnet_b0": {"CB204": 1},
    "convnext_tiny": {"CB204": 1},
    "shufflenet_v2_x1_0": {"CB204": 1},
    "regnet_y_400mf": {"CB204": 1},
    "googlenet": {"CB204": 1},  # whose auxiliary heads work in training only
    "densenet121": {"CB103": 62, "CB204": 1},  # its norms stand before their convolutions
    "vgg16": {},  # whose biases have no norm behind them
    "vgg16_bn": {"CB101": 13},
    "inception_v3": {"CB204": 1, "CB205": 7},  # unpadded on purpose
    "alexnet": {"CB205": 1},  # 55 positions, not 56
}


@pytest.mark.parametrize("name", ZOO)
def test_well_known_networks_give_notes_that_are_true(name):
    module = load_target(f"torchvision:{name}", on_meta=True).module
    size = 299 if name == "inception_v3" else 224
    assert ids(module, (3, size, size)) == ZOO[name]


def test_alexnet_as_published_fails_no_build():
    """Krizhevsky's 2014 version, as torchvision has it: 224 → 55 by padding of 2 around a kernel of 11."""
    module = load_target("torchvision:alexnet", on_meta=True).module
    (found,) = advise(module, (3, 224, 224))
    assert (found.id, found.severity, found.place) == ("CB205", "note", "features.0")
    module.features[0].padding = (1, 1)  # two positions less, and 1 of padding around 11 fits nothing
    assert [(f.severity, f.place) for f in advise(module, (3, 220, 220), select="CB205")] == [
        ("warning", "features.0")
    ]


def test_select_and_ignore_take_ids_and_their_beginnings():
    block = hand_written.SimpleBlock(16, 32, kernel_size=5, stride=2)
    assert set(ids(block, (16, 28, 28))) == {"CB101", "CB201", "CB205"}
    assert set(ids(block, (16, 28, 28), select=["CB2"])) == {"CB201", "CB205"}
    assert set(ids(block, (16, 28, 28), select="CB205")) == {"CB205"}
    assert set(ids(block, (16, 28, 28), ignore=["CB1", "CB201"])) == {"CB205"}
    assert set(ids(block, (16, 28, 28), select=["CB"], ignore=["CB2"])) == {"CB101"}


@pytest.mark.parametrize("names", [["CB9"], ["cb1"], [""], ["CB101", "E501"]])
@pytest.mark.parametrize("option", ["select", "ignore"])
def test_a_rule_that_there_is_not(option, names):
    with pytest.raises(OptionError, match="there is no such rule; expected one of CB101 … CB505"):
        advise(nn.ReLU(), (3, 4, 4), **{option: names})


def test_a_forward_that_fails_elsewhere_is_refused_in_words():
    with pytest.raises(TraceError, match="cannot take an input of 3×4×4"):
        advise(nn.Conv2d(4, 4, 3), (3, 4, 4))


def test_what_a_broken_forward_would_have_reached_is_not_called_dead():
    module = nn.Sequential(hand_written.ResidualBlock(16, 32, kernel_size=5), nn.Conv2d(32, 32, 3, padding=1))
    for signal in (False, True):  # nor is it run on data
        assert ids(module, (16, 28, 28), signal=signal) == {"CB101": 3, "CB202": 1, "CB205": 2}


def test_a_layer_that_is_called_again_is_told_once():
    shared = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    assert ids(nn.Sequential(shared, shared, shared), (4, 8, 8), select="CB101") == {"CB101": 1}


def test_the_module_is_left_as_it_was():
    module = hand_written.BottleneckBlock(16, 32)
    module.extra = nn.Linear(2, 2)
    module.bn2.eval()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    modes = {name: m.training for name, m in module.named_modules()}
    advise(module, (16, 8, 8))
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())
    assert modes == {name: m.training for name, m in module.named_modules()}
