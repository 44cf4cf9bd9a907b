"""What an op means: the rules that cost and receptive field read; names.py has the tables of names.

An op that stands in no table is reported by name, never counted as zero.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from convblocks.analysis.names import (
    ADAPTIVE,
    CONVOLUTIONS,
    FRESH,
    GLOBAL,
    LIKE,
    LINEAR,
    MIXING,
    NEIGHBOURS,
    NORMS_OF_LAST_AXES,
    POINTWISE,
    POOLS,
    RECURRENT,
    REDUCTIONS,
    SHAPES,
    TRANSPOSED,
)
from convblocks.analysis.trace import Op, Value


class Window(NamedTuple):
    """What a convolution or pool sees along one axis; a transposed convolution, what it spreads one input over."""

    size: int
    stride: int
    padding: int
    dilation: int


def argument(op: Op, position: int, name: str, default: Any = None) -> Any:
    """An argument given by place or by name."""
    if len(op.args) > position:
        return op.args[position]
    return op.kwargs.get(name, default)


def weight_of(op: Op) -> Value:
    """The weight of a convolution or linear op."""
    value = argument(op, 1, "weight")
    assert isinstance(value, Value)
    return value


def at(value: Any, axis: int) -> int:
    """What is given for one axis or for all."""
    return value if isinstance(value, int) else value[axis if len(value) > 1 else 0]


def window(op: Op, axis: int) -> Window:
    """The window of a convolution, transposed or not, or pool along its spatial axis number `axis`."""
    if op.name in POOLS:
        power = op.name.startswith("lp")  # its exponent comes first, and it pads nothing
        given = argument(op, 1 + power, "kernel_size")
        dilation = argument(op, 4, "dilation", 1) if op.name.startswith("max") else 1
        size, stride, padding = (
            at(given, axis),
            argument(op, 2 + power, "stride") or given,
            0 if power else argument(op, 3, "padding", 0),
        )
    else:
        stride, padding, dilation = (
            argument(op, 3, "stride", 1),
            argument(op, 4, "padding", 0),
            argument(op, 7 if op.name in TRANSPOSED else 5, "dilation", 1),
        )
        size = weight_of(op).shape[2 + axis]
    dilation = at(dilation, axis)
    if isinstance(padding, str):  # "same" puts the odd one out behind
        padding = dilation * (size - 1) // 2 if padding == "same" else 0
    return Window(size, at(stride, axis), at(padding, axis), dilation)


def _weighted(op: Op) -> int:
    """Each output element of a convolution or linear layer reads its part of the weight once."""
    return prod(op.outputs[0].shape) * prod(weight_of(op).shape[1:])


def _transposed(op: Op) -> int:
    """Each input element is spread over its part of the weight once."""
    return prod(op.inputs[0].shape) * prod(weight_of(op).shape[1:])


def _product(op: Op) -> int:
    """Matrix products: each output element is a sum over the axis that both share."""
    left = op.inputs[-2]
    return prod(op.outputs[0].shape) * left.shape[-1]


def _attention(op: Op) -> int:
    """Scores, then their weighted sum (Vaswani et al. 2017, section 3.2.1)."""
    query, key, value = op.inputs[:3]
    pairs = prod(query.shape[:-1]) * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


def _multi_head(op: Op) -> int:
    """The three projections in, attention, the projection out; all of width E."""
    query, key, value = op.inputs[:3]
    width = query.shape[-1]
    positions, others = prod(query.shape[:-1]), prod(key.shape[:-1])
    projected = width * (positions * width + others * (key.shape[-1] + value.shape[-1]) + positions * width)
    batch = query.shape[1] if len(query.shape) == 3 else 1
    return projected + 2 * positions * (others // batch) * width


def letters(op: Op) -> tuple[list[str], str]:
    """An einsum's letters for each operand and for the output; "…" written out in capitals that stand nowhere else."""
    given = op.args[0]
    if not isinstance(given, str):  # operands and lists of numbers in turn
        lists = [
            "".join("..." if n is Ellipsis else chr(ord("a") + n) for n in each) for each in op.args[1::2]
        ]
        out = [*op.args, None][2 * len(op.inputs)]
        given = ",".join(lists) + ("" if out is None else "->" + "".join(chr(ord("a") + n) for n in out))
    left, arrow, right = given.replace(" ", "").partition("->")
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in given]
    operands = left.split(",")
    hidden = [
        "".join(spare[: len(value.shape) - len(each) + 3][::-1]) if "..." in each else ""
        for each, value in zip(operands, op.inputs, strict=True)
    ]
    longest = max(hidden, key=len)
    if not arrow:
        right = longest + "".join(sorted(c for c in set(left) - set(".,") if left.count(c) == 1))
    return [each.replace("...", dots) for each, dots in zip(operands, hidden, strict=True)], right.replace(
        "...", longest
    )


def _einsum(op: Op) -> int:
    return sum(_einsum_products(op))


def _einsum_products(op: Op) -> list[int]:
    """MACs of each, operands from left to right: every combination of the letters of both once."""
    operands, out = letters(op)
    sizes: dict[str, int] = {}
    for each, value in zip(operands, op.inputs, strict=True):
        for letter, n in zip(each, value.shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, 1))  # "…" may be stretched
    products, met = [], set(operands[0])
    for i, each in enumerate(operands[1:], 2):
        products.append(prod(sizes[letter] for letter in met | set(each)))
        met = (met | set(each)) & set(out).union(*operands[i:])
    return products


def _recurrent(op: Op) -> int:
    """Every weight matrix of every layer once for each step; biases have one axis, weights two."""
    return prod(op.inputs[0].shape[:-1]) * sum(matrix.elements for matrix in _matrices(op))


def _matrices(op: Op) -> list[Value]:
    """Of a recurrent op, layer by layer and way by way: weight_ih, weight_hh and, of a projection, weight_hr."""
    return [value for value in op.args[_place(op)] if len(value.shape) == 2]


def _place(op: Op) -> int:
    """Of the weights in (input, states, weights, …), or in (input, batch_sizes, states, weights, …) where packed."""
    return 3 if isinstance(op.args[3], tuple) else 2


MACS: dict[str, Callable[[Op], int]] = {
    **dict.fromkeys(CONVOLUTIONS, _weighted),
    **dict.fromkeys(TRANSPOSED, _transposed),
    **dict.fromkeys(LINEAR, _weighted),
    **dict.fromkeys(("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "baddbmm"), _product),
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    "einsum": _einsum,
    **dict.fromkeys(RECURRENT, _recurrent),
}


def _attention_gradients(op: Op, maps: Sequence[Value], _weights: Sequence[Value]) -> tuple[int, int]:
    """Two products forward, each with two operands that learn; what a kernel computes twice is not counted."""
    return 0, 2 * _attention(op) if maps else 0


def _multi_head_gradients(op: Op, maps: Sequence[Value], weights: Sequence[Value]) -> tuple[int, int]:
    """The projections cost a weight's and a map's gradient, the attention between them as above."""
    query, key = op.inputs[:2]
    attended = 2 * prod(query.shape) * key.shape[0]
    projected = _multi_head(op) - attended
    return projected if weights else 0, (projected if maps else 0) + 2 * attended


def _einsum_gradients(op: Op, maps: Sequence[Value], weights: Sequence[Value]) -> tuple[int, int]:
    """Each product costs once more for what is on its left, the product before, and for what is on its right."""
    of_maps, of_weights = {value.number for value in maps}, {value.number for value in weights}
    weight_gradient = input_gradient = 0
    for i, macs in enumerate(_einsum_products(op), 1):
        for side in (op.inputs[:i], op.inputs[i : i + 1]):
            numbers = [value.number for value in side]
            if not of_maps.isdisjoint(numbers):
                input_gradient += macs
            elif not of_weights.isdisjoint(numbers):
                weight_gradient += macs
    return weight_gradient, input_gradient


def _recurrent_gradients(op: Op, maps: Sequence[Value], weights: Sequence[Value]) -> tuple[int, int]:
    """Backpropagation through time (Werbos 1990): the error goes back through weight_hh at each step but the first.

    There too where the first state learns; and through weight_ih of the lowest layer where the input does.
    """
    place, matrices = _place(op), _matrices(op)
    states = op.args[place - 1]
    first = states[0] if isinstance(states, tuple) else states  # h of an LSTM's h and c
    learning = {value.number for value in (*maps, *weights)}
    rows = prod(op.inputs[0].shape[:-1])
    steps = rows if first.number in learning else rows - first.shape[-2]
    group = len(matrices) // first.shape[0]  # matrices of one layer one way
    lowest = len(matrices) // op.args[place + 2]
    back = 0
    for i, matrix in enumerate(matrices):
        if i % group == 1:
            back += steps * matrix.elements
        elif i % group == 2 or i >= lowest or op.inputs[0].number in learning:
            back += rows * matrix.elements
    return rows * sum(m.elements for m in matrices if m.number in learning), back


GRADIENT_MACS: dict[str, Callable[[Op, Sequence[Value], Sequence[Value]], tuple[int, int]]] = {
    "scaled_dot_product_attention": _attention_gradients,
    "multi_head_attention_forward": _multi_head_gradients,
    "einsum": _einsum_gradients,
    **dict.fromkeys(RECURRENT, _recurrent_gradients),
}
FREE = (
    POINTWISE
    | GLOBAL
    | REDUCTIONS
    | MIXING
    | NEIGHBOURS
    | NORMS_OF_LAST_AXES
    | SHAPES
    | FRESH
    | POOLS.keys()
    | ADAPTIVE.keys()
)
KNOWN = MACS.keys() | FREE

__all__ = [
    "ADAPTIVE", "CONVOLUTIONS", "FREE", "FRESH", "GLOBAL", "GRADIENT_MACS", "KNOWN", "LIKE", "LINEAR", "MACS",
    "MIXING", "NEIGHBOURS", "NORMS_OF_LAST_AXES", "POINTWISE", "POOLS", "RECURRENT", "REDUCTIONS", "SHAPES",
    "TRANSPOSED", "Window", "argument", "at", "letters", "weight_of", "window",
]  # fmt: skip
