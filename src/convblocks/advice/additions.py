"""CB202: additions and concatenations whose sides do not fit, at this input size or at the next ones."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from convblocks.advice.kernel_fit import WINDOWED, reach
from convblocks.advice.view import RESAMPLED, WEIGHTED, View, Violation, depending, named
from convblocks.analysis.fields.receptive_field import input_layout, spatial_size
from convblocks.analysis.ops import ADDITIONS, CONVOLUTIONS, NORMS, POINTWISE, windows
from convblocks.analysis.ops import JOINS as LAID_TOGETHER
from convblocks.analysis.trace import Failed, OpCall, Value
from convblocks.analysis.trace.failure import gets_past
from convblocks.analysis.trace.fitting import depths, multiple_that_fits, projection
from convblocks.text import listed, times

JOINS = ADDITIONS | LAID_TOGETHER
LARGER = (1, 2, 3)  # odd and even sizes, and a remainder of 3


def unfit_additions(view: View) -> Iterator[Violation]:
    """Finds additions that fail, that fail at an input a few positions larger, or that add what lies elsewhere."""
    if view.failed:
        yield from _broken(view, view.failed)
        return
    yield from _broken_when_larger(view)
    resampled = _resampled(view)
    for op in view.trace.ops:
        if op.name in ADDITIONS and len(op.inputs) == 2:
            yield from _stretched(view, op)
            yield from _spread_channel(view, op)
            if resampled.isdisjoint(value.number for value in op.inputs):
                yield from _misaligned(view, op)


def joined(failed: Failed) -> tuple[Value, ...]:
    """Returns the maps that a forward failed to join, since their sizes differ; none if it failed at something else.

    Maps that are concatenated may differ in their channels.
    """
    dependent = depending(failed.trace)
    maps = tuple(v for v in failed.trace.outputs if v.number in dependent and len(v.shape) > 1)
    name = failed.running[0] if failed.running else ""
    first = 1 if name in ADDITIONS else 2
    sizes = {value.shape[first:] for value in maps}
    alike = len({len(value.shape) for value in maps}) == 1
    return maps if name in JOINS and alike and len(sizes) > 1 else ()


def _broken(view: View, failed: Failed) -> Iterator[Violation]:
    if not (maps := joined(failed)):
        return
    first = 1 if len({value.shape[1] for value in maps}) > 1 and _verb(failed) == "the addition" else 2
    makers = failed.trace.makers
    paths = [list(_windows_before(value, makers)) for value in maps]
    sides = listed(_side(value, path, first) for value, path in zip(maps, paths, strict=True))
    off: dict[str, list[str]] = {}
    for op in [op for path in paths for op in reversed(path)]:
        if fit := _fitting(op):
            off.setdefault(fit, []).append(named(op.path))
    fixes = [f"padding={fit} in {listed(dict.fromkeys(places), most=3)}" for fit, places in off.items()]
    if first == 1 or (not fixes and _verb(failed) == "the addition"):
        fixes = [*([_projection(maps, failed)] if len(maps) == 2 else []), *fixes]
    if not any(fixes):
        fixes = [multiple_that_fits(view.input_sizes, partial(gets_past, failed, view.attempt))]
    fixes = [fix for fix in fixes if fix]
    yield Violation(
        place=failed.path,
        message=f"{_verb(failed)} fails: {sides}",
        fix=", ".join(fixes) if fixes else "stride, pad and pool alike on both sides",
        figures={f"side_{i}": times(value.shape[first:]) for i, value in enumerate(maps, 1)},
        severity="error",
    )


def _projection(maps: Sequence[Value], failed: Failed) -> str:
    """Returns the layer that turns the side with fewer layers, which is the shortcut, into the shape of the other."""
    passed = depths(failed.trace)
    short, long = (value.shape for value in sorted(maps, key=lambda value: passed.get(value.number, 0)))
    layer = projection(short, long)
    return f"{layer} on the shortcut" if layer else ""


def _verb(failed: Failed) -> str:
    name = failed.running[0] if failed.running else ""
    return "the addition" if name in ADDITIONS else "the concatenation"


def _windows_before(value: Value, makers: Mapping[int, OpCall]) -> Iterator[OpCall]:
    """Yields convolutions and pools on the way back to the last addition or the input, the last one first."""
    op = makers.get(value.number)
    while op is not None and op.name not in JOINS:
        if op.name in WINDOWED:
            yield op
        op = makers.get(op.inputs[0].number) if op.inputs else None


def _side(value: Value, path: Sequence[OpCall], first: int = 2) -> str:
    """Describes a map by its sizes, from the axis `first` on: 1 is that of the channels."""
    where = f"behind {named(path[0].path, path[0].name)}" if path else "of what came in"
    return f"a map of {times(value.shape[first:])} {where}"


def _fitting(op: OpCall) -> str:
    """Returns the padding that a convolution should have; empty if it has it."""
    if op.name not in CONVOLUTIONS:
        return ""
    fits = [(reach(w) - 1) // 2 for w in windows(op)]
    if all(w.padding == fit or reach(w) % 2 == 0 for w, fit in zip(windows(op), fits, strict=True)):
        return ""
    return str(fits[0]) if len(set(fits)) == 1 else str(tuple(fits))


def _broken_when_larger(view: View) -> Iterator[Violation]:
    if not any(op.name in JOINS and len(view.maps(op)) > 1 for op in view.trace.ops):
        return
    failed_at: dict[str, list[tuple[str, Failed]]] = {}
    along = [i for i, name in enumerate(input_layout(view.trace).names) if name != "channels"]
    for more in LARGER:
        sizes = [
            tuple([n + more if i in along else n for i, n in enumerate(view.input_sizes[0])]),
            *((size[0], *(n + more for n in size[1:])) for size in view.input_sizes[1:]),
        ]
        failed = view.attempt(sizes)
        if isinstance(failed, Failed) and joined(failed):
            failed_at.setdefault(failed.path, []).append((listed(map(times, sizes)), failed))
    for path, failures in failed_at.items():
        size, failed = failures[0]
        maps = joined(failed)
        makers = failed.trace.makers
        sides = listed(_side(value, list(_windows_before(value, makers))) for value in maps)
        yield Violation(
            place=path,
            message=f"{_verb(failed)} fails at an input of {', '.join(s for s, _ in failures)}: {sides} at {size}",
            fix="round alike on both sides (ceil_mode=True in a pool; a strided 1×1 convolution rounds up), or resize "
            f"one to the other{_multiples(view)}",
            figures={"sizes": ", ".join(size for size, _ in failures)}
            | {f"side_{i}": times(value.shape[2:]) for i, value in enumerate(maps, 1)},
        )


def _multiples(view: View) -> str:
    """Names the sizes that are safe, as far as the given size and the strides show."""
    steps = [axis[0] for field in view.fields.values() for axis in field if isinstance(axis, tuple)]
    largest = max((step for step in steps if isinstance(step, int)), default=1)
    fits = all(n % largest == 0 for n in spatial_size(view.trace))
    return f"; or give sizes that are multiples of {largest}" if largest > 1 and fits else ""


def _stretched(view: View, op: OpCall) -> Iterator[Violation]:
    """Finds a map of one position that is added to all of another, though it has not seen the whole image."""
    a, b = (value.shape[2:] for value in op.inputs)
    if len(a) != len(b) or a == b or any(use.name == "softmax" for use in view.uses(op.outputs[0])):
        return  # a mask on the scores of attention is meant to be stretched
    small, large = sorted(op.inputs, key=lambda value: value.elements)
    size = spatial_size(view.trace)
    for axis, n, field in zip(range(len(a)), size, view.field(small), strict=False):
        if (
            small.shape[2 + axis] == 1 < large.shape[2 + axis]
            and isinstance(field, tuple)
            and field[2] - field[1] + 1 < n
        ):
            yield Violation(
                place=op.path,
                message=f"a map of {times(small.shape[2:])} is added to one of {times(large.shape[2:])} by "
                f"broadcasting, though it sees only {field[2] - field[1] + 1} of {n} positions of the input",
                fix="stride and pad alike on both sides",
                figures={"side_1": times(a), "side_2": times(b)},
            )
            return


def _spread_channel(view: View, op: OpCall) -> Iterator[Violation]:
    """Finds a shortcut of one channel that is added to each of many, where a projection was forgotten.

    A mask or bias of one channel on attention's scores is meant, and so is what a layer made to be of one channel.
    """
    a, b = op.inputs
    if (
        len(a.shape) != len(b.shape)
        or len(a.shape) < 2
        or not all(v.number in view.depending for v in (a, b))
    ):
        return
    one, many = sorted((a, b), key=lambda value: value.shape[1])
    if one.shape[1] != 1 or many.shape[1] == 1 or one.shape[2:] != many.shape[2:]:
        return
    if _layer_behind(view, many) and not _layer_behind(view, one):
        change = projection(one.shape, many.shape)
        yield Violation(
            place=op.path,
            message=f"a map of 1 channel is added to each of {many.shape[1]} by broadcasting: the shortcut has no "
            "projection",
            fix=f"{change} on the shortcut",
            figures={"channels_1": a.shape[1], "channels_2": b.shape[1]},
        )


def _layer_behind(view: View, value: Value) -> OpCall | None:
    """Returns the convolution or linear layer that a map comes from, past norms and activations."""
    maker = view.maker(value)
    while maker is not None and maker.name in POINTWISE | NORMS and maker.name not in ADDITIONS:
        maker = view.maker(maker.inputs[0])
    return maker if maker is not None and maker.name in WEIGHTED else None


def _misaligned(view: View, op: OpCall) -> Iterator[Violation]:
    """Finds sides whose centres of view lie more than half a position of this map apart.

    Unless both see up to the same place, and one looks farther back: so do causal branches, padded at the front or
    cut at the end, and shortcuts cropped to the last positions of an unpadded one (van den Oord et al. 2016,
    arXiv:1609.03499).
    """
    a, b = op.inputs
    if a.shape[2:] != b.shape[2:]:
        return  # one is stretched over all places
    for one, other in zip(view.field(a), view.field(b), strict=True):
        if isinstance(one, tuple) and isinstance(other, tuple) and one[0] == other[0] != 0:
            if one[2] == other[2]:
                continue
            apart = abs(float(one[1] + one[2] - other[1] - other[2])) / 2
            step = float(one[0])
            if apart > abs(step) / 2:
                yield Violation(
                    place=op.path,
                    message=f"the two sides of the addition see places {apart:g} input positions apart (one sees "
                    f"{one[0]}·i + {one[1]} … {one[2]}, the other {other[0]}·i + {other[1]} … {other[2]}), at {one[0]} "
                    "input positions a step",
                    fix="pad the branch alike at both ends, and crop a shortcut at both ends",
                    figures={"apart": apart, "step": step},
                )
                return


def _resampled(view: View) -> set[int]:
    """Returns values behind up-sampling, whose positions lie beside the centre of what they see in any case."""
    resampled: set[int] = set()
    for op in view.trace.ops:
        if op.name in RESAMPLED or any(value.number in resampled for value in op.inputs):
            resampled.update(value.number for value in op.outputs)
    return resampled
