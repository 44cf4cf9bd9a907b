"""Sizes and layers with which two maps fit each other."""

from collections.abc import Callable, Sequence

from convblocks.analysis.trace.graph import Shape, Trace
from convblocks.text import listed, times

Sizes = Sequence[tuple[int, ...]]
GetsPast = Callable[[Sizes], bool]
"""Whether the forward of inputs of these sizes comes past the place where it failed."""

MULTIPLES = (2, 3, 4, 6, 8, 9, 12, 16, 24, 27, 32, 48, 64, 128)


def depths(trace: Trace) -> dict[int, int]:
    """Returns, by number of a value, the most ops with a weight on a way to it."""
    depths_of: dict[int, int] = {}
    for op in trace.ops:
        weighted = any(value.number in trace.parameters for value in op.inputs)
        depth = weighted + max([depths_of.get(value.number, 0) for value in op.inputs], default=0)
        depths_of.update(dict.fromkeys([value.number for value in op.outputs], depth))
    return depths_of


def projection(given: Shape, wanted: Shape) -> str:
    """The 1×1 convolution that makes a map of one shape one of the other; empty where none does."""
    dims = len(given) - 2
    if dims == 0:
        return f"nn.Linear({given[1]}, {wanted[1]})"
    strides = [_stride(n, m) for n, m in zip(given[2:], wanted[2:], strict=True)]
    if dims > 3 or None in strides or given[1:] == wanted[1:]:
        return ""
    alike = strides[0] if len(set(strides)) == 1 else tuple(strides)
    stride = "" if alike == 1 else f", stride={alike}"
    return f"nn.Conv{dims}d({given[1]}, {wanted[1]}, 1{stride})"


def _stride(n: int, m: int) -> int | None:
    """With which a kernel of 1 takes n positions to m."""
    return next((s for s in range(1, n // max(m, 1) + 2) if (n - 1) // s + 1 == m), None)


def multiple_that_fits(sizes: Sizes, gets_past: GetsPast) -> str:
    """``give sizes that are multiples of 16, e.g. 3×112×112``, tried; empty where none of them gets past."""
    for multiple in MULTIPLES:
        tried = [
            [(s[0], *((-(-n // multiple) + more) * multiple for n in s[1:])) for s in sizes]
            for more in (0, 1, 2)
        ]
        if [tuple(s) for s in sizes] != tried[0] and all(map(gets_past, tried)):
            return f"give sizes that are multiples of {multiple}, e.g. {listed(map(times, tried[0]))}"
    return ""
