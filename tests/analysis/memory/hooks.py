"""What autograd saves, seen by PyTorch's own hooks, and what is predicted of it."""

import torch
from torch import nn

from convblocks.analysis import trace
from convblocks.analysis.memory.saved import saved_for_backward


def kept_bytes(net, *inputs):
    """Of every storage that autograd saves, once; without what the module holds itself."""
    held = {t.untyped_storage()._cdata for t in (*net.parameters(), *net.buffers())}
    seen = {}

    def pack(tensor):
        seen.setdefault(
            tensor.untyped_storage()._cdata, tensor
        )  # which keeps it, so that no other has its address
        return tensor

    net.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(*inputs)
    return sum(t.untyped_storage().nbytes() for address, t in seen.items() if address not in held)


def predicted(net, *sizes, batch=2):
    found = saved_for_backward(trace(net, *sizes, batch=batch))
    assert found.unknown == ()
    return found.bytes


def check(net, *sizes, batch=2):
    real = kept_bytes(net, *[torch.randn(batch, *size) for size in sizes])
    assert predicted(net, *sizes, batch=batch) == real


class Through(nn.Module):
    """A function of a convolution's output, and of a weight where it takes two."""

    def __init__(self, function):
        super().__init__()
        self.conv, self.weight = nn.Conv2d(3, 4, 3, padding=1), nn.Parameter(torch.rand(4, 1, 1) + 0.5)
        self.function = function

    def forward(self, x):
        x = self.conv(x)
        return self.function(x, self.weight) if self.function.__code__.co_argcount > 1 else self.function(x)
