"""Stems are the layers written by hand."""

import pytest
import torch
from torch import nn

from convblocks import Stem


def norm_act(channels):
    return [nn.BatchNorm2d(channels), nn.ReLU()]


def deep():
    rest = [nn.Conv2d(8, 8, 3, 1, 1, bias=False), *norm_act(8), nn.Conv2d(8, 16, 3, 1, 1, bias=False)]
    return [nn.Conv2d(3, 8, 3, 2, 1, bias=False), *norm_act(8), *rest, *norm_act(16), nn.MaxPool2d(3, 2, 1)]


STEMS = {
    "resnet": (
        Stem(out_channels=16, kernel_size=7, stride=2, pool="max3"),
        lambda: [nn.Conv2d(3, 16, 7, 2, 3, bias=False), *norm_act(16), nn.MaxPool2d(3, 2, 1)],
    ),
    "alexnet": (
        Stem(out_channels=16, kernel_size=11, stride=4, padding=2, norm="none", pool="max3_unpadded"),
        lambda: [nn.Conv2d(3, 16, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)],
    ),
    "deep": (Stem(out_channels=16, depth=3, stride=2, pool="max3"), deep),
    "patches": (
        Stem(out_channels=16, kernel_size=4, stride=4, padding=0, norm="none", activation="none"),
        lambda: [nn.Conv2d(3, 16, 4, 4)],
    ),
    "preactivated": (
        Stem(out_channels=16, norm="none", activation="none", bias=False),
        lambda: [nn.Conv2d(3, 16, 3, 1, 1, bias=False)],
    ),
}


def copied(ours, by_hand):
    """`by_hand` with the weights of `ours`, in the order of registration."""
    values = [v for k, v in ours.state_dict().items() if "num_batches" not in k]
    keys = [k for k in by_hand.state_dict() if "num_batches" not in k]
    by_hand.load_state_dict(dict(zip(keys, values, strict=True)), strict=False)
    return by_hand


@pytest.mark.parametrize("name", STEMS)
def test_a_stem_is_the_layers_written_by_hand(name):
    stem, by_hand = STEMS[name]
    ours = stem.build(3, 2)
    x = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(ours(x), copied(ours, nn.Sequential(*by_hand()))(x))
    assert ours(x).shape[-1] in (64 // stem.reduction(2), 64 // stem.reduction(2) - 1)
