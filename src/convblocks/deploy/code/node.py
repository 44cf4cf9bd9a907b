"""A call that makes a module or tensor, before it is written: ``nn.Conv2d(3, 64, 3, padding=1)``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str, ...]


@dataclass(frozen=True)
class Node:
    """A call, callee(args); an arg is a literal or a Node, and one that equals its default is not written."""

    callee: str
    args: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    # of modules "*" a row, "[" a list, "{" a dictionary, "od" an OrderedDict; "(" a tuple of numbers
    wrap: str = ""

    def skeleton(self) -> tuple[Any, ...]:
        """Returns all but the literals, by which two calls are alike."""
        parts = ((k, v.skeleton() if isinstance(v, Node) else None) for k, v in self.args.items())
        return (self.callee, self.wrap, *parts)

    def literals(self, path: Path = ()) -> Iterator[tuple[Path, Any]]:
        """Yields each literal with its path of argument names, those of inner calls too."""
        for name, value in self.args.items():
            if isinstance(value, Node):
                yield from value.literals((*path, name))
            else:
                yield (*path, name), value

    def default(self, path: Path) -> Any:
        """Returns the default of the argument at `path`; ``...`` if it has none."""
        node = self
        for name in path[:-1]:
            node = node.args[name]
        return node.defaults.get(path[-1], ...)


IDENTITY = Node("nn.Identity", {})


def written(node: Node, symbols: Mapping[Path, str], path: Path = ()) -> str:
    """Returns the call as source; `symbols` are the expressions that stand for a literal, by path."""
    if node.wrap == "(":
        items = [symbols.get((*path, name)) or source(value) for name, value in node.args.items()]
        return f"({', '.join(items)}{',' * (len(items) == 1)})"
    if node.wrap:
        return _row(node, symbols, path)
    parts: list[str] = []
    for name, value in node.args.items():
        value_path = (*path, name)
        if isinstance(value, Node):
            text = written(value, symbols, value_path)
        else:
            text = symbols.get(value_path) or source(value)
            if name in node.defaults and text == source(node.defaults[name]):
                continue
        parts.append(f"{name}={text}" if name in node.defaults else text)
    return f"{node.callee}({', '.join(parts)})"


def _row(node: Node, symbols: Mapping[Path, str], path: Path) -> str:
    items = [written(value, symbols, (*path, name)) for name, value in node.args.items()]
    if node.wrap in ("{", "od"):
        pairs = zip(node.args, items, strict=True)
        if node.wrap == "{":
            return f"{node.callee}({{{', '.join(f'{k!r}: {v}' for k, v in pairs)}}})"
        return f"{node.callee}(OrderedDict([{', '.join(f'({k!r}, {v})' for k, v in pairs)}]))"
    runs: list[tuple[str, int]] = []
    for item in items:
        if runs and runs[-1][0] == item:
            runs[-1] = (item, runs[-1][1] + 1)
        else:
            runs.append((item, 1))
    comprehensions = [(f"({item} for _ in range({n}))", n) if n > 2 else (item, n) for item, n in runs]
    if node.wrap == "[" and len(runs) == 1 and runs[0][1] > 2:
        return f"{node.callee}{comprehensions[0][0]}"
    parts = [f"*{text}" if n > 2 else ", ".join([text] * n) for text, n in comprehensions]
    inside = ", ".join(parts)
    return f"{node.callee}([{inside}])" if node.wrap == "[" else f"{node.callee}({inside})"


def source(value: Any) -> str:
    """Returns a literal as people write it."""
    if isinstance(value, tuple | list):
        inside = ", ".join(map(source, value)) + ("," if isinstance(value, tuple) and len(value) == 1 else "")
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    if isinstance(value, float) and not abs(value) < float("inf"):
        return f'float("{value}")'
    return repr(value)
