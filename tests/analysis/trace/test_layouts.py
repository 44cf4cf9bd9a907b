"""The layout of maps in a trace against that of the maps themselves."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._prims_common import suggest_memory_format

from convblocks.analysis.trace import trace
from convblocks.analysis.trace.layouts import channels_last, dense_channels_last


class Mixed(nn.Module):
    """The ops whose shapes come by formula, and some that torch is asked for."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.norm, self.groups, self.over = nn.BatchNorm2d(8), nn.GroupNorm(2, 8), nn.LayerNorm(8)
        self.linear, self.last = nn.Linear(8, 8), nn.Conv2d(8, 8, 3, groups=8)

    def forward(self, x):
        made = [self.first(x)]
        made.append(self.norm(made[-1]))
        made.append(F.relu(made[-1]))
        made.append(self.second(made[-1]) + made[-1])
        made.append(F.max_pool2d(made[-1], 2))
        made.append(F.gelu(self.groups(made[-1]) * 0.5))
        made.append(self.over(made[-1].permute(0, 2, 3, 1)))
        made.append(self.linear(made[-1]))
        made.append(self.last(made[-1].permute(0, 3, 1, 2)))
        made.append(F.avg_pool2d(made[-1], 2))
        return made


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maps_lie_in_a_trace_as_they_do_in_a_forward(layout):
    net = Mixed().to(memory_format=layout)
    real = [y.stride() for y in net(torch.randn(2, 3, 12, 12))]
    assert [value.stride for value in trace(net, (3, 12, 12), batch=2).outputs] == real


def test_volumes_too():
    net = nn.Sequential(nn.Conv3d(3, 8, 3), nn.BatchNorm3d(8), nn.ReLU()).to(
        memory_format=torch.channels_last_3d
    )
    assert trace(net, (3, 6, 6, 6), batch=2).output.stride == net(torch.randn(2, 3, 6, 6, 6)).stride()


SIZES = [
    (2, 3, 4, 5),
    (2, 1, 4, 5),
    (2, 3, 1, 1),
    (1, 3, 4, 4),
    (1, 1, 1, 1),
    (2, 3, 4, 4, 4),
    (2, 1, 1, 4, 1),
]


@pytest.mark.parametrize("shape", SIZES)
def test_a_tensor_has_the_channels_last_where_pytorch_takes_it_so(shape):
    last = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    for x in (
        torch.empty(shape),
        torch.empty(shape).to(memory_format=last),
        torch.empty(shape, memory_format=last),
    ):
        assert dense_channels_last(x.shape, x.stride()) == x.is_contiguous(memory_format=last)
        assert channels_last(x.shape, x.stride()) == (suggest_memory_format(x) == last)
