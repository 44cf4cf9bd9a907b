"""Values of expressions in a method for one instance, as far as they are decided without running it."""

import ast
import builtins
import math
import sys
from collections import Counter
from types import FunctionType
from typing import Any

import torch
from torch import nn

UNKNOWN = object()
PURE = (
    len,
    tuple,
    list,
    min,
    max,
    sum,
    abs,
    int,
    float,
    bool,
    str,
    isinstance,
    hasattr,
    getattr,
    math.prod,
    range,
)
OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.Tuple, ast.Subscript, ast.Slice)
SYNTAX = (ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context, ast.Constant)


class StaticValues:
    """The values of names and attributes in one function, as it runs on `instance` (None: on any).

    Attributes:
        local: values of local names that are decided; ``self`` is the instance.
        outer: values of the names around the function.
        stores: how often the function stores each local name and ``self.NAME``; twice or more if on each call
            another value may stand there.
    """

    def __init__(self, function: FunctionType | type, instance: nn.Module | None):
        self.instance = instance
        self.local: dict[str, Any] = {} if instance is None else {"self": instance}
        self.outer = _outer(function)
        self.stores: Counter[str] = Counter()

    def count_stores(self, tree: ast.FunctionDef | ast.ClassDef) -> None:
        """Counts what the function stores; arguments, definitions and loops count as more than one store."""
        for node in ast.walk(tree):
            if isinstance(node, ast.arg):
                self.stores[node.arg] += 2
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self.stores[node.id] += 1
            elif isinstance(node, ast.FunctionDef | ast.ClassDef) and node is not tree:
                self.stores[node.name] += 2
            elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                self.stores[f"self.{node.attr}"] += 1
            elif isinstance(node, ast.For | ast.comprehension | ast.AugAssign):
                loop = node.target
                self.stores.update(n.id for n in ast.walk(loop) if isinstance(n, ast.Name))

    def value(self, node: ast.AST) -> Any:
        """Returns what an expression gives for this instance, or UNKNOWN if only running can tell."""
        if not self._decided(node):
            return UNKNOWN
        try:
            code = compile(ast.fix_missing_locations(ast.Expression(node)), "<static>", "eval")  # type: ignore[arg-type]
            return eval(code, self.outer, self.local)  # noqa: S307 - the class's own code, without calls of its own
        except Exception:  # what fails here fails, or is not reached, when the file runs
            return UNKNOWN

    def _decided(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            free = node.id not in self.stores and (node.id in self.outer or hasattr(builtins, node.id))
            return node.id in self.local or free
        if isinstance(node, ast.Attribute):
            return self._attribute_decided(node)
        if isinstance(node, ast.Call):
            pure = any(self.value(node.func) is function for function in PURE)
            return pure and not node.keywords and all(map(self._decided, node.args))
        if isinstance(node, ast.Compare) and self._tests_none(node):
            return True
        if isinstance(node, OPERATIONS):
            return all(map(self._decided, ast.iter_child_nodes(node)))
        return isinstance(node, SYNTAX)

    def _attribute_decided(self, node: ast.Attribute) -> bool:
        base = self.value(node.value)
        if base is UNKNOWN or node.attr == "training":
            return False
        if base is self.instance and self.stores[f"self.{node.attr}"]:
            return False
        return not isinstance(getattr(base, node.attr, None), torch.Tensor)

    def _tests_none(self, node: ast.Compare) -> bool:
        """Returns true for a test if a tensor of the instance is None, which needs no value of it."""
        left = node.left
        own = isinstance(left, ast.Attribute) and isinstance(left.value, ast.Name) and left.value.id == "self"
        return own and self.instance is not None and isinstance(node.ops[0], ast.Is | ast.IsNot)


def _outer(function: FunctionType | type) -> dict[str, Any]:
    """Returns the values of the names around a function, those of its closure too."""
    if isinstance(function, type):
        return dict(vars(sys.modules[function.__module__]))
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}
