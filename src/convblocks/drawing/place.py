"""The places of boxes: rows by the longest way, the main path by MACs, lanes beside it for the branches."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from convblocks.records.outline import Line


@dataclass
class Node:
    """A box before it is drawn."""

    text: str
    before: list[int]  # boxes whose output it takes
    key: list[Hashable] = field(default_factory=list)  # equal for boxes that do the same
    macs: int = 0
    detail: list[str] = field(default_factory=list)
    value: int = -1  # the number of what it puts out
    row: int = 0
    lane: int = -1


def place(nodes: list[Node]) -> list[Line]:
    """Gives each node its row and lane, and returns the lines between them."""
    before = _main_path(nodes)
    # lane, rows from and to, and the box that the line starts from; ~i of box i itself
    taken: list[tuple[int, int, int, int]] = []

    def fits(lane: int, first: int, end: int, but: int) -> bool:
        return all(lane != k or s == but or end <= a or first >= b for k, a, b, s in taken)

    def free(first: int, end: int, source: int) -> int:
        return next(lane for lane in range(1, len(nodes) + 1) if fits(lane, first, end, source))

    readers = _readers(nodes)
    for i, node in enumerate(nodes):
        if node.lane < 0:
            first = min((nodes[j].row for j in node.before), default=0)
            end = max((nodes[j].row for j in readers[i]), default=node.row)
            following = [j for j in node.before if nodes[j].lane > 0 and readers[j] == [i]]
            beside = [nodes[j].lane for j in following if fits(nodes[j].lane, first, end, ~j)]
            node.lane = beside[0] if beside else free(first, end, ~i)
            taken.append((node.lane, first, end, ~i))
    lines = []
    for i, node in enumerate(nodes):
        for j in node.before:
            start = nodes[j]
            lane = max(node.lane, start.lane)
            skips = lane == 0 and before[i] != j
            if skips or (lane and node.lane and start.lane not in (0, node.lane)):
                lane = free(start.row, node.row, j)
                taken.append((lane, start.row, node.row, j))
            lines.append(Line(j, i, lane))
    return lines


def _main_path(nodes: list[Node]) -> list[int]:
    """Sets rows, and lane 0 along the way of the most MACs; returns what each node follows on its own such way."""
    best: list[tuple[int, int, int]] = []  # MACs and rows up to the node, and what it follows
    for node in nodes:
        node.row = max((nodes[i].row + 1 for i in node.before), default=0)
        macs, rows, source = max(((*best[i][:2], i) for i in node.before), default=(0, 0, -1))
        best.append((macs + node.macs, rows + 1, source))
    at = len(nodes) - 1
    while at >= 0:
        nodes[at].lane = 0
        at = best[at][2]
    return [source for _, _, source in best]


def _readers(nodes: list[Node]) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in nodes]
    for i, node in enumerate(nodes):
        for source in node.before:
            readers[source].append(i)
    return readers
