"""A function as it stands in a class, rewritten for one instance: what its attributes decide is decided.

    if self.how == "max":                                      →   return F.max_pool2d(x, windows, self.stride)
        return MAX_POOL[len(self.stride)](x, windows, self.stride)
    …

Conditions on plain attributes fold, tables give what they hold, checks are dropped; numbers stay readable.
"""

import ast
import builtins
import inspect
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from convblocks.deploy.code.definitions import Definitions, is_plain, is_record, literal, parsed
from convblocks.deploy.code.static_values import UNKNOWN, StaticValues
from convblocks.errors import ConvblocksError


class Specialised(NamedTuple):
    """A method rewritten for one instance.

    Attributes:
        source: its code.
        attributes: the plain attributes of the instance that the code reads.
        named: all attributes that it names, among them the methods that it calls.
    """

    source: str
    attributes: dict[str, Any]
    named: set[str]


class _Specialiser(ast.NodeTransformer):
    """Rewrites one function for one instance; `attributes` and `named` are those of `Specialised`."""

    def __init__(self, function: FunctionType | type, instance: nn.Module | None, definitions: Definitions):
        self.instance, self.definitions = instance, definitions
        self.static = StaticValues(function, instance)
        self.attributes: dict[str, Any] = {}
        self.named: set[str] = set()

    def run(self, tree: ast.FunctionDef | ast.ClassDef) -> Any:
        """Returns the rewritten tree; `tree` itself is changed."""
        self.static.count_stores(tree)
        return self.visit(tree)

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
        """Rewrites a statement of a class; names and types of fields stay, which make a dataclass or a named tuple."""
        if isinstance(node, ast.AnnAssign):
            node.annotation = self._annotation(node.annotation) or ast.Name("object", ast.Load())
            node.value = node.value and self.visit(node.value)
            return node
        return self.generic_visit(node) if isinstance(node, ast.Assign) else self.visit(node)

    def _annotation(self, node: ast.expr | None) -> ast.expr | None:
        """Returns an annotation of torch's or Python's own; others are left out."""
        if node is None or isinstance(node, ast.Constant):
            return node if isinstance(node, ast.Constant) and node.value is None else None
        try:
            kind = self.static.value(node)
            own = isinstance(kind, type) and kind.__module__.partition(".")[0] in ("torch", "builtins")
            return self.visit(node) if own else None
        except ConvblocksError:
            return None

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Returns the statements up to the first that leaves for certain."""
        block: list[ast.stmt] = []
        for statement in body:
            result = self.visit(statement)
            block.extend(result if isinstance(result, list) else [result] if result is not None else [])
            if block and isinstance(block[-1], ast.Return | ast.Raise):
                break
        return block

    def visit_If(self, node: ast.If) -> Any:
        test = self._condition(node.test)
        if isinstance(test, bool):
            return self._block(node.body if test else node.orelse)
        body, orelse = self._block(node.body), self._block(node.orelse)
        # a check of the input
        if body and all(isinstance(s, ast.Raise) for s in body):
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
            kind = self.static.value(node.exc.func)
            if isinstance(kind, type) and issubclass(kind, ConvblocksError):
                return ast.parse("raise ValueError").body[0]
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return []
        return self.visit_Assign(ast.Assign([node.target], node.value))

    def visit_Assign(self, node: ast.Assign) -> Any:
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Name) and self.static.stores[target.id] == 1:
            value = self.static.value(node.value)
            if is_plain(value) or isinstance(value, ModuleType | FunctionType | BuiltinFunctionType | type):
                self.static.local[target.id] = value
                return []
        return self.generic_visit(node)

    # expressions

    def _condition(self, node: ast.expr) -> bool | ast.expr:
        """Returns the truth of a test, or the test without the parts that are decided."""
        value = self.static.value(node)
        if value is not UNKNOWN and not isinstance(value, torch.Tensor):
            return bool(value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._condition(node.operand)
            return not inner if isinstance(inner, bool) else ast.UnaryOp(ast.Not(), inner)
        if isinstance(node, ast.BoolOp):
            # a true part ends an `or`, a false one an `and`
            ends = isinstance(node.op, ast.Or)
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
        value = self.static.value(node)
        return literal(value) if is_plain(value) else self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        value = self.static.value(node)
        return literal(value) if is_plain(value) else self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        value = self.static.value(node)
        return literal(value) if isinstance(value, tuple | str) else self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        if not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        value = self.static.value(node)
        return self._lifted(value, node) if _liftable(value) else self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if not isinstance(node.ctx, ast.Load) or node.id == "self":
            return node
        if node.id in self.static.local:
            return self._lifted(self.static.local[node.id], node)
        if node.id in self.static.stores:
            return node
        value = self.static.outer.get(node.id, getattr(builtins, node.id, UNKNOWN))
        return node if value is UNKNOWN else self.definitions.reference(value, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.named.add(node.attr)
        if not isinstance(node.ctx, ast.Load):
            return self.generic_visit(node)
        value = self.static.value(node)
        if isinstance(node.value, ast.Name) and node.value.id == "self" and self.instance is not None:
            return self._own_attribute(node, value)
        base = self.static.value(node.value)
        # self.conv.stride, which the file's conv has too
        if isinstance(base, nn.Module) and type(base).__module__.partition(".")[0] == "torch":
            return self.generic_visit(node)
        torch_s = isinstance(base, ModuleType) and base.__name__.partition(".")[0] == "torch"
        if not torch_s and _liftable(value):
            return self._lifted(value, node)
        return self.generic_visit(node)

    def _own_attribute(self, node: ast.Attribute, value: Any) -> ast.expr:
        """Keeps an attribute of the instance, and notes its value where that is plain."""
        if is_plain(value):
            self.attributes[node.attr] = value
        elif self.static.stores[f"self.{node.attr}"] and is_plain(
            initial := getattr(self.instance, node.attr, UNKNOWN)
        ):
            self.attributes[node.attr] = initial
        elif node.attr in vars(self.instance) and (
            isinstance(value, FunctionType | BuiltinFunctionType) or is_record(value)
        ):
            return self.definitions.reference(value, node.attr)
        return node

    def _lifted(self, value: Any, node: ast.expr) -> ast.expr:
        name = getattr(value, "__name__", None) or getattr(node, "id", None) or getattr(node, "attr", None)
        return self.definitions.reference(value, name or "constant")


def _liftable(value: Any) -> bool:
    return is_plain(value) or isinstance(value, FunctionType | BuiltinFunctionType | type | torch.dtype)


def bring(definitions: Definitions, tree: ast.AST, value: FunctionType | type) -> set[str]:
    """Rewrites a function or class that belongs to no instance, in place; returns the attributes it names."""
    assert isinstance(tree, ast.FunctionDef | ast.ClassDef)
    rewriting = _Specialiser(value, None, definitions)
    rewriting.run(tree)
    return rewriting.named


def specialised(function: FunctionType, instance: nn.Module, definitions: Definitions) -> Specialised:
    """Returns a method rewritten for one instance; what its code refers to goes into `definitions`."""
    # its names are those around it, not around its decorator
    function = inspect.unwrap(function)
    rewriting = _Specialiser(function, instance, definitions)
    tree = rewriting.run(parsed(function))
    source = ast.unparse(ast.fix_missing_locations(tree))
    return Specialised(source, rewriting.attributes, rewriting.named)
