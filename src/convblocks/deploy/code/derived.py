"""Constructor parameters that follow from others, and the tests that tell if a part is there."""

from collections.abc import Mapping
from typing import Any

from convblocks.deploy.code.definitions import identifier
from convblocks.deploy.code.variables import ABSENT, Parameters, Variable

NAMED_ENDS = ("in_channels", "out_channels", "channels", "in_features", "out_features")


def derive(parameters: Parameters) -> None:
    """Expresses widths and paddings by others, in place: ``out_channels // 4``, ``kernel_size // 2``."""
    by_name = {v.name: v.values for v in parameters.variables}
    for v in parameters.variables:
        argument = v.paths[0][-1]
        if (ABSENT in v.values and argument != "stride") or v.name in NAMED_ENDS:
            continue
        if argument == "padding":
            v.derived = _padding(v.values, by_name)
        elif argument == "kernel_size" and v.values == by_name.get("stride") and "padding" not in by_name:
            # windows side by side
            v.derived = "stride"
        elif argument == "stride" and v.name != "stride":
            v.derived = _for_all_axes("stride", v.values, by_name)
        elif v.is_width and argument not in ("groups", "num_groups"):
            v.derived = _multiple(v.values, by_name)
            if v.derived and len(v.paths) > 2:
                parameters.lines.append(f"{v.name} = {v.derived}")
                v.derived = v.name
    _derive_sums(parameters, by_name)


def _derive_sums(parameters: Parameters, by_name: Mapping[str, list[Any]]) -> None:
    """Expresses widths that grow by hidden_channels, which then needs its name."""
    step = next((v for v in parameters.variables if v.name == "hidden_channels"), None)
    for v in parameters.variables:
        free = not v.derived and v.name.endswith(("hidden_channels", *"23456789")) and v is not step
        if step and free and v.is_width and ABSENT not in v.values and (total := _sum(v.values, by_name)):
            v.derived = total
            if step.derived and step.derived != step.name:
                parameters.lines.insert(0, f"{step.name} = {step.derived}")
                step.derived = step.name


def _padding(values: list[Any], by_name: Mapping[str, list[Any]]) -> str:
    kernels, spacings = by_name.get("kernel_size"), by_name.get("dilation")
    if spacings == values:
        return "dilation"
    if kernels and all(type(k) is int for k in kernels) and values == [k // 2 for k in kernels]:
        return "kernel_size // 2"
    return ""


def _for_all_axes(name: str, values: list[Any], by_name: Mapping[str, list[Any]]) -> str:
    """Returns ``(stride, stride)`` for tuples that repeat a number, else nothing."""
    axes = next(len(v) for v in values if v is not ABSENT) if ABSENT not in by_name.get(name, [ABSENT]) else 0
    if all(v is ABSENT or v == (n,) * axes for v, n in zip(values, by_name.get(name, ()), strict=False)):
        return f"({', '.join([name] * axes)})" if axes > 1 else ""
    return ""


def _multiple(values: list[Any], by_name: Mapping[str, list[Any]]) -> str:
    for name in ("out_channels", "in_channels", "channels"):
        bases = by_name.get(name)
        if not bases or ABSENT in bases or not all(type(v) is int and v > 0 for v in (*values, *bases)):
            continue
        if (k := bases[0] // values[0]) > 1 and values == [n // k for n in bases]:
            return f"{name} // {k}"
        if (k := values[0] // bases[0]) > 1 and values == [n * k for n in bases]:
            return f"{k} * {name}"
    return ""


def _sum(values: list[Any], by_name: Mapping[str, list[Any]]) -> str:
    """Returns the sum of the input's width and some steps, as in a dense block, else nothing."""
    start, step = by_name.get("in_channels"), by_name.get("hidden_channels")
    if not start or not step or ABSENT in (*start, *step) or (k := (values[0] - start[0]) // step[0]) < 1:
        return ""
    grown = [a + k * b for a, b in zip(start, step, strict=True)]
    return f"in_channels + {f'{k} * ' if k > 1 else ''}hidden_channels" if values == grown else ""


def condition(parameters: Parameters, part: str, present: list[bool]) -> str:
    """Returns the test for `part` to be there: by the shape if that tells it, else by a parameter of its own.

    Args:
        parameters: gets the parameter, where one is needed.
        part: a name of a module, parameter or buffer.
        present: true for each instance that has the part.
    """
    by_name = {v.name: v.values for v in parameters.variables}
    changes = [f"{a} != {b}" for a, b in (("in_channels", "out_channels"),) if a in by_name and b in by_name]
    strides = ["stride != 1"] if "stride" in by_name and ABSENT not in by_name["stride"] else []
    for tests in ([*strides, *changes], changes, strides):
        holds = [
            any(by_name[t.split()[0]][i] != (1 if t[-1] == "1" else by_name[t.split()[2]][i]) for t in tests)
            for i in range(len(present))
        ]
        if tests and holds == present:
            return " or ".join(tests)
    for v in parameters.variables:
        if not v.derived and [value is not ABSENT for value in v.values] == present:
            return f"{v.name} is not None"
    usual = 2 * sum(present) >= len(present)
    name, taken = identifier(part), {v.name for v in parameters.variables}
    while name in taken:
        name += "_"
    parameters.variables.append(Variable(list(present), [], name, default=usual))
    return name
