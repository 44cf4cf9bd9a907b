"""A forward that is only watched leaves its modules as they were: what it writes on them is undone.

Networks keep caches of positions, counters and masks as attributes; a forward on the meta device would leave meta
tensors there, which the next real one falls over.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from operator import is_
from typing import Any

from torch import nn

STANDARD = vars(nn.Module()).keys() - {"_buffers"}  # what every module has, and no forward writes
CONTAINERS = frozenset({dict, list, set, OrderedDict, defaultdict, deque})


@contextmanager
def restored(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Attributes, buffers and containers of each module are afterwards what they were."""
    before = [(vars(m), vars(m).copy()) for m in modules]
    held = [
        (value, copy(value))
        for attributes, _ in before
        for name, value in attributes.items()
        if type(value) in CONTAINERS and name not in STANDARD
    ]
    try:
        yield
    finally:
        for now, then in (*before, *held):
            if not _same(now, then):
                now.clear()
                (now.update if isinstance(now, dict | set) else now.extend)(then)


def _same(now: Any, then: Any) -> bool:
    """Whether nothing was put in, taken out or replaced; elements may be tensors, which == does not compare."""
    if len(now) != len(then):
        return False
    if isinstance(now, dict):
        return all(map(is_, now.values(), then.values())) and all(map(is_, now, then))
    return now == then if isinstance(now, set) else all(map(is_, now, then))
