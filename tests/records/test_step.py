"""The record of a step: parts that add up, and bounds that are marked."""

import msgspec
from torch import nn

from convblocks import step_memory
from convblocks.records import StepMemory


def test_parts_of_the_peak_add_up_and_the_record_comes_back_equal():
    step = step_memory(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), (3, 8, 8), batch=4, optimizer="adam")
    held = step.param_bytes + step.buffer_bytes + step.input_bytes + step.optimizer_bytes
    moment = (
        step.peak_gradient_bytes
        + step.peak_saved_bytes
        + step.peak_transient_bytes
        + step.peak_workspace_bytes
    )
    assert held + moment == step.peak_bytes
    assert msgspec.convert(step.to_dict(), StepMemory) == step


def test_what_is_left_out_makes_a_lower_bound():
    step = step_memory(nn.Conv2d(3, 8, 3), (3, 8, 8), instruction_set="AVX2")
    assert not step.lower_bound
    assert msgspec.structs.replace(step, unsaved_ops=("x",)).lower_bound
    assert msgspec.structs.replace(step, workspace_note="workspace not modelled for SSE41").lower_bound
