"""Operands that meta takes, against the convolutions of the processor."""

import pytest
import torch
import torch.nn.functional as F

from convblocks.analysis.trace.graph import Value
from convblocks.analysis.trace.operands import check_operands

KINDS = torch.float32, torch.float64, torch.bfloat16


def refuses(work):
    try:
        work()
    except RuntimeError:
        return True
    return False


def value(tensor):
    return Value(0, tuple(tensor.shape), tensor.dtype, 0)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("takes", [2, 3])
@pytest.mark.parametrize("kinds", [(a, b) for a in KINDS for b in KINDS], ids=str)
def test_what_the_processor_refuses_is_refused(kinds, takes, transposed):
    """The first axis of a weight has the input's channels where it is transposed, else the output's."""
    x = torch.ones(1, 2, 5, dtype=kinds[0])
    weight = torch.ones(takes, 2, 3, dtype=kinds[1])
    convolve = F.conv_transpose1d if transposed else F.conv1d
    given = value(x), value(weight)
    assert refuses(lambda: check_operands(*given, transposed=transposed)) == refuses(
        lambda: convolve(x, weight)
    )


@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_autocast_converts_floating_point_numbers_only(kind):
    x, weight = torch.ones(1, 2, 5, dtype=kind), torch.ones(2, 2, 3, dtype=torch.float64)
    weight = weight.bfloat16()
    given = value(x), value(weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert refuses(lambda: check_operands(*given, transposed=False)) == refuses(
            lambda: F.conv1d(x, weight)
        )
