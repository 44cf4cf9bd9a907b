"""A module and all in it, as instances of the classes that the file will define."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import torch
from torch import nn

from convblocks.deploy.code.definitions import Definitions
from convblocks.deploy.code.leaves import CONTAINERS, torch_class
from convblocks.deploy.code.specialise import bring, specialised
from convblocks.errors import CodeError

CHECKS = ("require_map",)  # hooks that refuse, and change nothing


@dataclass
class Instance:
    """One module of a class that is not PyTorch's."""

    module: nn.Module
    path: str
    methods: dict[str, str] = field(default_factory=dict)  # sources, specialised
    attributes: dict[str, Any] = field(default_factory=dict)  # plain ones that the methods use

    @property
    def kind(self) -> type[nn.Module]:
        return type(self.module)

    @property
    def is_identity(self) -> bool:
        """Whether forward returns what it is given, and nothing is in it."""
        lines = [line.strip() for line in self.methods["forward"].splitlines() if line.strip()]
        argument = lines[0].partition("(self, ")[2].partition(":")[0].partition(")")[0]
        return lines[1:] == [f"return {argument}"] and not self.module.state_dict()


def instances(*modules: nn.Module) -> tuple[dict[int, Instance], Definitions]:
    """Every module in `modules` of a class that is not PyTorch's, by id, with its methods; and what they refer to.

    A method comes along if forward or something that came along names it.
    """
    named = {"forward"}

    def copied(tree: Any, value: Any) -> None:
        named.update(bring(definitions, tree, value))

    definitions = Definitions(copied)
    found = {id(m): Instance(m, path) for module in modules for path, m in _own(module)}
    before = -1
    while before < len(named):  # until no method names another
        before = len(named)
        for instance in found.values():
            for name in _overrides(instance.kind):
                if name in named and name not in instance.methods:
                    method = inspect.getattr_static(instance.kind, name)
                    code, rewriting = specialised(_function(method), instance.module, definitions)
                    instance.methods[name] = code
                    instance.attributes |= rewriting.attributes
                    named.update(rewriting.named)
    return found, definitions


def _own(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    seen: dict[int, str] = {}
    for name, m in module.named_modules(remove_duplicate=False):
        _check(m, name)
        if id(m) in seen and m.state_dict():
            raise CodeError(
                f"{name} is the module that stands at {seen[id(m)]} too; a file has no word for sharing"
            )
        new = id(m) not in seen
        seen[id(m)] = name
        if new and is_own(m):
            yield name, m


def is_own(module: nn.Module) -> bool:
    """Whether its class says anything that PyTorch's does not."""
    if type(module).__module__.partition(".")[0] == "torch":
        return False
    kind = torch_class(type(module))
    return (
        kind is nn.Module
        or "forward" in _overrides(type(module))
        or bool(
            kind not in CONTAINERS and any(_overridden_by_torch(kind, n) for n in _overrides(type(module)))
        )
    )


def _overridden_by_torch(kind: type, name: str) -> bool:
    return name not in ("__init__", "extra_repr", "reset_parameters") and hasattr(kind, name)


def _overrides(kind: type[nn.Module]) -> list[str]:
    """Methods and properties that its own classes define."""
    own = [c for c in kind.__mro__ if c.__module__.partition(".")[0] != "torch" and c is not object]
    names = {name: None for c in own for name, v in vars(c).items() if _function(v) is not None}
    return [name for name in names if name not in ("__init__", "extra_repr")]


def _function(member: object) -> Any:
    if isinstance(member, property):
        return member.fget
    if isinstance(member, staticmethod | classmethod):
        return member.__func__
    return member if isinstance(member, FunctionType) else None


def _check(module: nn.Module, path: str) -> None:
    """What a file cannot say: hooks and parametrizations."""
    where = path or "the module"
    for hooks in (module._forward_pre_hooks, module._forward_hooks):
        for hook in hooks.values():
            name = getattr(hook, "__name__", type(hook).__name__)
            if name not in CHECKS:
                raise CodeError(f"{where} has the forward hook {name}; remove it, or write it into forward")
    if hasattr(module, "parametrizations"):
        raise CodeError(f"{where} has parametrizations; remove them (torch.nn.utils.parametrize) first")
    if any(isinstance(p, torch.nn.parameter.UninitializedParameter) for p in module._parameters.values()):
        raise CodeError(f"{where} is lazy; give it an input once, so that its shapes are known")
