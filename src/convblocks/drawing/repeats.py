"""Pieces of a chain of boxes that follow each other unchanged, so that one can be drawn for all.

A piece has one way in and one way out. It repeats if the next one has the same boxes, joined in the same way, and
takes what it puts out and nothing else of it: then the drawing of one, and how often it comes, says everything.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

LONGEST = 64  # boxes of a piece; longer ones are drawn each time


class Group(NamedTuple):
    """Boxes `start` to `start + size * times`, the same `size` of them again and again."""

    start: int
    size: int
    times: int


def repeats(keys: Sequence[Hashable], before: Sequence[Sequence[int]]) -> list[Group]:
    """Returns the groups that leave the fewest boxes to draw, in order; none of them overlap.

    keys: equal for boxes that do the same; before: of each box, those whose output it takes, which come before it.
    """
    count = len(keys)
    last_reader = [-1] * count
    for reader, sources in enumerate(before):
        for source in sources:
            last_reader[source] = reader
    left = [0] * (count + 1)  # boxes to draw from here to the end
    chosen: list[Group | None] = [None] * count
    best: dict[
        tuple[int, int], tuple[int, int]
    ] = {}  # where to end a group: boxes left to draw, and minus the end
    ends: dict[tuple[int, int], int] = {}  # of the longest group
    for start in reversed(range(count)):
        left[start] = 1 + left[start + 1]
        within: list[int] = []
        for size in range(1, min(LONGEST, (count - start) // 2) + 1):
            if any(size % part == 0 and ends[start, part] >= start + 2 * size for part in within):
                continue  # itself made of pieces that repeat, of which fewer boxes need be drawn
            if not _again(keys, before, last_reader, start, size):
                continue
            within.append(size)
            ends[start, size] = ends.get((start + size, size), start + 2 * size)
            once, twice = start + size, start + 2 * size
            rest, end = min((left[twice], -twice), best.get((once, size), (count, 0)))
            best[start, size] = rest, end
            if size + rest < left[start] or (size + rest == left[start] and chosen[start] is None):
                left[start], chosen[start] = size + rest, Group(start, size, (-end - start) // size)
    groups, at = [], 0
    while at < count:
        group = chosen[at]
        if group is not None:
            groups.append(group)
        at += group.size * group.times if group else 1
    return groups


def _again(
    keys: Sequence[Hashable],
    before: Sequence[Sequence[int]],
    last_reader: Sequence[int],
    start: int,
    size: int,
) -> bool:
    """Returns whether the piece of that size repeats at once."""
    after, end = start + size, start + 2 * size
    if keys[start] != keys[after] or keys[after - 1] != keys[end - 1] or last_reader[after - 1] >= end:
        return False
    ways_in = set()
    for box in range(start, after):
        if box < after - 1 and (last_reader[box] >= after or last_reader[box + size] >= end):
            return False
        inside = [source - start if source >= start else None for source in before[box]]
        again = [source - after if source >= after else None for source in before[box + size]]
        if keys[box] != keys[box + size] or inside != again:
            return False
        ways_in |= {source for source in before[box] if source < start}
        if any(source < after - 1 for source in before[box + size] if source < after):
            return False
    return len(ways_in) == 1
