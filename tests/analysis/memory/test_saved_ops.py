"""What single ops keep for backward, against PyTorch's own hooks."""

import pytest
import torch
import torch.nn.functional as F

from tests.analysis.memory.hooks import Through, check, predicted

# Of a map x of (2, 4, 8, 8), and of a weight of (4, 1, 1) where they take two.
FUNCTIONS = {
    "times a weight": lambda x, w: x * w,
    "times itself": lambda x: x * x,
    "times a number": lambda x: x * 2.0 + 1,
    "times in place": lambda x, w: x.mul_(w),
    "times what needs no gradient": lambda x, w: x * w.detach(),
    "by a weight": lambda x, w: x / w,
    "by a number": lambda x: 1 / (x / 2),
    "to a power": lambda x: x**3 + 2**x,
    "to a learnt power": lambda x, w: x.abs() ** w,
    "larger": lambda x, w: torch.maximum(x, w),
    "larger of two": lambda x, w: torch.max(x, w) + torch.min(x, x + 1) + x.max(w.detach()) + torch.max(x, other=w),
    "larger of two halves": lambda x: (lambda a, b: torch.max(a, b) + torch.fmin(a, b))(*x.split(2, 1)),
    "larger of two, one without gradient": lambda x: torch.fmax(x.detach() + 1, x) + torch.minimum(x, torch.ones(8)),
    "a hypotenuse": lambda x, w: torch.hypot(x, w) + torch.hypot(x, torch.ones(8)) + x.hypot(x + 1) + torch.hypot(x, x),
    "a number to a power": lambda x, w: torch.pow(2, x) + (x + 1).pow_(w) + (x + 1).pow_(3.0),
    "a number by a map": lambda x: torch.div(0.5, x) + torch.true_divide(2, x + 1),
    "clamped by tensors": lambda x, w: x.clamp(w, w + 1) + torch.clamp(x, min=x + 1) + x.clamp_max(torch.ones(8)),
    "where two conditions hold": lambda x: torch.where((x > 0) & ~torch.isnan(x) & (x.int() < 3), x, x * 2),
    "whole numbers where": lambda x: torch.where(x > 0, x, torch.full((8,), 2)),
    "normalised along two axes": lambda x: F.normalize(x, dim=(2, 3)),
    "taken along an axis": lambda x: torch.take_along_dim(x, torch.zeros(2, 1, 8, 8, dtype=torch.long), 1),
    "padded by itself, unevenly": lambda x: F.conv2d(x, torch.ones(4, 4, 2, 4), padding="same"),
    "sums of products": lambda x: torch.addmm(x[0, 0], torch.ones(8, 8), x[0, 1]) + x[0, 0].addmm(x[0, 1], x[0, 2]),
    "a constant of a map's shape": lambda x, w: torch.sigmoid(w.detach().expand_as(x)) * x,
    "roots": lambda x: x.abs().sqrt().rsqrt().exp().log(),
    "relu before and after": lambda x: F.relu(x + 1) + x.relu_(),
    "in place by position": lambda x: F.hardswish(F.hardsigmoid(x + 1, True) + 1, True),
    "in place by position, seen through the old name": lambda x: (lambda y: F.relu(y, True) + F.silu(y))(x + 1),
    "silu in place": lambda x: F.silu(F.silu(x, inplace=True) + 1, inplace=True),
    "others": lambda x: F.softplus(F.elu(x)) + F.selu(x) + F.softsign(x) + F.relu6(x) + F.hardtanh(x, -1, 1),
    "functions": lambda x: x.sinh() + x.asin() + torch.erfc(x) + x.exp2() + x.tan() + abs(x) + F.logsigmoid(x),
    "absolute": lambda x: x.absolute() + torch.var_mean(x, 1, keepdim=True)[0],
    "functions in place": lambda x: (x + 1).sin_().mul_(2.0).erf_().reciprocal_().square_() + torch.fmax(x, x + 1),
    "clamps": lambda x: x.clamp(0, 1) + x.clamp_min(0) + (x + 1).clamp_(0, 1),
    "between": lambda x: torch.lerp(x, x * 2, torch.sigmoid(x)) + torch.lerp(x + 1, x, 0.3) + (x + 1).lerp_(x, 0.3),
    "between what does not learn": lambda x: torch.lerp(torch.zeros(8), torch.ones(8), x),
    "between, by what does not learn": lambda x: torch.lerp(x, x * 2, torch.rand(8)) + x.lerp(torch.zeros(8), 0.5),
    "remainders": lambda x: torch.fmod(x, x + 3) + x % (x + 2.5) + torch.fmod(x, torch.ones(8)) + x % 2.0,
    "remainders of numbers": lambda x: x.frac() + x.trunc() + x.round() + x.floor() + x.ceil() + x.sign(),
    "cells set": lambda x: (lambda y: (y.__setitem__(x > 0, 0.0), y.__setitem__((0, 1), x[0, 0]), y)[2])(x + 1),
    "rows set by index": lambda x: (lambda y: (y.__setitem__((slice(None), torch.tensor([0, 1])), 1.0), y)[1])(x + 1),
    "averages of areas": lambda x: F.interpolate(x, 4, mode="area") + F.interpolate(x, 1, None, "area"),
    "stretched in other ways": lambda x: F.interpolate(x, 5, None, "bicubic") + F.interpolate(x, 5),
    "softmax": lambda x: F.softmax(x, 1) + F.log_softmax(x, 1) + F.softmin(x, 1),
    "views": lambda x: x.flatten(2).transpose(1, 2).chunk(2, -1)[0].relu().unsqueeze(1),
    "squares of views": lambda x: x[:, :2] * x[:, 2:],
    "two chunks, one storage": lambda x: (lambda a, b: torch.sigmoid(a) * b)(*x.chunk(2, 1)),
    "joined": lambda x: F.silu(torch.cat([x, x.flip(-1)], 1)) + F.silu(torch.stack([x, x], 1).flatten(1, 2)),
    "statistics": lambda x: x.mean(1) + x.var(1) + x.std(1) + x.amax(1) + x.sum(1) + x.norm(dim=1),
    "vector norm": lambda x: torch.linalg.vector_norm(x, dim=1) + x.diff(n=1, dim=1).sum(1),
    "the largest": lambda x: x.max(1)[0].sum() + x.max() + x.topk(2, 1)[0].sum() + x.sort(2)[0].sum(),
    "normalised": lambda x: F.normalize(x, dim=1),
    "layer norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "rms norm": lambda x, w: F.rms_norm(x, x.shape[3:]) + F.rms_norm(x, x.shape[3:], w.expand(4, 1, 8)[0, 0]),
    "group norm": lambda x: F.group_norm(x, 2),
    "instance norm": lambda x: F.instance_norm(x),
    "instance norm with a weight": lambda x, w: F.instance_norm(x, weight=w.flatten(), bias=w.flatten()),
    "max pools": lambda x: F.max_pool2d(x, 2).sum() + F.max_pool1d(x.flatten(2), 3).sum(),
    "average pools": lambda x: F.avg_pool2d(x, 2) + F.adaptive_avg_pool2d(x, 1) + F.adaptive_avg_pool2d(x, 4),
    "padded": lambda x: F.pad(x, (1, 1)).sum() + F.pad(x, (1, 1, 1, 1), mode="reflect").sum(),
    "stretched": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear") + F.interpolate(x, scale_factor=2),
    "by index": lambda x: x[:, torch.tensor([0, 2])] + x.index_select(1, torch.tensor([1, 3])),
    "masked": lambda x: torch.where(x > 0, x, 0.5) + x.masked_fill(x > 1, 0.0),
    "dropped": lambda x: F.dropout(x, 0.5) + F.dropout2d(x, 0.5),
    "dropped in place": lambda x: F.dropout(x, 0.5, True, True),
    "none dropped": lambda x: F.relu(F.dropout(F.sigmoid(x), 0.0)),
    "products": lambda x: x @ x.transpose(2, 3) + torch.einsum("bchw,bcvw->bchv", x, x),
    "crosswise products": lambda x: (x.flatten(2).transpose(1, 2) @ x.flatten(2)) @ x.flatten(2).transpose(1, 2),
    "products of batches": lambda x: x.permute(0, 2, 1, 3) @ x.permute(0, 2, 3, 1),
    "a weight that is computed": lambda x, w: F.conv2d(x, (w - w.mean()).expand(4, 4, 1, 1) * 2),
    "without gradient": lambda x: x + torch.no_grad()(lambda: torch.sigmoid(x) * x)() + torch.tanh(x.detach()),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_an_op_keeps(name):
    check(Through(FUNCTIONS[name]), (3, 8, 8))


# Of a map x of (2, 4, 8, 8): calls of what is said to keep nothing.
KEEPS_NOTHING = {
    "sums": lambda x: x + x - 1 + (1 - x) - (-x) + torch.subtract(x, x, alpha=2) + torch.rsub(x, 1) + +x + x.cumsum(1),
    "sums in place": lambda x: (x + 1).add_(x).sub_(x).neg_() + x.sum() + x.mean() + x.mean(1, True) + x.sum(1, True),
    "types": lambda x: x.double() + x.half().float() + x.bfloat16().to(torch.float64) + x.type(torch.float64),
    "types of others": lambda x: x.type_as(torch.ones(1, dtype=torch.float64)) + x.clone().contiguous(),
    "axes": lambda x: x.movedim(1, 2).moveaxis(1, 2).swapaxes(2, 3).permute(0, 1, 3, 2).mT + x[0, 0].t() + x[0, 0].T,
    "shapes": lambda x: x.flatten(1).unflatten(1, (4, 64)).view(2, 4, 8, 8).reshape_as(x).view_as(x).squeeze(0)[None],
    "parts": lambda x: x.split(2, 1)[0] + x.unbind(1)[0][:, None] + x.tensor_split(2, 1)[0] + x.narrow(1, 0, 2),
    "parts of rows": lambda x: x.hsplit(2)[0].sum() + x.vsplit(2)[0].sum() + x.dsplit(2)[0].sum(),
    "joins": lambda x: torch.concat([x, x]).sum() + torch.stack([x, x]).sum() + torch.cat([x, x], 1).sum(),
    "repeats": lambda x: x.repeat(1, 2, 1, 1) + x.tile(1, 2, 1, 1) + x.repeat_interleave(2, 1),
    "turns": lambda x: x.roll(1, 1) + x.flip(1) + x.tril() + x.triu() + x[:, :1].expand_as(x),
    "stretches": lambda x: x[:, :1].expand(-1, 4, -1, -1) + x[:, :1].broadcast_to(2, 4, 8, 8) + x.positive() + x.real,
    "windows": lambda x: F.fold(F.unfold(x, 3), (8, 8), 3).sum() + x.unfold(2, 3, 1).sum() + x.diagonal(0, 2, 3).sum(),
    "shuffles": lambda x: F.pixel_shuffle(x, 2).sum() + F.pixel_unshuffle(x, 2).sum() + F.channel_shuffle(x, 2).sum(),
    "copies": lambda x: torch.zeros_like(x).copy_(x) + (x + 1).fill_(1.0) + (x + 1).zero_() + x,
    "strides": lambda x: x.as_strided((2, 4), (1, 2)).sum() + torch.meshgrid(x[0, 0, 0], x[0, 0, 1], indexing="ij")[0],
    "grids": lambda x: F.affine_grid(x[:, 0, :2, :3], [2, 3, 8, 8], align_corners=False),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS_NOTHING)
def test_what_keeps_nothing(name):
    net = Through(KEEPS_NOTHING[name])
    check(net, (3, 8, 8))
    assert predicted(net, (3, 8, 8)) == 4 * 2 * 3 * 64  # the image alone
