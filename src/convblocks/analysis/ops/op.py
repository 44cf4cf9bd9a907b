"""One op of torch, one entry: its names, its arguments, and the rule for each figure that an analysis gives of it.

An `Op` stands for a torch function, by the names under which torch reports it, in-place and operator forms included.
A trace records each call of one as an `OpCall`, whose arguments a rule reads by name: ``call["padding"]``. A figure
for which an op has no rule is `UNKNOWN`, and reported by the op's name, never taken to be zero; None is the statement
that there is none.
"""

from ast import literal_eval, parse
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch.autograd.function import Function

    from convblocks.analysis.fields.axes import State
    from convblocks.analysis.memory.workspace import Workspace
    from convblocks.analysis.trace.fixes import Broken
    from convblocks.analysis.trace.graph import OpCall, Shape, Value

UNKNOWN: Final = "unknown"
"""In place of a rule: nobody knows, so the figure is not given and the op is named."""
Unknown = Literal["unknown"]
BY_NAME_ONLY = 10**6  # the position of an argument that has none

Kept = "Value | int"
"""What autograd keeps: a tensor of the trace, or the bytes of one that only autograd sees."""
Incoming = "list[tuple[int, Value, State]]"
"""The inputs of a call that depend on the network's input: the position, the value, and how it sees an axis."""
ShapeRule = Callable[..., "Shape | list[Shape] | None"]
"""(the function's own arguments) → the output's shape, a list for several; None where the formula does not apply."""
MacsRule = Callable[["OpCall"], int]
GradientRule = Callable[["OpCall", "Sequence[Value]", "Sequence[Value]"], tuple[int, int]]
"""(call, maps that learn, weights that learn) → MACs of the gradients of weights, and of maps."""
FieldRule = Callable[["OpCall", "list[tuple[int, Value, State]]", "Value"], "State"]
"""(call, incoming, an output) → how the output sees an axis of the network's input."""
SavedRule = Callable[["OpCall", Set[int]], "tuple[Value | int, ...] | None"]
"""(call, numbers of the values that need a gradient) → what autograd keeps; None: not known for this call."""
LabelRule = Callable[["OpCall"], str]
FixRule = Callable[["Broken"], str]
WindowRule = Callable[["OpCall", int], "Window"]
"""(call, number of a spatial axis) → the window along it."""
Names = Iterable[str]


class Window(NamedTuple):
    """The positions that one output reads along an axis; of a transposed convolution, those that one input reaches."""

    size: int
    stride: int
    padding: int
    dilation: int


class WorkspaceRule(NamedTuple):
    """Scratch bytes of a call, besides its inputs and outputs, forward and backward."""

    forward: "Callable[[Workspace, OpCall], int]"
    backward: "Callable[[Workspace, OpCall, Set[int]], int]"


@dataclass(frozen=True, kw_only=True, eq=False)
class Op:
    """All that is known of an op.

    Attributes:
        names: The names under which torch reports it.
        arguments: Its signature without annotations, e.g. ``input, weight, bias=None, stride=1``.
        shape: Formulas for the output's shape, by the functions that take the arguments as the formula does; None
            where the meta device tells it.
        macs: Multiply-accumulates; None where it multiplies no weight or map by another.
        field: How an output sees the input; None where it takes no values of its inputs.
        saved: What autograd keeps for backward.
        workspace: Scratch memory of its kernel.
        label: How a drawing names it.
        gradient_macs: MACs of the gradients, where they are not those of one product.
        factors: The inputs that are multiplied, where those are not all.
        window: The window along a spatial axis, of convolutions and pools.
        axes: How many spatial axes it has, of convolutions and pools.
        layer: Whether its outputs count as activations (Radosavovic et al. 2020, arXiv:2003.13678).
        pointwise: Whether every output depends on the same position of the inputs, and on nothing else.
        whole_map: Whether it mixes in statistics of the whole map.
        gate: Whether it multiplies, so that one input may be the gate of another.
        like: Whether it takes of a second tensor the shape or the type only.
        fresh: Whether it takes of its input the shape and the type only.
        keeps_values: Whether its output has the input's values.
        random: Whether two calls with one tensor differ.
        idle: Whether it does nothing in eval mode.
        norm: Whether it is a norm.
        over_batch: Whether it takes its statistics over the examples of a batch, in training.
        sign: The mathematical sign of an operation on two tensors.
        drawn: Whether it has a place in a drawing.
        stops_gradient: Whether its output needs no gradient.
        hands_on_gradient: Whether its backward pass gives on the gradient that it is given.
        joins: Whether it lays its inputs side by side.
        writes: Whether it writes on what it is given, besides what ``out=`` and in-place forms write on.
        in_place_names: Those of its names that write on the first argument, besides those that end in one ``_``.
        squeezes: Whether it takes axes of one position away.
        converts: Whether it may move its input to another device, which a trace does not do.
        reply: What a trace gives in place of the value that it returns.
        fix: What to change where it fails, from what it was given.
        shaped_by_values: Whether its output's shape depends on values.
        function: The torch.autograd.Function that it is, if it is one.
        checks_operands: Whether processors refuse operands of other channels or types, which meta does not.
    """

    names: tuple[str, ...]
    arguments: str
    shape: Mapping[Callable[..., Any], ShapeRule] | None
    macs: MacsRule | Unknown | None
    field: FieldRule | Unknown | None
    saved: SavedRule | Unknown
    workspace: WorkspaceRule | None
    label: LabelRule
    gradient_macs: GradientRule | None = None
    factors: slice | None = None
    window: WindowRule | None = None
    axes: int = 0
    layer: bool = False
    pointwise: bool = False
    whole_map: bool = False
    gate: bool = False
    like: bool = False
    fresh: bool = False
    keeps_values: bool = False
    random: bool = False
    idle: bool = False
    norm: bool = False
    over_batch: bool = False
    sign: str = ""
    drawn: bool = True
    stops_gradient: bool = False
    hands_on_gradient: bool = False
    joins: bool = False
    writes: Callable[[Sequence[Any], Mapping[str, Any]], bool] | None = None
    in_place_names: frozenset[str] = frozenset()
    shaped_by_values: bool = False
    squeezes: bool = False
    converts: bool = False
    reply: "Callable[[torch.Tensor], Any] | None" = None
    fix: FixRule | None = None
    checks_operands: bool = False
    function: "type[Function] | None" = None

    @cached_property
    def parameters(self) -> Mapping[str, tuple[int, Any]]:
        """Position and default of each argument, by name."""
        return signature(self.arguments)

    def in_place(self, name: str, kwargs: Mapping[str, Any]) -> bool:
        """Returns whether a call under one of its names writes on its first argument."""
        underscore = name[-1] == "_" and name[-2:] != "__"
        return underscore or name in self.in_place_names or kwargs.get("inplace") is True


OPS: dict[str, Op] = {}
"""The entry of each op, by each of its names; the modules of this package fill it."""
AS_FUNCTION: dict[str, Callable[..., tuple[str, tuple[Any, ...]]]] = {}
"""By ATen's name of an op, as a TorchScript has it: (its arguments) → name and arguments of the function of torch."""


def signature(arguments: str) -> Mapping[str, tuple[int, Any]]:
    """Returns position and default of each argument of a signature, by name."""
    given = parse(f"lambda {arguments}: 0", mode="eval").body.args  # type: ignore[attr-defined]
    placed = [a.arg for a in (*given.posonlyargs, *given.args)]
    defaults = [None] * (len(placed) - len(given.defaults)) + [literal_eval(d) for d in given.defaults]
    named = [(a.arg, d and literal_eval(d)) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    table = {name: (i, d) for i, (name, d) in enumerate(zip(placed, defaults, strict=True))}
    return table | {name: (BY_NAME_ONLY, default) for name, default in named}


def plain_name(call: "OpCall") -> str:
    """Returns the name of a function as text: without underscores, number of axes, and what else it returns."""
    name = call.name.strip("_").removesuffix("_with_indices")
    return (name[:-2] if name[-2:-1].isdigit() and name[-1:] == "d" else name).replace("_", " ")


WITHOUT_RULES: Final = Op(
    names=(), arguments="", shape=None, macs=UNKNOWN, field=UNKNOWN, saved=UNKNOWN, workspace=None, label=plain_name
)  # fmt: skip


def add(op: Op) -> Op:
    """Puts an entry into the table; each name may stand there once."""
    for name in op.names:
        assert name not in OPS, f"{name} has an entry already"
        OPS[name] = op
    return op


def find(name: str) -> Op:
    """Returns the entry of a name; an in-place form without one keeps for backward what its ordinary form keeps."""
    if name in OPS:
        return OPS[name]
    ordinary = OPS.get(name[:-1]) if name.endswith("_") and not name.endswith("__") else None
    return replace(WITHOUT_RULES, saved=ordinary.saved) if ordinary else WITHOUT_RULES


def forms(*names: str, operators: Names = (), sides: Names = ("", "r", "i")) -> tuple[str, ...]:
    """Returns names with their in-place forms, and Python's operators also from the right and in place."""
    return (
        *[f"{name}{mark}" for name in names for mark in ("", "_")],
        *[f"__{side}{operator}__" for operator in operators for side in sides],
    )
