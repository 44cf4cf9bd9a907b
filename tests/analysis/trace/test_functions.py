"""Custom autograd functions in a trace, against the hooks of autograd."""

import torch

from convblocks import (
    analyze,
)
from tests.analysis.memory.hooks import Through, check


class Doubled(torch.autograd.Function):
    """A custom function in the other of PyTorch's two styles, that keeps what is no result of it."""

    @staticmethod
    def forward(x):
        return (x * x) * 2.0, x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx, a, b):
        return a + b


def test_a_custom_function_keeps_what_it_says():
    net = Through(lambda x: Doubled.apply(x)[0])
    check(net, (3, 8, 8))
    apply = torch.autograd.Function.apply
    analyze(net, (3, 8, 8))
    assert torch.autograd.Function.apply.__func__ is apply.__func__
