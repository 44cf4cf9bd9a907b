"""The constructor parameters of a class, found as what its instances differ in."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from convblocks.deploy.code.definitions import identifier
from convblocks.deploy.code.derived import condition, derive
from convblocks.deploy.code.node import Node, Path
from convblocks.deploy.code.variables import (
    ABSENT,
    ATTRIBUTE,
    INPUTS,
    OPEN,
    OUTPUTS,
    Parameters,
    Variable,
    same,
)


def parameters(parts: Sequence[Mapping[str, Node | None]], taken: Iterable[str], opened: bool) -> Parameters:
    """Returns the signature of a constructor that makes every instance of a class.

    Args:
        parts: of each instance the calls that make its parts, by name; None where it has no such part.
        taken: names that no parameter may have.
        opened: widths are parameters even where all instances agree on them.
    """
    slots = _slots(parts)
    variables = _variables(slots, opened)
    _fill_absent(slots, variables)
    _name_widths(slots, variables, opened)
    _name_others(variables, taken)
    for variable in variables:
        variable.default = _default(variable, parts)
    signature = Parameters(variables)
    derive(signature)
    for name in parts[0]:
        present = [part[name] is not None for part in parts]
        if not all(present):
            signature.conditions[name] = condition(signature, name, present)
    for v in variables:
        signature.symbols.update(dict.fromkeys(v.paths, v.derived or v.name))
    return signature


def _name_others(variables: Sequence[Variable], taken: Iterable[str]) -> None:
    """Names what is not named yet by its argument, or by its part too where that name is taken."""
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


def _slots(parts: Sequence[Mapping[str, Node | None]]) -> dict[Path, list[Any]]:
    """Returns the literals of all instances by path, ABSENT where an instance lacks the part."""
    slots: dict[Path, list[Any]] = {}
    for i, instance in enumerate(parts):
        for name, node in instance.items():
            for path, value in node.literals((name,)) if node else ():
                slots.setdefault(path, [ABSENT] * len(parts))[i] = value
    order = {name: i for i, name in enumerate(parts[0])}
    return dict(sorted(slots.items(), key=lambda slot: order[slot[0][0]]))


def _variables(slots: Mapping[Path, list[Any]], opened: bool) -> list[Variable]:
    """Returns one for each group of arguments that always agree; those that every instance has come first."""
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
    """Gives missing parts their likely values: stride 1, and to a first part the input of the next."""
    by_path = {path: v for v in variables for path in v.paths}
    inputs = [by_path[path] for path in slots if path in by_path and path[-1] in INPUTS]
    whole = next((v for v in inputs if ABSENT not in v.values), None)
    for v in variables:
        if v.paths[0][-1] == "stride" and all(x is ABSENT or type(x) is int for x in v.values):
            v.values = [1 if x is ABSENT else x for x in v.values]
    if whole and inputs[0] is not whole:
        inputs[0].values = [
            b if a is ABSENT else a for a, b in zip(inputs[0].values, whole.values, strict=True)
        ]


def _name_widths(slots: Iterable[Path], variables: list[Variable], opened: bool) -> None:
    """Names the input of the first part in_channels, and the output of the last one out_channels."""
    by_path = {path: v for v in variables for path in v.paths}
    order = {path: by_path[path] for path in slots if path in by_path}
    first = next((v for path, v in order.items() if path[-1] in INPUTS), None)
    last = next((v for path, v in reversed(order.items()) if path[-1] in OUTPUTS), None)
    # parts with a number for each channel alone
    if opened and not first and not last:
        first = next((v for v in variables if v.paths[0][-1].startswith("size_")), None)
    if first and (last is first or (last is None and opened)):
        first.name = "channels"
        return
    if first:
        first.name = "in_features" if all(p[-1] == "in_features" for p in first.paths) else "in_channels"
    if last:
        last.name = "out_features" if all(p[-1] == "out_features" for p in last.paths) else "out_channels"
    # in the order that everybody writes
    if first and last:
        for v in (last, first):
            variables.remove(v)
            variables.insert(0, v)


def _default(variable: Variable, parts: Sequence[Mapping[str, Node | None]]) -> Any:
    """Returns None for an absent part, else PyTorch's default or the value of most instances, ``...`` for none."""
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
