"""Methods of a class rewritten once its fixed attributes and left-out children are known."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from convblocks.deploy.code.definitions import is_identifier, is_plain, literal, unparsed


def stored(methods: Mapping[str, str]) -> set[str]:
    """Returns the names of all attributes that the methods store."""
    nodes = (n for code in methods.values() for n in ast.walk(ast.parse(code)))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute) and not isinstance(n.ctx, ast.Load)}


def passed_through(methods: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Returns those of `names` that the methods only ever call with one argument."""
    calls, uses = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for node in (n for code in methods.values() for n in ast.walk(ast.parse(code))):
        if isinstance(node, ast.Attribute) and node.attr in uses:
            uses[node.attr] += 1
        if isinstance(node, ast.Call) and (child := _own_name(node.func)) in calls:
            calls[child] += len(node.args) == 1 and not node.keywords
    return [name for name in names if is_identifier(name) and calls[name] == uses[name]]


def _own_name(node: ast.AST) -> str:
    own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return node.attr if own and isinstance(node, ast.Attribute) else ""


class _Inline(ast.NodeTransformer):
    """Writes attributes as their values, and leaves out children that only pass their input on."""

    def __init__(self, values: Mapping[str, Any], left_out: Sequence[str]):
        self.values, self.left_out = values, left_out

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        name = _own_name(node)
        return literal(self.values[name]) if name in self.values else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        node = self.generic_visit(node)  # type: ignore[assignment]
        nothing = isinstance(node.value, ast.Name) and [node.value.id] == [
            getattr(t, "id", None) for t in node.targets
        ]
        # x = x
        return None if nothing else node

    def visit_Call(self, node: ast.Call) -> Any:
        if _own_name(node.func) in self.left_out:
            return self.visit(node.args[0])
        return self.generic_visit(node)


def inlined(code: str, values: Mapping[str, Any], left_out: Sequence[str]) -> str:
    """Returns the method's source with `values` in place of ``self.NAME``, and without calls of `left_out`.

    Args:
        code: source of the method.
        values: plain values of attributes, by name.
        left_out: names of children that only pass their input on.
    """
    assert all(map(is_plain, values.values()))
    return unparsed(_Inline(values, left_out).visit(ast.parse(code)))
