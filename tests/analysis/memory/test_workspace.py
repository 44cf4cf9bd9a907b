"""The workspace of convolutions, on this machine's processor and for others."""

import pytest
from torch import nn

from convblocks import largest_batch, step_memory
from tests.analysis.memory.allocator import check

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
