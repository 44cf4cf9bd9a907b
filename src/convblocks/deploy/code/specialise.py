"""A function as it stands in a class, rewritten for one instance: what its attributes decide is decided.

    if self.how == "max":                                      →   return F.max_pool2d(x, windows, self.stride)
        return MAX_POOL[len(self.stride)](x, windows, self.stride)
    …

Conditions on plain attributes fold, tables give what they hold, checks are dropped; numbers stay readable.
"""

import ast
import builtins
import inspect
import math
import sys
from collections import Counter
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import torch
from torch import nn

from convblocks.deploy.code.definitions import Definitions, is_plain, is_record, literal, parsed
from convblocks.errors import ConvblocksError

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


class Specialiser(ast.NodeTransformer):
    """Rewrites one function. `attributes` then has the plain attributes that are left, `named` all that are used."""

    def __init__(self, function: FunctionType | type, instance: nn.Module | None, definitions: Definitions):
        self.instance, self.definitions = instance, definitions
        self.known: dict[str, Any] = {} if instance is None else {"self": instance}
        self.attributes: dict[str, Any] = {}
        self.named: set[str] = set()
        self.stores: Counter[str] = Counter()
        self.outer = _outer(function)

    def run(self, tree: ast.FunctionDef | ast.ClassDef) -> Any:
        for node in ast.walk(tree):
            if isinstance(node, ast.arg):
                self.stores[node.arg] += 2  # its value is not known
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self.stores[node.id] += 1
            elif isinstance(node, ast.FunctionDef | ast.ClassDef) and node is not tree:
                self.stores[node.name] += 2
            elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                self.stores[f"self.{node.attr}"] += 1
            elif isinstance(node, ast.For | ast.comprehension | ast.AugAssign):
                loop = node.target
                self.stores.update(n.id for n in ast.walk(loop) if isinstance(n, ast.Name))
        return self.visit(tree)

    # what is known without running

    def value(self, node: ast.AST) -> Any:
        """What an expression gives for this instance, or UNKNOWN if only running can tell."""
        if not self._decided(node):
            return UNKNOWN
        try:
            code = compile(ast.fix_missing_locations(ast.Expression(node)), "<known>", "eval")  # type: ignore[arg-type]
            return eval(code, self.outer, self.known)  # noqa: S307 - the class's own code, without calls of its own
        except Exception:  # what fails here fails, or is not reached, when the file runs
            return UNKNOWN

    def _decided(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            free = node.id not in self.stores and (node.id in self.outer or hasattr(builtins, node.id))
            return node.id in self.known or free
        if isinstance(node, ast.Attribute):
            base = self.value(node.value)
            if base is UNKNOWN or node.attr == "training":
                return False
            if base is self.instance and self.stores[f"self.{node.attr}"]:
                return False
            return not isinstance(getattr(base, node.attr, None), torch.Tensor)
        if isinstance(node, ast.Call):
            pure = any(self.value(node.func) is function for function in PURE)
            return pure and not node.keywords and all(map(self._decided, node.args))
        if isinstance(node, ast.Compare) and self._tests_none(node):
            return True
        if isinstance(node, OPERATIONS):
            return all(map(self._decided, ast.iter_child_nodes(node)))
        return isinstance(node, SYNTAX)

    def _tests_none(self, node: ast.Compare) -> bool:
        """Whether it asks if a tensor of the instance is None, which needs no value of it."""
        left = node.left
        own = isinstance(left, ast.Attribute) and isinstance(left.value, ast.Name) and left.value.id == "self"
        return own and self.instance is not None and isinstance(node.ops[0], ast.Is | ast.IsNot)

    # statements

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        extra = [a for a in (node.args.vararg, node.args.kwarg) if a]
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, *extra):
            argument.annotation = self._annotation(argument.annotation)
        node.returns = self._annotation(node.returns)
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.args.kw_defaults = [d and self.visit(d) for d in node.args.kw_defaults]
        node.body = self._block(node.body) or [ast.Pass()]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.bases, node.decorator_list = (
            [self.visit(e) for e in part] for part in (node.bases, node.decorator_list)
        )
        body = [self._field(statement) for statement in node.body]
        node.body = [statement for statement in body if statement is not None] or [ast.Pass()]
        return node

    def _field(self, node: ast.stmt) -> Any:
        """A statement of a class: names and types of fields stay, which make a dataclass or a named tuple."""
        if isinstance(node, ast.AnnAssign):
            node.annotation = self._annotation(node.annotation) or ast.Name("object", ast.Load())
            node.value = node.value and self.visit(node.value)
            return node
        return self.generic_visit(node) if isinstance(node, ast.Assign) else self.visit(node)

    def _annotation(self, node: ast.expr | None) -> ast.expr | None:
        """An annotation of torch's or Python's own; others are left out."""
        if node is None or isinstance(node, ast.Constant):
            return node if isinstance(node, ast.Constant) and node.value is None else None
        try:
            found = self.value(node)
            own = isinstance(found, type) and found.__module__.partition(".")[0] in ("torch", "builtins")
            return self.visit(node) if own else None
        except ConvblocksError:
            return None

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Statements up to the first that leaves for certain."""
        block: list[ast.stmt] = []
        for statement in body:
            found = self.visit(statement)
            block.extend(found if isinstance(found, list) else [found] if found is not None else [])
            if block and isinstance(block[-1], ast.Return | ast.Raise):
                break
        return block

    def visit_If(self, node: ast.If) -> Any:
        test = self._condition(node.test)
        if isinstance(test, bool):
            return self._block(node.body if test else node.orelse)
        body, orelse = self._block(node.body), self._block(node.orelse)
        if body and all(isinstance(s, ast.Raise) for s in body):  # a check
            return orelse
        if not body and not orelse:
            return []
        return ast.If(test, body or [ast.Pass()], orelse)

    def visit_For(self, node: ast.For) -> Any:
        node.iter, node.target = self.visit(node.iter), self.visit(node.target)
        node.body, node.orelse = self._block(node.body) or [ast.Pass()], self._block(node.orelse)
        return node

    def visit_With(self, node: ast.With) -> Any:
        node.items = [self.visit(item) for item in node.items]
        node.body = self._block(node.body) or [ast.Pass()]
        return node

    def visit_Assert(self, _node: ast.Assert) -> Any:
        return []

    def visit_Raise(self, node: ast.Raise) -> Any:
        if isinstance(node.exc, ast.Call):
            kind = self.value(node.exc.func)
            if isinstance(kind, type) and issubclass(kind, ConvblocksError):
                return ast.parse("raise ValueError").body[0]
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return []
        return self.visit_Assign(ast.Assign([node.target], node.value))

    def visit_Assign(self, node: ast.Assign) -> Any:
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Name) and self.stores[target.id] == 1:
            found = self.value(node.value)
            if is_plain(found) or isinstance(found, ModuleType | FunctionType | BuiltinFunctionType | type):
                self.known[target.id] = found
                return []
        return self.generic_visit(node)

    # expressions

    def _condition(self, node: ast.expr) -> bool | ast.expr:
        """The truth of a test, or the test without the parts that are decided."""
        found = self.value(node)
        if found is not UNKNOWN and not isinstance(found, torch.Tensor):
            return bool(found)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._condition(node.operand)
            return not inner if isinstance(inner, bool) else ast.UnaryOp(ast.Not(), inner)
        if isinstance(node, ast.BoolOp):
            ends = isinstance(node.op, ast.Or)  # a true part ends an `or`, a false one an `and`
            parts = [self._condition(part) for part in node.values]
            if any(part is ends for part in parts):
                return ends
            left = [part for part in parts if not isinstance(part, bool)]
            return left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
        return self.visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        test = self._condition(node.test)
        if isinstance(test, bool):
            return self.visit(node.body if test else node.orelse)
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def visit_Call(self, node: ast.Call) -> Any:
        found = self.value(node)
        return literal(found) if is_plain(found) else self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        found = self.value(node)
        return literal(found) if is_plain(found) else self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        found = self.value(node)
        return literal(found) if isinstance(found, tuple | str) else self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        if not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        found = self.value(node)
        return self._lifted(found, node) if _liftable(found) else self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if not isinstance(node.ctx, ast.Load) or node.id == "self":
            return node
        if node.id in self.known:
            return self._lifted(self.known[node.id], node)
        if node.id in self.stores:
            return node
        found = self.outer.get(node.id, getattr(builtins, node.id, UNKNOWN))
        return node if found is UNKNOWN else self.definitions.reference(found, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.named.add(node.attr)
        if not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        found = self.value(node)
        if isinstance(node.value, ast.Name) and node.value.id == "self" and self.instance is not None:
            if is_plain(found):
                self.attributes[node.attr] = found
            elif self.stores[f"self.{node.attr}"] and is_plain(
                plain := getattr(self.instance, node.attr, UNKNOWN)
            ):
                self.attributes[node.attr] = plain
            elif node.attr in vars(self.instance) and (
                isinstance(found, FunctionType | BuiltinFunctionType) or is_record(found)
            ):
                return self.definitions.reference(found, node.attr)
            return node
        base = self.value(node.value)
        if isinstance(base, nn.Module) and type(base).__module__.partition(".")[0] == "torch":
            return self.generic_visit(node)  # self.conv.stride, which the file's conv has too
        torch_s = isinstance(base, ModuleType) and base.__name__.partition(".")[0] == "torch"
        if not torch_s and _liftable(found):
            return self._lifted(found, node)
        return self.generic_visit(node)

    def _lifted(self, value: Any, node: ast.expr) -> ast.expr:
        name = getattr(value, "__name__", None) or getattr(node, "id", None) or getattr(node, "attr", None)
        return self.definitions.reference(value, name or "constant")


def _liftable(value: Any) -> bool:
    return is_plain(value) or isinstance(value, FunctionType | BuiltinFunctionType | type | torch.dtype)


def _outer(function: FunctionType | type) -> dict[str, Any]:
    """The names that a function sees around it."""
    if isinstance(function, type):
        return dict(vars(sys.modules[function.__module__]))
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}


def bring(definitions: Definitions, tree: ast.AST, value: FunctionType | type) -> set[str]:
    """Rewrite a function or class that belongs to no instance; the attributes it names."""
    assert isinstance(tree, ast.FunctionDef | ast.ClassDef)
    rewriting = Specialiser(value, None, definitions)
    rewriting.run(tree)
    return rewriting.named


def specialised(
    function: FunctionType, instance: nn.Module, definitions: Definitions
) -> tuple[str, Specialiser]:
    """The source of a method for one instance, and what it leaves open."""
    function = inspect.unwrap(function)  # its names are those around it, not around its decorator
    rewriting = Specialiser(function, instance, definitions)
    tree = rewriting.run(parsed(function))
    return ast.unparse(ast.fix_missing_locations(tree)), rewriting
