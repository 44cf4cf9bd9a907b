"""The workspace of convolutions, on this machine's processor and for others."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from convblocks import largest_batch, step_memory
from convblocks.analysis.memory import processor
from convblocks.measure import threads_of
from tests.analysis.memory.allocator import check


@pytest.fixture(autouse=True)
def one_thread():
    """Kernels take scratch memory by threads."""
    with threads_of(1):
        yield


SMALL_MAPS = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3, padding=1))
ALWAYS = 4 * (64 * 27 + 64 + 64 * 576 + 64) + 4 * 8 * 3 * 16  # parameters and inputs, in bytes
# By allocator.allocated_bytes, one thread, torch 2.13.0: on an AMD EPYC (AVX2), on an Intel with AVX-512 and AMX.
MEASURED = {"AVX2": 771_592, "AVX512": 320_008}


def test_kernels_larger_than_the_map_are_predicted_for_this_machine():
    check(SMALL_MAPS, (3, 4, 4), optimizer="sgd", error=0.02)


@pytest.mark.parametrize("isa", MEASURED)
def test_a_prediction_for_another_processor_is_what_was_measured_there(isa):
    """oneDNN takes its general kernel for the second gradient on AVX2, one in blocks on AVX-512."""
    found = step_memory(SMALL_MAPS, (3, 4, 4), batch=8, instruction_set=isa.lower())
    assert found.peak_bytes - ALWAYS == pytest.approx(MEASURED[isa], rel=0.02)
    assert (found.instruction_set, found.workspace_note, found.lower_bound) == (isa, "", False)


def test_elsewhere_the_record_says_that_workspace_is_not_modelled():
    found = step_memory(SMALL_MAPS, (3, 4, 4), batch=8, instruction_set="SSE41")
    assert found.to_dict()["workspace_note"] == "workspace not modelled for SSE41"
    assert found.lower_bound
    assert found.peak_workspace_bytes == 0
    room = found.peak_bytes
    assert largest_batch(SMALL_MAPS, (3, 4, 4), memory_bytes=room, instruction_set="SSE41") == 8
    without = step_memory(nn.Linear(4, 4), (4,), instruction_set="SSE41")
    assert (without.workspace_note, without.lower_bound) == ("", False)


SHAPES = {
    "depthwise": (nn.Conv2d(48, 48, 3, padding=1, groups=48), (48, 16, 16)),
    "wide depthwise": (nn.Conv2d(48, 48, 7, padding=3, groups=48), (48, 16, 16)),
    "groups": (nn.Conv2d(64, 128, 3, padding=1, groups=4), (64, 16, 16)),
    "narrow groups": (nn.Conv2d(64, 64, 3, padding=1, groups=32), (64, 16, 16)),
    "strided": (nn.Conv2d(24, 48, 3, stride=2, padding=1), (24, 32, 32)),
    "strided point": (nn.Conv2d(32, 64, 1, stride=2), (32, 32, 32)),
    "odd channels": (nn.Conv2d(10, 20, 3, padding=1), (10, 24, 24)),
    "dilated": (nn.Conv2d(32, 32, 3, padding=2, dilation=2), (32, 24, 24)),
    "dilated and strided": (nn.Conv2d(32, 32, 3, padding=2, dilation=2, stride=2), (32, 24, 24)),
    "large kernel": (nn.Conv2d(16, 32, 9, padding=4), (16, 32, 32)),
    "signal": (nn.Conv1d(16, 32, 5, padding=2), (16, 500)),
    "volume": (nn.Conv3d(16, 32, 3, padding=1), (16, 12, 12, 12)),
    "strided volume": (nn.Conv3d(16, 32, 2, stride=2), (16, 12, 12, 12)),
    "same": (nn.Conv2d(16, 24, 3, padding="same"), (16, 20, 20)),
    "transposed": (nn.ConvTranspose2d(32, 16, 2, stride=2), (32, 16, 16)),
    "transposed volume": (nn.ConvTranspose3d(16, 8, 3, padding=1), (16, 8, 8, 8)),
}


LAST = {3: torch.channels_last, 4: torch.channels_last_3d}  # by the number of an example's axes


def behind_a_point(name):
    """A layer whose input needs a gradient, and the size of that input."""
    layer, size = SHAPES[name]
    point = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(size) - 2](size[0], size[0], 1)
    return nn.Sequential(point, deepcopy(layer)), size


# with two threads, measured on AVX2 only
@pytest.mark.parametrize("threads", [1, 2] if processor.instruction_set() == "AVX2" else [1])
@pytest.mark.parametrize("name", SHAPES)
def test_kernels_of_all_kinds(name, threads):
    net, size = behind_a_point(name)
    with threads_of(threads):
        check(net, size, batch=16, error=0.1)


@pytest.mark.parametrize("name", [name for name, (_, size) in SHAPES.items() if len(size) in LAST])
def test_kernels_of_all_kinds_with_the_channels_last(name):
    """Their maps are not copied; without that they would be up to 90 % too many bytes."""
    net, size = behind_a_point(name)
    check(net.to(memory_format=LAST[len(size)]), size, batch=16, error=0.03)


class Permuted(nn.Module):
    """Channels last by a permutation, as in ConvNeXt; the weight of its convolution lies as usual."""

    def __init__(self, layer, channels):
        super().__init__()
        self.mixed, self.layer = nn.Linear(channels, channels), layer

    def forward(self, x):
        return self.layer(self.mixed(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


PERMUTED = {
    "wide depthwise": lambda: nn.Conv2d(64, 64, 7, padding=3, groups=64),
    "wide strided depthwise": lambda: nn.Conv2d(64, 64, 5, stride=2, padding=2, groups=64),
    "depthwise": lambda: nn.Conv2d(64, 64, 3, padding=1, groups=64),
    "dense": lambda: nn.Conv2d(64, 96, 3, padding=1),
    "patches": lambda: nn.Conv2d(64, 96, 2, stride=2),
}


@pytest.mark.parametrize("name", PERMUTED)
def test_a_permutation_puts_the_channels_last(name):
    check(Permuted(PERMUTED[name](), 64), (64, 16, 16), batch=4, error=0.03)


WIDE = Permuted(PERMUTED["wide depthwise"](), 64)
WIDE_MEASURED = {"AVX2": 1_877_000, "AVX512": 4_285_448}  # as MEASURED


@pytest.mark.parametrize("isa", WIDE_MEASURED)
def test_the_weight_of_a_wide_depthwise_kernel_is_copied_into_blocks(isa):
    """64 times its size with vectors of 8 lanes, 256 times with 16."""
    found = step_memory(WIDE, (64, 16, 16), batch=4, instruction_set=isa)
    always = found.param_bytes + found.input_bytes
    assert found.peak_bytes - always == pytest.approx(WIDE_MEASURED[isa], rel=0.02)


def test_a_depthwise_convolution_of_maps_smaller_than_its_kernel_takes_another():
    layers = [nn.Conv2d(256, 256, 3, padding=1, groups=256) for _ in range(2)]
    check(nn.Sequential(*layers), (256, 2, 2), batch=16, error=0.03)
    check(nn.Sequential(*layers).to(memory_format=torch.channels_last), (256, 2, 2), batch=16, error=0.03)


FLAGS = {f"avx512_{part}": True for part in ("f", "bw", "dq", "vl")} | {"avx": True, "avx2": True}


@pytest.mark.parametrize(
    ("flags", "limit", "isa"),
    [
        (FLAGS, None, "AVX512"),
        (FLAGS, "ALL", "AVX512"),
        (FLAGS, "avx2", "AVX2"),
        (FLAGS, "AVX2_VNNI", "AVX2"),
        (FLAGS, "AVX512_CORE_AMX", "AVX512"),
        (FLAGS, "AVX10_1_512", "AVX512"),
        (FLAGS, "SSE41", "SSE41"),
        (FLAGS | {"avx512_vl": False}, None, "AVX2"),
        (FLAGS | {"avx512_f": False}, "AVX512_CORE", "AVX2"),
        ({"avx": True, "avx2": False}, None, "AVX"),
        ({"avx": False, "avx2": False}, None, "SSE41"),
        ({"architecture": "aarch64"}, "AVX2", "AARCH64"),
    ],
)
def test_the_instruction_set_is_the_processors_unless_lowered(monkeypatch, flags, limit, isa):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    for name in processor.LIMITS:
        monkeypatch.delenv(name, raising=False)
    if limit:
        monkeypatch.setenv(processor.LIMITS[0], limit)
    assert processor.instruction_set() == isa
