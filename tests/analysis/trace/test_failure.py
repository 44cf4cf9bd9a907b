"""Modules and inputs that cannot be traced: one line says what was given, where it broke and the fix."""

import pytest
import torch
from torch import nn

from convblocks.analysis import trace
from convblocks.errors import TraceError

CALL = nn.Module.__call__


@pytest.mark.parametrize(
    ("sizes", "dtypes", "message"),
    [
        ([], [], "ReLU: no input size given"),
        ([(3, 0, 4)], [], r"got the input size \(3, 0, 4\); expected whole numbers above 0"),
        ([(3,)], [torch.int64] * 2, "got 2 dtypes for 1 inputs"),
    ],
)
def test_inputs_that_cannot_be_are_refused(sizes, dtypes, message):
    with pytest.raises(TraceError, match=message):
        trace(nn.ReLU(), *sizes, dtypes=dtypes)


class Chooses(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            Chooses(),
            r"Chooses cannot take an input of 3×4×4 in __bool__.* \(test_failure.py, line \d+\): .*; the forward",
        ),
        (nn.Bilinear(2, 2, 2), r"3×4×4: its forward takes 2 inputs \(input1, input2\), got 1; give a size"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)),
            r"at 1 in conv2d\(1×4×2×2, .*; give a larger",
        ),
        (nn.Embedding(9, 4), r"in embedding.*; give each input's dtype"),
        (nn.LazyConv2d(4, 3), "LazyConv2d: it has no weights before its first forward; run the module once"),
        (nn.ReLU, "got a type; expected an nn.Module"),
    ],
)
def test_what_cannot_be_traced_is_one_line_and_leaves_no_hook(module, message):
    with pytest.raises(TraceError, match=message) as caught:
        trace(module, (3, 4, 4))
    assert "\n" not in str(caught.value)
    assert nn.Module.__call__ is CALL


def test_what_is_no_tensor_is_refused():
    class Counts(nn.Module):
        def forward(self, x):
            return x.shape[0]

    with pytest.raises(TraceError, match="Counts gives a int; expected a tensor"):
        trace(Counts(), (3,))


def test_a_linear_layer_that_does_not_fit_is_left_to_torch_to_refuse():
    with pytest.raises(
        TraceError, match=r"Linear cannot take an input of 3 in linear\(1×3, 2×4, 2\): a and b must"
    ):
        trace(nn.Linear(4, 2), (3,))


def test_an_input_too_small_is_one_clear_line():
    net = nn.Conv2d(3, 8, 5, device="meta")
    with pytest.raises(
        TraceError,
        match=r"3×4×4 in conv2d\(1×3×4×4, 8×3×5×5, 8\): .*; give a larger input, of at least 3×5×5, or padding=1$",
    ):
        trace(net, (3, 4, 4))


def test_a_failure_names_the_size_without_the_batch():
    with pytest.raises(TraceError, match=r"cannot take an input of 40×11"):
        trace(nn.GRU(12, 8), (40, 11), axes="time,batch,channels")
