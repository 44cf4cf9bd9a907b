"""Checks of options, shared by layers and blocks: every refusal says what was given and what works."""

from collections.abc import Iterable, Mapping, Sequence
from math import gcd

from convblocks.errors import OptionError
from convblocks.text import listed

MOST_LAYERS = 10_000
"""The most layers of a block or a stem: a file of more is refused before it is built.

The deepest published network has 1,202.
"""

PerAxis = int | Sequence[int]
"""One number for all spatial axes, or one for each."""


def whole(option: str, value: object, *, at_least: int, at_most: int = 2**31 - 1, hint: str = "") -> int:
    """Returns `value` as an int in these bounds. Raises OptionError, which ends in `hint` for too small a value."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= at_least:
        if value > at_most:
            raise OptionError(option, value, f"expected a whole number of at most {at_most:,}")
        return value
    raise OptionError(option, value, f"expected a whole number of at least {at_least}{hint}")


def truth(option: str, value: object, *, or_none: bool = False) -> bool:
    """Returns `value`, if it is True or False, and no text or number that Python takes for either."""
    if isinstance(value, bool):
        return value
    raise OptionError(option, value, "expected True, False or None" if or_none else "expected True or False")


def per_axis(option: str, value: PerAxis, dims: int, *, at_least: int) -> tuple[int, ...]:
    """Returns `value` spread over `dims` spatial axes."""
    if isinstance(value, Sequence):
        if len(value) != dims:
            raise OptionError(option, value, f"expected one number, or {dims} of them for dims={dims}")
        return tuple(whole(option, v, at_least=at_least) for v in value)
    return (whole(option, value, at_least=at_least),) * dims


def odd_kernel(value: PerAxis, dims: int) -> tuple[int, ...]:
    """Returns the kernel size of each axis, odd so that the map can keep its size."""
    kernel = per_axis("kernel_size", value, dims, at_least=1)
    for k in kernel:
        if k % 2 == 0:
            raise OptionError(
                "kernel_size",
                value,
                f"an even kernel shifts the map by half a pixel; use an odd one, e.g. {k - 1} or {k + 1}",
            )
    return kernel


def dimensions(dims: object) -> int:
    """Returns `dims`, if it is 1 (signals), 2 (images) or 3 (volumes)."""
    if dims in (1, 2, 3) and not isinstance(dims, bool) and isinstance(dims, int):
        return dims
    raise OptionError("dims", dims, "expected 1 (signals), 2 (images) or 3 (volumes)")


def dividing_groups(groups: object, **channels: int) -> int:
    """Returns `groups`, if it divides every one of the named channel counts."""
    groups = whole("groups", groups, at_least=1)
    if any(count % groups for count in channels.values()):
        common = gcd(*channels.values())
        divisors = [d for d in range(1, common + 1) if common % d == 0]
        if len(divisors) > 8:
            # all divisors of a wide layer would fill a screen; depthwise, the last, matters most
            divisors = [*divisors[:7], divisors[-1]]
        named = listed(f"{name}={count}" for name, count in channels.items())
        raise OptionError("groups", groups, f"must divide {named}; use {listed(divisors, 'or')}")
    return groups


def one_of(option: str, value: object, table: Mapping[str, object] | Iterable[str]) -> str:
    """Returns `value`, if it is a key of `table`."""
    names = list(table)
    if isinstance(value, str) and value in names:
        return value
    raise OptionError(option, value, f"expected {listed(names, 'or')}")


def probability(option: str, value: object) -> float:
    """Returns `value` as a probability below 1."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
        return float(value)
    raise OptionError(option, value, "expected a probability from 0 up to, but not including, 1")
