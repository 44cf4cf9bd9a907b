"""What attention keeps for backward, against PyTorch's own hooks: flash attention, or the scores as well."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.analysis.memory.hooks import Through, check

ATTENTION = {
    "attention": lambda x: F.scaled_dot_product_attention(x, x + 1, x * 2),
    "attention, its heads joined": lambda x: F.silu(
        F.scaled_dot_product_attention(x, x + 1, x * 2).transpose(1, 2).flatten(2)
    ),
    "attention, its heads behind the positions": lambda x: (
        lambda y: F.silu(F.scaled_dot_product_attention(y, y, y).transpose(1, 2).flatten(2))
    )(x.transpose(1, 2)),
    "attention with a mask": lambda x: F.scaled_dot_product_attention(x, x + 1, x * 2, torch.zeros(8, 8)),
    "attention with a learnt mask": lambda x, w: F.scaled_dot_product_attention(x, x + 1, x * 2, w.expand(4, 8, 8)),
    "attention of one head": lambda x: F.scaled_dot_product_attention(x[:, 0], x[:, 1] + 1, x[:, 2] * 2),
    "attention with dropout": lambda x: F.scaled_dot_product_attention(x, x + 1, x * 2, dropout_p=0.1),
    "attention with dropout and a mask": lambda x: F.scaled_dot_product_attention(
        x, x + 1, x * 2, torch.zeros(8, 8), 0.1
    ),
    "attention with dropout, its heads behind the positions": lambda x: (
        lambda y: F.silu(y).sum() + F.silu(y.transpose(1, 2).flatten(2))
    )(F.scaled_dot_product_attention(*[x.transpose(1, 2)] * 3, dropout_p=0.1)),
    "attention with a mask of truths": lambda x: F.scaled_dot_product_attention(
        x, x + 1, x * 2, torch.ones(8, 8, dtype=torch.bool).tril()
    ),
    "attention of channels behind the positions": lambda x: F.scaled_dot_product_attention(
        *x.flatten(2).transpose(1, 2).unsqueeze(1).chunk(2, -1), x.flatten(2).mT[:, None, :, :2]
    ),
    "attention, one operand across": lambda x: F.silu(F.scaled_dot_product_attention(x, x.mT, x).transpose(1, 2)),
    "attention with values of another width": lambda x: F.scaled_dot_product_attention(x, x + 1, x[..., :4] * 2),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name):
    check(Through(ATTENTION[name]), (3, 8, 8))


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_multi_head_attention(need_weights, batch_first, dropout):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.attend = nn.MultiheadAttention(8, 2, dropout=dropout, batch_first=batch_first)

        def forward(self, x):
            return self.attend(x, x, x, need_weights=need_weights)[0]

    check(Net(), (5, 8), batch=3)


@pytest.mark.parametrize("batch_first", [True, False])
def test_transformer_layers_drop_attention_too(batch_first):
    check(nn.TransformerEncoderLayer(32, 4, 64, batch_first=batch_first), (64, 32))
