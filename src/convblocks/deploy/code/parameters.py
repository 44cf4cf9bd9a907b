"""In what the instances of a class differ, and the constructor parameters that say it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from convblocks.deploy.code.definitions import identifier
from convblocks.deploy.code.node import Node, Path, source

ATTRIBUTE = (
    "attribute "  # before the name of a part that is a plain attribute; no attribute has a space in it
)
ABSENT = object()  # the value of an argument where the instance has no such part
INPUTS = ("in_channels", "in_features", "num_features", "num_channels", "normalized_shape", "channels")
OUTPUTS = ("out_channels", "out_features")
WIDTHS = (*INPUTS, *OUTPUTS, "groups", "num_groups", "hidden_channels")
OPEN = (*INPUTS, *OUTPUTS, "hidden_channels")  # what people never write into a class as a number


@dataclass
class Variable:
    """A value that several arguments share in every instance."""

    values: list[Any]
    paths: list[Path]
    name: str = ""
    derived: str = ""  # from other variables, if it can be
    default: Any = ...

    def agrees(self, values: Sequence[Any]) -> bool:
        return all(a is ABSENT or b is ABSENT or same(a, b) for a, b in zip(self.values, values, strict=True))

    def take(self, path: Path, values: Sequence[Any]) -> None:
        self.paths.append(path)
        self.values = [b if a is ABSENT else a for a, b in zip(self.values, values, strict=True)]

    @property
    def is_width(self) -> bool:
        return self.paths[0][-1] in WIDTHS or self.paths[0][-1].startswith("size_")


@dataclass
class Parameters:
    """A constructor's signature, and the expressions that stand for the arguments of its parts."""

    variables: list[Variable] = field(default_factory=list)
    symbols: dict[Path, str] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)  # by part: when it is there
    lines: list[str] = field(default_factory=list)  # before the parts are made

    @property
    def signature(self) -> list[Variable]:
        own = [v for v in self.variables if not v.derived]
        return sorted(own, key=lambda v: v.default is not ...)

    def arguments(self, i: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """What instance `i` is made with, and the defaults."""
        values = {v.name: None if v.values[i] is ABSENT else v.values[i] for v in self.signature}
        return values, {v.name: v.default for v in self.signature if v.default is not ...}


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def parameters(parts: Sequence[Mapping[str, Node | None]], taken: Iterable[str], opened: bool) -> Parameters:
    """parts: of each instance, by name; None where it has none. opened: widths are parameters even if all agree."""
    slots = _slots(parts)
    variables = _variables(slots, opened)
    found = Parameters(variables)
    _fill_absent(slots, variables)
    _name_widths(slots, variables, opened)
    names = set(taken) | {v.name for v in variables if v.name}
    for variable in variables:
        if not variable.name:
            argument, part = variable.paths[0][-1], variable.paths[0][0]
            if variable.is_width and not argument.endswith("groups"):
                argument = "hidden_channels"
            longer = identifier(f"{part}_{argument}".removeprefix(ATTRIBUTE))
            options = (argument, longer, *(f"{longer}_{i}" for i in range(2, 999)))
            variable.name = next(name for name in options if name not in names)
            names.add(variable.name)
        variable.default = _default(variable, parts)
    _derive(found)
    for name in parts[0]:
        present = [part[name] is not None for part in parts]
        if not all(present):
            found.conditions[name] = _condition(found, name, present)
    for v in variables:
        found.symbols.update(dict.fromkeys(v.paths, v.derived or v.name))
    return found


def _slots(parts: Sequence[Mapping[str, Node | None]]) -> dict[Path, list[Any]]:
    slots: dict[Path, list[Any]] = {}
    for i, instance in enumerate(parts):
        for name, node in instance.items():
            for path, value in node.literals((name,)) if node else ():
                slots.setdefault(path, [ABSENT] * len(parts))[i] = value
    order = {name: i for i, name in enumerate(parts[0])}
    return dict(sorted(slots.items(), key=lambda slot: order[slot[0][0]]))


def _variables(slots: Mapping[Path, list[Any]], opened: bool) -> list[Variable]:
    """One for each group of arguments that always agree; those that every instance has come first."""
    variables: list[Variable] = []
    for path, values in sorted(slots.items(), key=lambda slot: ABSENT in slot[1]):
        there = [v for v in values if v is not ABSENT]
        one = Variable(list(values), [path])
        equal, partial = all(same(v, there[0]) for v in there), ABSENT in values
        depthwise = path[-1] == "groups" and there[0] > 1 and values == slots.get((*path[:-1], "in_channels"))
        width = opened and (path[-1] in OPEN or depthwise) and type(there[0]) is int
        if equal and not (
            width or partial or (isinstance(there[0], float) and path[0] == ATTRIBUTE + path[-1])
        ):
            continue
        like = (
            v
            for v in variables
            if v.agrees(values) and ((v.is_width and one.is_width) or v.paths[0][-1] == path[-1])
        )
        if (first := next(like, None)) is not None:
            first.take(path, values)
        elif not equal or not partial or width:
            variables.append(one)
    return variables


def _fill_absent(slots: Iterable[Path], variables: Sequence[Variable]) -> None:
    """What a part would be made with where there is none: no stride; if it is the first, the next one's input."""
    of = {path: v for v in variables for path in v.paths}
    inputs = [of[path] for path in slots if path in of and path[-1] in INPUTS]
    whole = next((v for v in inputs if ABSENT not in v.values), None)
    for v in variables:
        if v.paths[0][-1] == "stride" and all(x is ABSENT or type(x) is int for x in v.values):
            v.values = [1 if x is ABSENT else x for x in v.values]
    if whole and inputs[0] is not whole:
        inputs[0].values = [
            b if a is ABSENT else a for a, b in zip(inputs[0].values, whole.values, strict=True)
        ]


def _name_widths(slots: Iterable[Path], variables: list[Variable], opened: bool) -> None:
    """in_channels for what the first part takes, out_channels for what the last one gives."""
    of = {path: v for v in variables for path in v.paths}
    order = {path: of[path] for path in slots if path in of}
    first = next((v for path, v in order.items() if path[-1] in INPUTS), None)
    last = next((v for path, v in reversed(order.items()) if path[-1] in OUTPUTS), None)
    if opened and not first and not last:  # a number for each channel
        first = next((v for v in variables if v.paths[0][-1].startswith("size_")), None)
    if first and (last is first or (last is None and opened)):
        first.name = "channels"
        return
    if first:
        first.name = "in_features" if all(p[-1] == "in_features" for p in first.paths) else "in_channels"
    if last:
        last.name = "out_features" if all(p[-1] == "out_features" for p in last.paths) else "out_channels"
    if first and last:  # in the order that everybody writes
        for v in (last, first):
            variables.remove(v)
            variables.insert(0, v)


def _default(variable: Variable, parts: Sequence[Mapping[str, Node | None]]) -> Any:
    if ABSENT in variable.values:
        return None
    if variable.is_width and variable.paths[0][-1] != "groups":
        return ...
    path = variable.paths[0]
    node = next(part[path[0]] for part in parts if part[path[0]] is not None)
    assert node is not None
    usual = node.default(path[1:]) if len(path) > 1 else ...
    if usual is not ... and any(same(usual, v) for v in variable.values):
        return usual
    value, times = Counter(variable.values).most_common(1)[0]
    return value if 2 * times >= len(variable.values) else ...


def _derive(found: Parameters) -> None:
    """Widths and paddings that follow from others: ``out_channels // 4``, ``kernel_size // 2``."""
    known = {v.name: v.values for v in found.variables}
    for v in found.variables:
        argument = v.paths[0][-1]
        if (ABSENT in v.values and argument != "stride") or v.name in (
            "in_channels",
            "out_channels",
            "channels",
            "in_features",
            "out_features",
        ):
            continue
        if argument == "padding":
            v.derived = _padding(v.values, known)
        elif argument == "kernel_size" and v.values == known.get("stride") and "padding" not in known:
            v.derived = "stride"  # windows side by side
        elif argument == "stride" and v.name != "stride":
            v.derived = _for_all_axes("stride", v.values, known)
        elif v.is_width and argument not in ("groups", "num_groups"):
            v.derived = _multiple(v.values, known)
            if v.derived and len(v.paths) > 2:
                found.lines.append(f"{v.name} = {v.derived}")
                v.derived = v.name
    _derive_sums(found, known)


def _derive_sums(found: Parameters, known: Mapping[str, list[Any]]) -> None:
    """Widths that grow by hidden_channels, which then needs its name."""
    step = next((v for v in found.variables if v.name == "hidden_channels"), None)
    for v in found.variables:
        free = not v.derived and v.name.endswith(("hidden_channels", *"23456789")) and v is not step
        if step and free and v.is_width and ABSENT not in v.values and (total := _sum(v.values, known)):
            v.derived = total
            if step.derived and step.derived != step.name:
                found.lines.insert(0, f"{step.name} = {step.derived}")
                step.derived = step.name


def _padding(values: list[Any], known: Mapping[str, list[Any]]) -> str:
    kernels, spacings = known.get("kernel_size"), known.get("dilation")
    if spacings == values:
        return "dilation"
    if kernels and all(type(k) is int for k in kernels) and values == [k // 2 for k in kernels]:
        return "kernel_size // 2"
    return ""


def _for_all_axes(name: str, values: list[Any], known: Mapping[str, list[Any]]) -> str:
    """``(stride, stride)`` for tuples that repeat what is a number elsewhere."""
    axes = next(len(v) for v in values if v is not ABSENT) if ABSENT not in known.get(name, [ABSENT]) else 0
    if all(v is ABSENT or v == (n,) * axes for v, n in zip(values, known.get(name, ()), strict=False)):
        return f"({', '.join([name] * axes)})" if axes > 1 else ""
    return ""


def _multiple(values: list[Any], known: Mapping[str, list[Any]]) -> str:
    for name in ("out_channels", "in_channels", "channels"):
        of = known.get(name)
        if not of or ABSENT in of or not all(type(v) is int and v > 0 for v in (*values, *of)):
            continue
        if (k := of[0] // values[0]) > 1 and values == [n // k for n in of]:
            return f"{name} // {k}"
        if (k := values[0] // of[0]) > 1 and values == [n * k for n in of]:
            return f"{k} * {name}"
    return ""


def _sum(values: list[Any], known: Mapping[str, list[Any]]) -> str:
    """What grows by the same step from the input on, as in a dense block."""
    start, step = known.get("in_channels"), known.get("hidden_channels")
    if not start or not step or ABSENT in (*start, *step) or (k := (values[0] - start[0]) // step[0]) < 1:
        return ""
    grown = [a + k * b for a, b in zip(start, step, strict=True)]
    return f"in_channels + {f'{k} * ' if k > 1 else ''}hidden_channels" if values == grown else ""


def _condition(found: Parameters, part: str, present: list[bool]) -> str:
    """When the part is there: by the shape if that tells it, else by a parameter."""
    known = {v.name: v.values for v in found.variables}
    changes = [f"{a} != {b}" for a, b in (("in_channels", "out_channels"),) if a in known and b in known]
    strides = ["stride != 1"] if "stride" in known and ABSENT not in known["stride"] else []
    for tests in ([*strides, *changes], changes, strides):
        said = [
            any(known[t.split()[0]][i] != (1 if t[-1] == "1" else known[t.split()[2]][i]) for t in tests)
            for i in range(len(present))
        ]
        if tests and said == present:
            return " or ".join(tests)
    for v in found.variables:
        if not v.derived and [value is not ABSENT for value in v.values] == present:
            return f"{v.name} is not None"
    usual = 2 * sum(present) >= len(present)
    name, taken = identifier(part), {v.name for v in found.variables}
    while name in taken:
        name += "_"
    found.variables.append(Variable(list(present), [], name, default=usual))
    return name


def annotation(variable: Variable) -> str:
    """``int``, ``float | None``, ``int | tuple[int, int]``."""
    kinds = []
    for value in [*variable.values, *([] if variable.default is ... else [variable.default])]:
        if value is ABSENT or value is None:
            continue
        inner = type(value[0]).__name__ if isinstance(value, tuple | list) and value else "int"
        plural = f"tuple[{', '.join([inner] * len(value))}]" if isinstance(value, tuple) else f"list[{inner}]"
        kinds.append(plural if isinstance(value, tuple | list) else type(value).__name__)
    text = " | ".join(dict.fromkeys(kinds)) or "None"
    nothing = ABSENT in variable.values or None in variable.values
    return f"{text} | None" if nothing and text != "None" else text


def declared(variable: Variable) -> str:
    """``stride: int = 1``."""
    default = "" if variable.default is ... else f" = {source(variable.default)}"
    return f"{variable.name}: {annotation(variable)}{default}"
