"""A forward that is only watched leaves its modules as they were: what it writes on them is undone.

Networks keep caches of positions, counters and masks as attributes; a forward on the meta device would leave meta
tensors there, which the next real one falls over.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from torch import nn

MISSING = object()
CONTAINERS = (dict, list, set)


@contextmanager
def restored(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Attributes, buffers and containers of each module are afterwards what they were."""
    before = [(vars(m), dict(vars(m)), _copies(m)) for m in modules]
    try:
        yield
    finally:
        for attributes, kept, copies in before:
            if len(attributes) != len(kept) or any(
                attributes.get(name, MISSING) is not value for name, value in kept.items()
            ):
                attributes.clear()
                attributes.update(kept)
            for container, contents in copies:
                _restore(container, contents)


def _copies(module: nn.Module) -> list[tuple[Any, Any]]:
    """Each container among the attributes, and a copy of it, one level deep."""
    return [(v, copy(v) if v else None) for v in vars(module).values() if isinstance(v, CONTAINERS)]


def _restore(container: Any, contents: Any) -> None:
    """Only if it was changed: elements may be tensors, which == does not compare."""
    if contents is None:
        if container:
            container.clear()
        return
    if len(container) == len(contents):
        if isinstance(container, dict):
            if all(container.get(key, MISSING) is value for key, value in contents.items()):
                return
        elif all(a is b for a, b in zip(container, contents, strict=True)):
            return
    container.clear()
    if isinstance(container, list):
        container.extend(contents)
    else:
        container.update(contents)
