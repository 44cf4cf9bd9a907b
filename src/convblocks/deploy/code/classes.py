"""Groups instances that one class can stand for, and defines that class; what differs becomes its parameters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from torch import nn

from convblocks.deploy.code.class_text import class_text, init_text
from convblocks.deploy.code.inline import inlined, passed_through, stored
from convblocks.deploy.code.instances import Instance
from convblocks.deploy.code.leaves import CONTAINERS, container, leaf, tensor, torch_class
from convblocks.deploy.code.node import IDENTITY, Node
from convblocks.deploy.code.parameters import parameters
from convblocks.deploy.code.variables import ATTRIBUTE
from convblocks.deploy.code.zero_init import ZeroInit


@dataclass
class Group:
    """Instances that one class can stand for."""

    members: list[Instance] = field(default_factory=list)
    # of each member
    parts: list[dict[str, Node | None]] = field(default_factory=list)
    skeletons: dict[str, Any] = field(default_factory=dict)


class Classes:
    """Turns instances into nodes, from the inside out, and keeps the class definitions on the way.

    Attributes:
        sources: class definitions by name, those that others need first.
        zero_init: the weights that start at zero and that no class initialises yet.
    """

    def __init__(self, instances: Mapping[int, Instance], taken: set[str]):
        self.instances, self.taken = instances, taken
        self.sources: dict[str, str] = {}
        self.nodes: dict[int, Node] = {}
        self.zero_init = ZeroInit(m for i in instances.values() for m in i.module.modules())

    def define(self, root: nn.Module) -> Node:
        """Returns the call that makes `root`; `sources` then has the classes."""
        for generation in _generations(self.instances.values()):
            for group in self._groups(generation):
                self._define(group, opened=len(group.members) > 1 or group.members[0].module is not root)
        return self._node(root, "")

    def _node(self, module: nn.Module, path: str) -> Node:
        if id(module) in self.nodes:
            return self.nodes[id(module)]
        if isinstance(module, tuple(CONTAINERS)):
            children = {n: self._node(m, f"{path}.{n}") for n, m in module._modules.items() if m is not None}
            return container(module, children)
        return leaf(module, path)

    def _groups(self, members: Sequence[Instance]) -> list[Group]:
        groups: dict[Any, list[Group]] = {}
        for member in members:
            if member.is_identity:
                self.nodes[id(member.module)] = IDENTITY
                continue
            parts = self._parts(member)
            key: tuple[Any, ...] = (
                member.kind,
                tuple(member.methods.items()),
                tuple(parts),
                _buffer_options(member.module),
            )
            if torch_class(member.kind) is not nn.Module:
                key = (*key, tuple(member.attributes.items()))
            skeletons = {name: node and node.skeleton() for name, node in parts.items()}
            fitting = (g for g in groups.setdefault(key, []) if _compatible(g.skeletons, skeletons))
            group = next(fitting, None)
            if group is None:
                groups[key].append(group := Group())
            group.members.append(member)
            group.parts.append(parts)
            group.skeletons = {n: s or group.skeletons.get(n) for n, s in skeletons.items()}
        return [group for alike in groups.values() for group in alike]

    def _parts(self, member: Instance) -> dict[str, Node | None]:
        """Returns attributes, parameters, buffers and children by name; None for a child that only passes on."""
        module, unsaved = member.module, member.module._non_persistent_buffers_set
        if torch_class(member.kind) is not nn.Module:
            return {}
        parts: dict[str, Node | None] = {}
        for name in sorted(member.attributes, key=list(vars(module)).index):
            parts[ATTRIBUTE + name] = Node("", {name: member.attributes[name]})
        for name, p in module._parameters.items():
            if p is not None:
                made = tensor(p, f"{member.path}.{name}")
                parts[name] = Node(
                    "nn.Parameter", {"data": made, "requires_grad": p.requires_grad}, {"requires_grad": True}
                )
        for name, b in module._buffers.items():
            if b is not None:
                parts[name] = tensor(b, f"{member.path}.{name}", saved=name not in unsaved)
        for name, child in module._modules.items():
            if child is not None:
                node = self._node(child, f"{member.path}.{name}")
                parts[name] = None if node is IDENTITY else node
        return parts

    def _define(self, group: Group, opened: bool) -> None:
        first = group.members[0]
        kind = first.kind
        name = self._free_name(kind.__name__)
        base = torch_class(kind)
        if base is not nn.Module:
            self._derived(group, name, base)
            return
        methods = dict(first.methods)
        identities = [n for n in group.parts[0] if all(p[n] is None for p in group.parts)]
        left_out = passed_through(methods, identities)
        parts = [{n: node for n, node in p.items() if n not in left_out} for p in group.parts]
        # the others are arguments to something, which needs a module
        for p in parts:
            p.update({n: IDENTITY for n in p if all(q[n] is None for q in parts)})
        signature = parameters(parts, methods, opened)
        fixed = {
            n.removeprefix(ATTRIBUTE): node.args[n.removeprefix(ATTRIBUTE)]
            for n, node in parts[0].items()
            if n.startswith(ATTRIBUTE) and node and (n, n.removeprefix(ATTRIBUTE)) not in signature.symbols
        }
        changing = stored(methods)
        literals = {n: v for n, v in fixed.items() if n not in changing}
        zero_init = self.zero_init.lines([member.module for member in group.members], "self")
        init = init_text(parts, signature, dict(_buffer_options(first.module)), list(literals), zero_init)
        bodies = [inlined(code, literals, left_out) for code in methods.values()]
        self.sources[name] = class_text(name, "nn.Module", kind, [*init, *bodies])
        for i, member in enumerate(group.members):
            self.nodes[id(member.module)] = Node(name, *signature.arguments(i))

    def _free_name(self, name: str) -> str:
        name = next(n for n in (name, *(f"{name}{i}" for i in range(2, 9999))) if n not in self.taken)
        self.taken.add(name)
        return name

    def _derived(self, group: Group, name: str, base: type[nn.Module]) -> None:
        """Defines a class on top of one of PyTorch's, whose constructor it keeps."""
        first = group.members[0]
        methods = [inlined(code, first.attributes, ()) for code in first.methods.values()]
        self.sources[name] = class_text(name, f"nn.{base.__name__}", first.kind, methods)
        for member in group.members:
            module, path = member.module, member.path
            if base in CONTAINERS:
                children = {
                    n: self._node(m, f"{path}.{n}") for n, m in module._modules.items() if m is not None
                }
                made = container(module, children)
            else:
                made = leaf(module, path)
            self.nodes[id(module)] = Node(name, made.args, made.defaults, made.wrap)


def _generations(instances: Iterable[Instance]) -> list[list[Instance]]:
    """Returns instances by class, classes that others contain first; by height where a class contains itself."""
    by_id = {id(i.module): i for i in instances}
    inside = {
        i: [by_id[id(m)] for m in one.module.modules() if id(m) in by_id and id(m) != i]
        for i, one in by_id.items()
    }
    # ordered, for a set of classes has another order in each process
    needs: dict[type, dict[type, None]] = {}
    for i, one in by_id.items():
        needs.setdefault(one.kind, {}).update(dict.fromkeys(other.kind for other in inside[i]))
    try:
        return [
            [i for i in by_id.values() if i.kind is kind] for kind in TopologicalSorter(needs).static_order()
        ]
    except CycleError:
        sizes: dict[int, list[Instance]] = {}
        for i, one in by_id.items():
            sizes.setdefault(len(inside[i]), []).append(one)
        return [sizes[n] for n in sorted(sizes)]


def _compatible(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Returns true where the parts that both have are alike; a part may be missing in some instances."""
    return all(a[name] is None or b[name] is None or a[name] == b[name] for name in b)


def _buffer_options(module: nn.Module) -> tuple[tuple[str, str], ...]:
    """Returns further arguments of ``register_buffer``, by the buffer's name."""
    unsaved = module._non_persistent_buffers_set
    return tuple((n, ", persistent=False" if n in unsaved else "") for n in module._buffers)
