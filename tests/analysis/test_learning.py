"""Values that need a gradient, or get one, against the tensors of autograd itself."""

import pytest
import torch
from torch import nn

from convblocks.analysis import trace
from convblocks.analysis.learning import gets_gradient, needs_gradient

LAYERS = 5


class Chain(nn.Module):
    """Layers that learn or are frozen, each an op; gradients stop behind one of them."""

    def __init__(self, frozen, detached):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(2, 2, 1) for _ in range(LAYERS)])
        for i in frozen:
            self.layers[i].requires_grad_(False)
        self.detached, self.made = detached, []

    def forward(self, x):
        self.made = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            self.made.append(x)
            if i == self.detached:
                x = x.detach()
        self.made.append(self.layers[0](self.made[1]))  # which nothing reads
        return x


@pytest.mark.parametrize("detached", [None, 1, 3])
@pytest.mark.parametrize("frozen", [(), (0, 1), (4,), range(LAYERS)])
def test_gradients_pass_where_autograd_s_do(frozen, detached):
    net = Chain(frozen, detached)
    seen = trace(net, (2, 6))
    outputs = [op.outputs[0].number for op in seen.ops if op.name == "conv1d"]
    y = net(torch.randn(1, 2, 6))
    for made in net.made:
        if made.requires_grad:
            made.retain_grad()
    if y.requires_grad:
        y.sum().backward()
    assert [n in needs_gradient(seen) for n in outputs] == [made.requires_grad for made in net.made]
    reached = [made.requires_grad and made.grad is not None for made in net.made]
    assert [n in gets_gradient(seen) for n in outputs] == reached
