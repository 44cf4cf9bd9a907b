"""What each op does to the way a tensor sees one spatial axis of the input."""

from collections.abc import Callable, Iterable

from convblocks.analysis.fields import move_rules as moves
from convblocks.analysis.fields import window_rules as windows
from convblocks.analysis.fields.axes import ALL, POOLED, Axis, State, adopted, mixed, placed, stretched, union
from convblocks.analysis.rules import (
    ADAPTIVE,
    CONVOLUTIONS,
    GLOBAL,
    LINEAR,
    MIXING,
    NEIGHBOURS,
    NORMS_OF_LAST_AXES,
    POINTWISE,
    POOLS,
    RECURRENT,
    REDUCTIONS,
    TRANSPOSED,
    argument,
    letters,
)
from convblocks.analysis.trace import Op, Value

Rule = Callable[[Op, Axis, Value, Value], State]
"""(op, how its input sees the axis, that input, the output) → how the output sees it."""
Incoming = list[tuple[int, Value, State]]
"""Which of an op's inputs depend on the network's input, and how they see the axis."""


def through(op: Op, incoming: Incoming, out: Value, *, gates: bool = True) -> State:
    """How an output of an op sees the axis, from how its inputs do; see `receptive_fields` for `gates`."""
    if len(incoming) > 1:
        if not gates and op.name in GATED and any(isinstance(state, Axis) for _, _, state in incoming):
            incoming = [each for each in incoming if each[2] != POOLED]
        elif moves.overwritten(op):
            incoming = incoming[1:]
    if op.name in PRODUCTS:
        return _product(op, incoming, out)
    rule = RULES.get(op.name)
    if rule is None:
        return ALL if all(state in (ALL, POOLED) for _, _, state in incoming) else None
    if not gates and op.name in GLOBAL:
        return incoming[0][2]
    met, first = None, True
    for _, value, state in incoming:
        state = rule(op, state, value, out) if isinstance(state, Axis) else state
        met, first = (state if first else union(met, state)), False
    return met


def _pointwise(_op: Op, axis: Axis, value: Value, out: Value) -> State:
    """The same position; a tensor with fewer axes is aligned with the last ones."""
    return axis if value.shape == out.shape else stretched(axis, value.shape, out.shape)


def _global(_op: Op, _axis: Axis, _value: Value, _out: Value) -> State:
    return ALL


def _linear(_op: Op, axis: Axis, value: Value, _out: Value) -> State:
    return mixed(axis, len(value.shape) - 1, stays=False)


def _last_axes(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    return _mixed(axis, range(-len(argument(op, 1, "normalized_shape")), 0), value, stays=True)


def _mixing(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    position, default = {"normalize": (2, 1)}.get(op.name, (1, -1))
    return _mixed(axis, moves.as_list(argument(op, position, "dim", default), ()), value, stays=True)


def _mixed(axis: Axis, dims: Iterable[int], value: Value, *, stays: bool) -> State:
    state: State = axis
    for place in {dim % len(value.shape) for dim in dims}:
        state = mixed(state, place, stays=stays) if isinstance(state, Axis) else state
    return state


def _reduced(op: Op, axis: Axis, value: Value, out: Value) -> State:
    rank = len(value.shape)
    given = argument(op, 2 if "norm" in op.name else 1, "dim", op.kwargs.get("axis"))
    if len(op.inputs) > 1:  # torch.max(a, b)
        return _pointwise(op, axis, value, out)
    gone = {place % rank for place in moves.as_list(given, range(rank))}
    state = _mixed(axis, gone, value, stays=False)
    if not isinstance(state, Axis) or len(out.shape) == rank:
        return state
    return placed(state, [place - sum(p < place for p in gone) for place in range(rank)])


def _recurrent(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    """Each step depends on the others of its sequence; forward alone, on those before it, which is said to be all."""
    batch_first = argument(op, 8, "batch_first", False)
    return _mixed(axis, (1, 2) if batch_first else (0, 2), value, stays=True)


def _attended(_op: Op, axis: Axis, value: Value, _out: Value) -> State:
    """multi_head_attention_forward, of (positions, batch, features)."""
    return _mixed(axis, (0, 2), value, stays=True)


def _product(op: Op, incoming: Incoming, out: Value) -> State:
    """Letters that the output lacks are summed over; operands that keep other positions are query and keys."""
    operands, result = _letters(op, out)
    states = [_contracted(state, operands[i], result) for i, _, state in incoming]
    by = max((s for s in states if isinstance(s, Axis)), key=lambda s: len(s.digits), default=None)
    met: State = states[0]
    for n, state in enumerate(states):
        if by and isinstance(state, Axis) and state.digits != by.digits:
            state = adopted(state, by)
        met = union(met, state) if n else state
    return met


def _contracted(state: State, letters_in: str, result: str) -> State:
    """Mixed over the letters that are summed, the rest placed as in the result."""
    for place, letter in enumerate(letters_in):
        if letter not in result and isinstance(state, Axis):
            state = mixed(state, place, stays=False)
    return placed(state, [result.find(c) for c in letters_in]) if isinstance(state, Axis) else state


def _letters(op: Op, out: Value) -> tuple[list[str], str]:
    """Any product as an einsum; the axes of a batch are A, B, …, the last one first."""
    if op.name == "einsum":
        return letters(op)
    ends: tuple[str, ...] = ("mk", "kn")
    result = "mn"
    if op.name == "scaled_dot_product_attention":
        ends, result = ("md", "kd", "ke", "mk"), "me"
    elif op.name == "__rmatmul__":
        ends = ("kn", "mk")
    elif op.name in ("addmm", "baddbmm"):
        ends = ("mn", "mk", "kn")
    operands = [
        "FEDCBA"[8 - len(value.shape) :] + end if len(value.shape) > 1 else "k"
        for value, end in zip(op.inputs, ends, strict=False)
    ]
    if len(op.inputs[-1].shape) == 1 or len(op.inputs[0].shape) == 1:
        result = result.replace("n" if len(op.inputs[-1].shape) == 1 else "m", "")
    return operands, "FEDCBA"[6 + len(result) - len(out.shape) :] + result


PRODUCTS = {
    "matmul",
    "__matmul__",
    "__rmatmul__",
    "bmm",
    "mm",
    "baddbmm",
    "addmm",
    "scaled_dot_product_attention",
    "einsum",
}
GATED = CONVOLUTIONS.keys() | {
    "mul",
    "mul_",
    "__mul__",
    "__imul__",
    "__rmul__",
    "div",
    "div_",
    "__truediv__",
    "addcmul",
}
KEEPING_ORDER = (
    "reshape",
    "view",
    "flatten",
    "unflatten",
    "reshape_as",
    "view_as",
    "squeeze",
    "unsqueeze",
    "ravel",
)


def _table(*groups: tuple[Iterable[str], Rule]) -> dict[str, Rule]:
    return {name: rule for names, rule in groups for name in names}


RULES = _table(
    (POINTWISE, _pointwise),
    (("copy_",), _pointwise),
    (GLOBAL, _global),
    (LINEAR, _linear),
    (CONVOLUTIONS, windows.windowed),
    (POOLS, windows.windowed),
    (TRANSPOSED, windows.transposed),
    (ADAPTIVE, windows.adaptive),
    (("interpolate",), windows.interpolated),
    (("pixel_shuffle", "pixel_unshuffle"), windows.shuffled),
    (("repeat_interleave",), windows.repeated),
    (("unfold",), windows.unfolded),
    (NEIGHBOURS, windows.neighbours),
    (("fold",), windows.folded),
    (REDUCTIONS, _reduced),
    (MIXING, _mixing),
    (NORMS_OF_LAST_AXES, _last_axes),
    (RECURRENT, _recurrent),
    (("multi_head_attention_forward",), _attended),
    (KEEPING_ORDER, moves.view),
    (("permute",), moves.permuted),
    (("transpose", "swapaxes", "swapdims", "t", "T", "mT"), moves.swapped),
    (("movedim", "moveaxis"), moves.movedim),
    (("pad",), moves.padded),
    (("roll",), moves.rolled),
    (("flip",), moves.flipped),
    (("cat", "concat", "concatenate"), moves.joined),
    (("stack",), moves.stacked),
    (("split", "chunk", "tensor_split", "unbind"), moves.part),
    (("select",), moves.selected),
    (("narrow",), moves.narrowed),
    (("index_select", "gather", "take_along_dim"), moves.gathered),
    (("repeat", "tile"), moves.tiled),
    (("__getitem__",), moves.indexed),
    (("__setitem__",), moves.assigned),
    (("channel_shuffle",), moves.channels_shuffled),
    (("one_hot", "embedding"), lambda op, axis, value, out: axis),
)
