"""Windows along an axis, whole or cut into blocks, against PyTorch's own unfold of its positions."""

import pytest
import torch

from convblocks.analysis.fields.axes import reshaped, start
from convblocks.analysis.fields.windows import each_place, read, sliced, without

N = 24


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_windows_of_a_whole_axis(size, stride):
    taken = torch.arange(N).unfold(0, size, stride)
    axis = read(start((1, 1, N), 2), (1, 1, N), (1, 1, len(taken)), 2, stride, [range(size)])
    assert [axis.sight.at(i) for i in range(len(taken))] == [(w[0], w[-1]) for w in taken.tolist()]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("blocks", [2, 4])
def test_windows_end_where_their_block_does(size, stride, blocks):
    cut = (1, blocks, N // blocks)
    taken = torch.arange(N).view(blocks, -1).unfold(1, size, stride)
    axis = reshaped(start((1, N), 1), (1, N), cut)
    axis = read(axis, cut, (1, *taken.shape[:2]), 2, stride, [range(size)])
    assert [axis.sight.at(i) for i in range(taken.shape[0] * taken.shape[1])] == [
        (w[0], w[-1]) for w in taken.flatten(0, 1).tolist()
    ]


@pytest.mark.parametrize(("begin", "step"), [(0, 2), (1, 3), (5, 1)])
def test_a_slice_sees_what_it_takes(begin, step):
    taken = torch.arange(N)[begin::step].tolist()
    axis = sliced(start((1, N), 1), (1, N), (1, len(taken)), 1, begin, step)
    assert [axis.sight.at(i) for i in range(len(taken))] == [(i, i) for i in taken]
    assert sliced(start((1, N), 1), (4, N), (2, N), 0, begin, step) == start((1, N), 1)


def test_axes_behind_one_that_is_gone_move_up():
    axis = start((2, 1, N), 2)
    assert without(axis, 1).whole((2, N)) == 1
    assert without(without(axis, 1), 0).whole((N,)) == 0
    assert without("all", 0) == "all"


def test_a_move_is_made_along_the_axes_that_it_runs_along():
    moved = []
    each_place(start((2, N), 1), (0, 1), lambda axis, place: moved.append(place) or axis)
    assert moved == [1]
