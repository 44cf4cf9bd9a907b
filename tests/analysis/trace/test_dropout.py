"""Dropout of attention that eval mode hides, against what autograd keeps in training."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import analyze
from tests.analysis.memory.hooks import check, kept_bytes, predicted


class Attention(nn.Module):
    """As most are written: in eval mode nobody sees the dropout."""

    def __init__(self, name, p, residual_p):
        super().__init__()
        self.project, self.name = nn.Linear(8, 24), name
        self.add_module(name, nn.Dropout(p))
        self.resid_drop = nn.Dropout(residual_p)

    def forward(self, x):
        q, k, v = self.project(x).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        p = self.get_submodule(self.name).p
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=p if self.training else 0.0)
        return self.resid_drop(x.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("name", "p", "residual_p"),
    [("drop", 0, 0), ("drop", 0.1, 0.2), ("attn_drop", 0.1, 0), ("attn_drop", 0, 0.1)],
)
def test_dropout_of_attention_that_eval_mode_hides(name, p, residual_p, training):
    net = Attention(name, p, residual_p)
    real = kept_bytes(net, torch.randn(2, 16, 8))
    assert predicted(net.train(training), (16, 8)) == real


class Sometimes(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, dropout_p=0.1 if self.training else 0.0)


class Never(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, dropout_p=0.0)


def test_dropout_of_attention_that_cannot_be_told_is_named():
    first, size = nn.Conv2d(3, 4, 1), (3, 8, 8)
    for net, given in ((nn.Sequential(first, Sometimes()), size), (Attention("drop", 0.1, 0), (16, 8))):
        assert analyze(net, given).unsaved_ops == ("scaled_dot_product_attention",)
    check(nn.Sequential(first, Never()), size)
