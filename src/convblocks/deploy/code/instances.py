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

# hooks that refuse an input, and change nothing
CHECKS = ("require_map",)


@dataclass
class Instance:
    """One module of a class that is not PyTorch's."""

    module: nn.Module
    path: str
    # sources, specialised for this instance
    methods: dict[str, str] = field(default_factory=dict)
    # plain attributes that the methods read
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> type[nn.Module]:
        """The module's class."""
        return type(self.module)

    @property
    def is_identity(self) -> bool:
        """True where forward returns its argument, and the module holds nothing."""
        lines = [line.strip() for line in self.methods["forward"].splitlines() if line.strip()]
        argument = lines[0].partition("(self, ")[2].partition(":")[0].partition(")")[0]
        return lines[1:] == [f"return {argument}"] and not self.module.state_dict()


def instances(*modules: nn.Module) -> tuple[dict[int, Instance], Definitions]:
    """Returns every module in `modules` of a class that is not PyTorch's, by id, with its methods.

    A method comes along if forward or something that came along names it.

    Returns:
        The instances by the id of their module, and the definitions that their methods refer to.
    """
    named = {"forward"}

    def copied(tree: Any, value: Any) -> None:
        named.update(bring(definitions, tree, value))

    definitions = Definitions(copied)
    by_id = {id(m): Instance(m, path) for module in modules for path, m in _own(module)}
    before = -1
    # until no method names another
    while before < len(named):
        before = len(named)
        for instance in by_id.values():
            for name in _overrides(instance.kind):
                if name in named and name not in instance.methods:
                    method = inspect.getattr_static(instance.kind, name)
                    rewritten = specialised(_function(method), instance.module, definitions)
                    instance.methods[name] = rewritten.source
                    instance.attributes |= rewritten.attributes
                    named.update(rewritten.named)
    return by_id, definitions


def _own(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    first_paths: dict[int, str] = {}
    for name, m in module.named_modules(remove_duplicate=False):
        _check(m, name)
        if id(m) in first_paths and m.state_dict():
            raise CodeError(
                f"{name} and {first_paths[id(m)]} are one module; expected a module at each place, since a file cannot "
                "write sharing: make a copy (copy.deepcopy)"
            )
        new = id(m) not in first_paths
        first_paths[id(m)] = name
        if new and is_own(m):
            yield name, m


def is_own(module: nn.Module) -> bool:
    """Returns true where its class defines anything that PyTorch's does not."""
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
    """Returns the methods and properties that its own classes define."""
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
    """Raises CodeError for what a file cannot write: hooks, parametrizations, lazy modules."""
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
