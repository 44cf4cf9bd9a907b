"""torch.einsum, and any product of tensors as one: letters for the axes of each operand and of the result."""

from collections.abc import Callable, Mapping, Sequence, Set
from math import prod
from typing import Any

import torch

from convblocks.analysis.fields.axes import Axis, State, adopted, mixed, placed, union
from convblocks.analysis.ops.op import FieldRule, Op, add, plain_name
from convblocks.analysis.ops.shared_rules import Incoming, Kept
from convblocks.analysis.trace.graph import OpCall, Value

Letters = tuple[list[str], str]
"""Of each operand, and of the result."""


def contracted(letters: Callable[[OpCall, Value], Letters]) -> FieldRule:
    """Returns the rule of a product, whose letters for a call and its output are given.

    Letters that the output lacks are summed over; operands that keep other positions are query and keys.
    """

    def field(call: OpCall, incoming: Incoming, out: Value) -> State:
        operands, result = letters(call, out)
        states = [_contracted(state, operands[i], result) for i, _, state in incoming]
        by = max((s for s in states if isinstance(s, Axis)), key=lambda s: len(s.digits), default=None)
        total: State = states[0]
        for n, state in enumerate(states):
            if by and isinstance(state, Axis) and state.digits != by.digits:
                state = adopted(state, by)
            total = union(total, state) if n else state
        return total

    return field


def _contracted(state: State, letters_in: str, result: str) -> State:
    """Returns an axis after it is mixed over the letters that are summed, the rest placed as in the result."""
    for place, letter in enumerate(letters_in):
        if letter not in result and isinstance(state, Axis):
            state = mixed(state, place, stays=False)
    return placed(state, [result.find(c) for c in letters_in]) if isinstance(state, Axis) else state


def letters(call: OpCall, _out: Value | None = None) -> Letters:
    """Returns an einsum's letters; "…" is written out in capitals that stand nowhere else."""
    given = call.args[0]
    if not isinstance(given, str):  # operands and lists of numbers in turn
        lists = [
            "".join("..." if n is Ellipsis else chr(ord("a") + n) for n in each) for each in call.args[1::2]
        ]
        out = [*call.args, None][2 * len(call.inputs)]
        given = ",".join(lists) + ("" if out is None else "->" + "".join(chr(ord("a") + n) for n in out))
    left, arrow, right = given.replace(" ", "").partition("->")
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in given]
    operands = left.split(",")
    hidden = [
        "".join(spare[: len(value.shape) - len(each) + 3][::-1]) if "..." in each else ""
        for each, value in zip(operands, call.inputs, strict=True)
    ]
    longest = max(hidden, key=len)
    if not arrow:
        right = longest + "".join(sorted(c for c in set(left) - set(".,") if left.count(c) == 1))
    return [each.replace("...", dots) for each, dots in zip(operands, hidden, strict=True)], right.replace(
        "...", longest
    )


def _products(call: OpCall) -> list[int]:
    """Returns the MACs of each product, operands from left to right: every combination of the letters of both once."""
    operands, out = letters(call)
    sizes: dict[str, int] = {}
    for each, value in zip(operands, call.inputs, strict=True):
        for letter, n in zip(each, value.shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, 1))  # "…" may be stretched
    products, left = [], set(operands[0])
    for i, each in enumerate(operands[1:], 2):
        products.append(prod(sizes[letter] for letter in left | set(each)))
        left = (left | set(each)) & set(out).union(*operands[i:])
    return products


def _macs(call: OpCall) -> int:
    return sum(_products(call))


def _gradient_macs(call: OpCall, maps: Sequence[Value], weights: Sequence[Value]) -> tuple[int, int]:
    """Counts each product once more for what is on its left, the product before, and for what is on its right."""
    of_maps, of_weights = {value.number for value in maps}, {value.number for value in weights}
    weight_gradient = input_gradient = 0
    for i, macs in enumerate(_products(call), 1):
        for side in (call.inputs[:i], call.inputs[i : i + 1]):
            numbers = [value.number for value in side]
            if not of_maps.isdisjoint(numbers):
                input_gradient += macs
            elif not of_weights.isdisjoint(numbers):
                weight_gradient += macs
    return weight_gradient, input_gradient


def _saved(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Gives autograd's own answer, from running the op without data.

    torch sums, permutes, stretches and copies its operands before each of the products it makes of them.
    """
    meta = {
        v.number: torch.empty_strided(
            v.shape, v.stride, dtype=v.dtype, device="meta", requires_grad=v.number in needs
        )
        for v in call.inputs
    }
    operands = {meta[v.number].untyped_storage()._cdata: v for v in call.inputs}
    kept: dict[int, Kept] = {}
    alive: list[torch.Tensor] = []  # so that no two storages have one address

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        storage = tensor.untyped_storage()
        kept[storage._cdata] = operands.get(storage._cdata, storage.nbytes())
        return tensor

    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        alive.append(torch.einsum(*_tensors(call.args, meta), **_tensors(dict(call.kwargs), meta)))
    return tuple(kept.values())


def _tensors(given: Any, meta: Mapping[int, torch.Tensor]) -> Any:
    """Returns the arguments of a call with tensors in place of its values."""
    if isinstance(given, Value):
        return meta[given.number]
    if isinstance(given, dict):
        return {name: _tensors(value, meta) for name, value in given.items()}
    return tuple([_tensors(part, meta) for part in given]) if isinstance(given, tuple) else given


add(Op(
    names=("einsum",),
    arguments="equation, *operands",
    shape=None,
    macs=_macs,
    gradient_macs=_gradient_macs,
    field=contracted(letters),
    saved=_saved,
    workspace=None,
    label=plain_name,
))  # fmt: skip
