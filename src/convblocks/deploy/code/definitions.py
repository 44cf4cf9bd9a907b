"""Imports, constants and functions that the printed file needs beside its modules."""

import ast
import builtins
import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from keyword import iskeyword
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any
from unicodedata import normalize

import torch
import torch.nn.functional as F
from torch import nn

from convblocks.errors import CodeError

IMPORTS = {"torch": "import torch", "torch.nn": "from torch import nn"}
IMPORTS["torch.nn.functional"] = "import torch.nn.functional as F"
SHORT = {"torch.nn": "nn", "torch.nn.functional": "F"}
PLAIN = (bool, int, float, str, type(None))


class Definitions:
    """Collects, as values are referred to, what the file must import or define before them.

    Attributes:
        imports: lines of import.
        sources: definitions by name, those that others need first.
    """

    def __init__(self, bring: Callable[[ast.AST, FunctionType | type], None]):
        """Starts with the imports of every file.

        Args:
            bring: rewrites a copied definition in place, so that its own names are resolved too.
        """
        self._bring = bring
        self.imports = {IMPORTS["torch"], IMPORTS["torch.nn"]}
        self.sources: dict[str, str] = {}
        self._names: dict[int, str] = {}

    def reference(self, value: object, name: str) -> ast.expr:
        """Returns an expression for `value`, which the code calls `name`.

        Raises:
            CodeError: a file cannot hold it.
        """
        if is_plain(value):
            return literal(value)
        if isinstance(value, ModuleType):
            return self._module(value)
        if getattr(builtins, name, None) is value:
            return ast.Name(name, ast.Load())
        if id(value) in public_names():
            home, _, attribute = public_names()[id(value)].rpartition(".")
            self.imports.update(text for path, text in IMPORTS.items() if SHORT.get(path, path) == home)
            return ast.parse(f"{home}.{attribute}", mode="eval").body
        if isinstance(value, torch.dtype):
            return ast.parse(str(value), mode="eval").body
        if isinstance(value, tuple | list | dict) or is_record(value):
            return ast.Name(self._constant(value, name), ast.Load())
        if isinstance(value, FunctionType | BuiltinFunctionType | type):
            return ast.Name(self._definition(value), ast.Load())
        raise CodeError(f"{name} is of type {type(value).__name__}, which no file of code can hold")

    def _module(self, module: ModuleType) -> ast.expr:
        path = module.__name__
        if path.partition(".")[0] not in sys.stdlib_module_names | {"torch"}:
            raise CodeError(f"the forward pass uses {path}; a file that imports torch alone cannot")
        self.imports.add(IMPORTS.get(path, f"import {path}"))
        return ast.parse(SHORT.get(path, path), mode="eval").body

    def _constant(self, value: object, name: str) -> str:
        if id(value) not in self._names:
            self._names[id(value)] = name = self._free(name)
            self.sources[name] = f"{name} = {ast.unparse(self._written(value, name))}"
        return self._names[id(value)]

    def _written(self, value: object, name: str) -> ast.expr:
        if is_record(value):
            constructor = self.reference(type(value), type(value).__name__)
            arguments = [
                ast.keyword(field, self._written(part, field)) for field, part in _fields(value).items()
            ]
            return ast.Call(constructor, [], arguments)
        if isinstance(value, tuple):
            return ast.Tuple([self._written(v, name) for v in value], ast.Load())
        if isinstance(value, list):
            return ast.List([self._written(v, name) for v in value], ast.Load())
        if isinstance(value, dict):
            keys: list[ast.expr | None] = [self._written(k, name) for k in value]
            return ast.Dict(keys, [self._written(v, name) for v in value.values()])
        return self.reference(value, getattr(value, "__name__", name))

    def _definition(self, value: FunctionType | BuiltinFunctionType | type) -> str:
        """Returns the name of a function or class, imported from torch or Python, or brought along as it stands."""
        if id(value) in self._names:
            return self._names[id(value)]
        home, name = value.__module__ or "", value.__name__
        if home.partition(".")[0] in sys.stdlib_module_names | {"torch"}:
            self.imports.add(f"from {home} import {name}")
            self._names[id(value)] = name
            return name
        # under its decorators
        own = inspect.unwrap(value) if isinstance(value, FunctionType) else value
        if isinstance(own, BuiltinFunctionType) or name == "<lambda>" or getattr(own, "__closure__", None):
            raise CodeError(
                f"the forward pass calls {home}.{value.__qualname__}, whose code cannot be copied"
            )
        if isinstance(value, type) and issubclass(value, nn.Module):
            raise CodeError(f"the forward pass names the class {name}, which stands in another file")
        self._names[id(value)] = name = self._free(name)
        tree = parsed(own)
        if own is not value and not tree.decorator_list:
            raise CodeError(f"{home}.{value.__qualname__} is wrapped where its code does not say so")
        tree.name = name
        self._bring(tree, own)
        self.sources[name] = unparsed(tree)
        return name

    def _free(self, name: str) -> str:
        name, taken = name.lstrip("_") or "constant", set(self._names.values())
        return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 1000))) if n not in taken)


@cache
def public_names() -> dict[int, str]:
    """Returns the usual spelling of all that torch offers: ``F.max_pool2d`` by the id of the function."""
    spellings: dict[int, str] = {}
    for prefix, module in (("nn", nn), ("F", F), ("torch", torch)):
        for name, value in vars(module).items():
            own = (getattr(value, "__module__", None) or "torch").startswith("torch")
            if own and name[0] != "_" and callable(value):
                spellings.setdefault(id(value), f"{prefix}.{name}")
    return spellings


def parsed(value: object) -> ast.FunctionDef | ast.ClassDef:
    """Returns the source of a function or class as a tree.

    Raises:
        CodeError: there is no source.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError) as error:
        raise CodeError(f"{getattr(value, '__qualname__', value)} has no source that can be read") from error
    if not isinstance(tree, ast.FunctionDef | ast.ClassDef):
        raise CodeError(f"{getattr(value, '__qualname__', value)} is not a plain function or class")
    return tree


def is_plain(value: object) -> bool:
    """Returns true for what a literal can write: a number, string, None, or a tuple of them."""
    return type(value) in PLAIN or (
        isinstance(value, tuple) and not is_record(value) and all(map(is_plain, value))
    )


def is_record(value: object) -> bool:
    """Returns true for an instance of a dataclass or named tuple, which a call with its fields makes again."""
    if isinstance(value, type):
        return False
    return is_dataclass(value) or (isinstance(value, tuple) and hasattr(value, "_fields"))


def _fields(record: Any) -> dict[str, Any]:
    """Returns the arguments of the constructor."""
    names = [f.name for f in fields(record) if f.init] if is_dataclass(record) else record._fields
    return {name: getattr(record, name) for name in names}


def is_identifier(name: str) -> bool:
    """Returns true where code can write ``self.name`` and Python reads the same name."""
    return name.isidentifier() and not iskeyword(name) and normalize("NFKC", name) == name


def identifier(name: str) -> str:
    """Returns a layer's or tensor's name as an argument's: ``my-conv`` becomes ``my_conv``, ``0`` becomes ``_0``."""
    if is_identifier(name):
        return name
    name = re.sub(r"\W", "_", normalize("NFKC", name))
    return name if is_identifier(name) else f"_{name}"


def literal(value: object) -> ast.expr:
    """Returns the literal; a float that has none, such as infinity, becomes a call."""
    if isinstance(value, tuple):
        return ast.Tuple([literal(v) for v in value], ast.Load())
    if isinstance(value, float) and not abs(value) < float("inf"):
        return ast.parse(f'float("{value}")', mode="eval").body
    return ast.parse(repr(value), mode="eval").body


def unparsed(tree: ast.AST) -> str:
    """Returns the source of a tree, with one pair of brackets around a generator that is the only argument."""
    text = ast.unparse(ast.fix_missing_locations(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
            continue
        if isinstance(node.args[0], ast.GeneratorExp):
            inside = ast.unparse(node.args[0])
            text = text.replace(f"({inside})", inside)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign | ast.Return)
            and isinstance(node.value, ast.Tuple)
            and node.value.elts
        ):
            row, word = ast.unparse(node.value), "return" if isinstance(node, ast.Return) else "="
            # no brackets, as people write it
            if len(node.value.elts) > 1:
                text = re.sub(rf"(?m){word} {re.escape(row)}$", lambda _: f"{word} {row[1:-1]}", text)  # noqa: B023
    return text
