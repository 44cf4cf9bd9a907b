"""Einsum, whatever its equation: what it keeps against PyTorch's own hooks, and what its gradients cost."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convblocks import analyze
from tests.analysis.memory.hooks import check

LETTERS = "abcde"


class Einsum(nn.Module):
    """An einsum of operands that are computed from weights, are weights, need no gradient, or lie crosswise."""

    def __init__(self, call, operands):
        super().__init__()
        self.call, self.kinds = call, [kind for _, kind in operands]
        self.weights = nn.ParameterList([torch.rand(shape) for shape, _ in operands])

    def forward(self, x):
        operands = [OPERANDS[kind](w) for kind, w in zip(self.kinds, self.weights, strict=True)]
        return self.call(*operands).sum() + x.sum()


OPERANDS = {
    "computed": lambda w: w * 2.0,
    "weight": lambda w: w,
    "constant": lambda w: w.detach() * 2.0,
    "crosswise": lambda w: (w.permute(*range(w.ndim)[::-1]) * 2.0).permute(*range(w.ndim)[::-1]),
    "stretched": lambda w: (w * 2.0).mean(0, keepdim=True).expand_as(w) if w.ndim else w * 2.0,
}


@st.composite
def equations(draw):
    """An equation, and the shape and kind of each operand."""
    sizes = {letter: draw(st.integers(1, 3)) for letter in LETTERS}
    hidden = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(0, 2)))]  # the axes of an ellipsis
    left, operands = [], []
    for _ in range(draw(st.integers(1, 4))):
        letters = draw(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=3))
        shape = [sizes[letter] for letter in letters]
        if draw(st.booleans()):
            stretch = [n if draw(st.booleans()) else 1 for n in hidden]
            stretch = stretch[draw(st.integers(0, len(stretch))) :]
            place = draw(st.integers(0, len(letters)))
            letters.insert(place, "...")
            shape[place:place] = stretch
        left.append("".join(letters))
        operands.append((tuple(shape), draw(st.sampled_from(sorted(OPERANDS)))))
    equation = ",".join(left)
    if draw(st.booleans()):
        kept = sorted(set(equation) - set(".,"))
        right = draw(st.lists(st.sampled_from(kept), unique=True))
        equation += "->" + "".join(["...", *right] if "..." in equation else right)
    return equation, operands


@settings(max_examples=150, deadline=None)
@given(equations())
def test_any_equation(drawn):
    equation, operands = drawn
    check(Einsum(lambda *tensors: torch.einsum(equation, *tensors), operands), (1,))


A, B, C = (3, 4), (4, 5), (5, 3)


CALLS = {
    "matrix product": (lambda a, b: torch.einsum("ij,jk->ik", a, b), [A, B]),
    "a list of operands": (lambda a, b: torch.einsum("ij,jk->ik", [a, b]), [A, B]),
    "lists of axes": (lambda a, b: torch.einsum(a, [0, 1], b, [1, 2], [0, 2]), [A, B]),
    "lists of axes with an ellipsis": (lambda a, b: torch.einsum(a, [..., 1], b, [1, ...], [...]), [A, (4, 3)]),
    "lists of axes without an output": (lambda a, b: torch.einsum(a, [0, 1], b, [1, 2]), [A, B]),
    "diagonal": (lambda a: torch.einsum("bii->bi", a), [(2, 4, 4)]),
    "trace": (lambda a: torch.einsum("ii", a), [(4, 4)]),
    "transpose": (lambda a: torch.einsum("ij->ji", a), [A]),
    "sum": (lambda a: torch.einsum("ij->", a), [A]),
    "outer product": (lambda a, b: torch.einsum("i,j->ij", a, b), [(3,), (4,)]),
    "gate": (lambda a, b: torch.einsum("bchw,bc->bchw", a, b), [(2, 3, 4, 4), (2, 3)]),
    "an axis of one operand summed first": (lambda a, b: torch.einsum("ijx,jk->ik", a, b), [(3, 4, 2), B]),
    "diagonal times a matrix": (lambda a, b: torch.einsum("ii,ij->j", a, b), [(4, 4), B]),
    "three operands": (lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c), [A, B, C]),
    "four operands": (lambda a, b, c, d: torch.einsum("ij,jk,kl,l->i", a, b, c, d), [A, B, C, (3,)]),
    "heads": (lambda q, k: torch.einsum("b h i d, b h j d -> b h i j", q, k), [(2, 2, 5, 3), (2, 2, 4, 3)]),
    "the same twice": (lambda a: torch.einsum("ij,ik->jk", a, a), [A]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["computed", "crosswise"])
@pytest.mark.parametrize("name", CALLS)
def test_each_way_to_call_it(name, kind):
    call, shapes = CALLS[name]
    net = Einsum(call, [(shape, kind) for shape in shapes])
    check(net, (1,))
    assert analyze(net, (1,)).unsaved_ops == ()


def test_one_side_that_needs_no_gradient_is_all_that_is_kept():
    """The derivative of a product by one factor is the other one, here 3 · 4 numbers of 4 bytes, and the input."""
    net = Einsum(lambda a, b: torch.einsum("ij,jk->ik", a, b), [((3, 4), "constant"), ((4, 500), "computed")])
    assert analyze(net, (1,)).saved_bytes == 3 * 4 * 4


class EinsumLayer(nn.Module):
    def __init__(self, equation, on_map, *shapes):
        super().__init__()
        self.equation, self.below = equation, nn.Linear(6, 6) if on_map else nn.Identity()
        self.weights = nn.ParameterList([torch.rand(shape) for shape in shapes])

    def forward(self, x):
        return torch.einsum(self.equation, self.below(x), *self.weights)


@pytest.mark.parametrize("on_map", [True, False])
@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bnc,cd->bnd", [(6, 4)]),
        ("bnc,cr,rd->bnd", [(6, 2), (2, 4)]),
        ("bnc,cr,rs,sd->bnd", [(6, 2), (2, 3), (3, 4)]),
    ],
)
def test_each_product_of_an_einsum_goes_back_to_both_its_sides(equation, shapes, on_map):
    net = EinsumLayer(equation, on_map, *shapes)
    found = analyze(net, (5, 6))
    with FlopCounterMode(display=False) as counter, torch.backends.opt_einsum.flags(enabled=False):
        net(torch.rand(1, 5, 6)).sum().backward()
    assert (
        found.macs + found.macs_weight_gradient + found.macs_input_gradient == counter.get_total_flops() // 2
    )
