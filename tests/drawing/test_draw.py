"""The outline of any module: what repeats is drawn once and counts as often as it comes; what differs is not merged."""

import random
from collections import Counter
from math import inf

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convblocks import BLOCKS, BlockSpec, Network, Stage, Stem
from convblocks.drawing import FITS, outline
from convblocks.networks.zoo import ZOO
from convblocks.records.outline import Outline

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def times(found: Outline) -> list[int]:
    """How often each box comes."""
    often = [1] * len(found.boxes)
    for repeat in found.repeats:
        for i in range(repeat.start, repeat.end + 1):
            often[i] = repeat.times
    return often


def convolutions(found: Outline) -> Counter:
    told = Counter()
    for box, often in zip(found.boxes, times(found), strict=True):
        if "conv, " in box.text:
            kernel, channels = box.text.split(" conv, ")
            told[kernel, channels.split(",")[0]] += often
    return told


def modules(module: nn.Module) -> Counter:
    return Counter(
        ("×".join(map(str, m.kernel_size)), f"{m.in_channels} → {m.out_channels}")
        for m in module.modules()
        if isinstance(m, CONVOLUTIONS)
    )


def unfolded(found: Outline) -> list[str]:
    """Every box in words with the numbers of those that it takes, as if nothing had been merged."""
    before = [[line.start for line in found.lines if line.end == i] for i in range(len(found.boxes))]
    groups = {repeat.start: repeat for repeat in found.repeats}
    home, told, at = {}, [], 0
    while at < len(before):
        group = groups.get(at)
        size, often = (group.end - at + 1, group.times) if group else (1, 1)
        for again in range(often):
            inside = {}
            for i in range(at, at + size):
                last = len(told) - i + at - 1  # of the time before
                sources = [inside[j] if j in inside else last if again else home[j] for j in before[i]]
                inside[i] = len(told)
                told.append(f"{found.boxes[i].text}; {found.boxes[i].detail}; {sorted(sources)}")
            home |= inside
        at += size
    return told


def checked(module: nn.Module, size: tuple[int, ...]) -> Outline:
    """The merged outline, which must say the same as the one that draws each layer."""
    merged, whole = outline(module, size, fits=0), outline(module, size, fits=inf)
    assert whole.repeats == ()
    assert unfolded(merged) == unfolded(whole)
    assert convolutions(merged) == convolutions(whole)
    behind = {r.end: box.sees for r in merged.repeats for box in [merged.boxes[r.end]]}
    at, often = -1, times(merged)
    for i in range(len(merged.boxes)):
        at += 1
        repeat = next((r for r in merged.repeats if r.start <= i <= r.end), None)
        if repeat is None:
            assert merged.boxes[i].sees == whole.boxes[at].sees
        elif i == repeat.end:
            at += (often[i] - 1) * (repeat.end - repeat.start + 1)
            assert behind[i] == whole.boxes[at].sees
    return merged


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "vgg16", "cifar_resnet110", "mobilenet_v2", "convnext_tiny"]
)
def test_channels_times_repeats_are_the_network_s_convolutions(name):
    with torch.device("meta"):
        module = ZOO[name]().build().eval()
    found = checked(module, (3, 64, 64))
    assert convolutions(found) == modules(module)
    assert found.repeats


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(seed):
    luck = random.Random(seed)
    family = luck.choice([name for name in BLOCKS if name != "repvgg"])
    stages = []
    for _ in range(luck.randint(1, 3)):
        width = luck.choice([32, 64])
        spec = BlockSpec(family)
        stages.append(
            Stage(block=spec, blocks=luck.randint(1, 5), out_channels=width, stride=luck.choice([1, 2]))
        )
    network = Network(in_channels=3, classes=5, stem=Stem(out_channels=32), stages=tuple(stages))
    with torch.device("meta"):
        module = network.build().eval()
    found = checked(module, (3, 32, 32))
    assert convolutions(found) == modules(module)


class Branched(nn.Module):
    """Three like layers, whose first is read again at the end."""

    def __init__(self, like: bool):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(4))
        self.like = like

    def forward(self, x):
        first = self.layers[0](x)
        last = self.layers[3](self.layers[2](self.layers[1](first)))
        return last + first if self.like else last


class Pools(nn.Module):
    def forward(self, x):
        x = F.max_pool2d(F.max_pool2d(x, 3, 1, 1), 3, 1, 1)
        return F.max_pool2d(x, 3, 1, 1, ceil_mode=True)


class Turned(nn.Module):
    """Like layers, between the last of which the map is turned: no box shows that."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))

    def forward(self, x):
        return self.layers[2](self.layers[1](self.layers[0](x)).roll(1, 2))


def test_what_differs_is_not_merged():
    conv = lambda *args, **how: nn.Conv2d(*args, **{"padding": 1, **how})  # noqa: E731
    for other in (
        conv(4, 4, 5, padding=2),
        conv(4, 4, 3, stride=2),
        conv(4, 4, 3, padding=2, dilation=2),
        conv(4, 4, 3, groups=2),
        conv(4, 4, 3, padding=2),
        conv(4, 8, 3),
        nn.Sequential(conv(4, 4, 3), nn.BatchNorm2d(4)),
    ):
        found = outline(nn.Sequential(conv(4, 4, 3), conv(4, 4, 3), other), (4, 8, 8), fits=0)
        assert [repeat.times for repeat in found.repeats] == [2]
        assert len(found.boxes) == 4
    assert [r.times for r in outline(Pools(), (4, 8, 8), fits=0).repeats] == [2]
    assert [r.times for r in outline(Turned(), (4, 8, 8), fits=0).repeats] == [2]


def test_a_way_out_of_the_midst_keeps_pieces_apart():
    assert [r.times for r in outline(Branched(False), (4, 8, 8), fits=0).repeats] == [4]
    assert [r.times for r in outline(Branched(True), (4, 8, 8), fits=0).repeats] == [3]


def test_what_fits_a_screen_is_drawn_layer_by_layer():
    with torch.device("meta"):
        small, large = BLOCKS["simple"](4, 4, depth=FITS - 2), BLOCKS["simple"](4, 4, depth=FITS - 1)
    assert len(outline(small, (4, 8, 8)).boxes) == FITS
    assert [r.times for r in outline(large, (4, 8, 8)).repeats] == [FITS - 1]


def test_the_main_path_counts_all_that_repeats():
    """A branch of one large layer has fewer MACs than ten small ones that are drawn once."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.large = nn.Conv2d(4, 4, 5, padding=2)
            self.small = nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(10)))

        def forward(self, x):
            return self.large(x) + self.small(x)

    found = outline(Two(), (4, 8, 8), fits=0)
    assert [box.lane for box in found.boxes if "3×3" in box.text] == [0]


def test_any_module_is_drawn():
    found = outline(BLOCKS["bottleneck"](8, 8), (8, 16, 16))
    assert [line.lane for line in found.lines if line.end == 4] == [0, 1]  # expand, then the shortcut beside
