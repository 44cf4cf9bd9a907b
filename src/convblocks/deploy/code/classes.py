"""Instances of one class with one structure become one class in the file; in what they differ, its parameters."""

import ast
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from torch import nn

from convblocks.deploy.code.definitions import is_identifier, is_plain, literal, unparsed
from convblocks.deploy.code.instances import Instance
from convblocks.deploy.code.leaves import CONTAINERS, container, leaf, tensor, torch_class
from convblocks.deploy.code.node import IDENTITY, Node, written
from convblocks.deploy.code.parameters import ATTRIBUTE, Parameters, declared, parameters
from convblocks.deploy.code.zero_init import ZeroInit


@dataclass
class Group:
    """Instances that one class can stand for."""

    members: list[Instance] = field(default_factory=list)
    parts: list[dict[str, Node | None]] = field(default_factory=list)  # of each member
    skeletons: dict[str, Any] = field(default_factory=dict)


class Classes:
    """Turns instances into nodes, from the inside out, and keeps the class definitions on the way."""

    def __init__(self, instances: Mapping[int, Instance], taken: set[str]):
        self.instances, self.taken = instances, taken
        self.sources: dict[str, str] = {}  # by name, those that others need first
        self.nodes: dict[int, Node] = {}
        self.zero_init = ZeroInit(m for i in instances.values() for m in i.module.modules())

    def define(self, root: nn.Module) -> Node:
        """The call that makes `root`; `sources` then has the classes, those that others need first."""
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
                _hows(member.module),
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
        """Attributes, parameters, buffers and children by name; None for a child that only passes on."""
        module, loose = member.module, member.module._non_persistent_buffers_set
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
                parts[name] = tensor(b, f"{member.path}.{name}", saved=name not in loose)
        for name, child in module._modules.items():
            if child is not None:
                node = self._node(child, f"{member.path}.{name}")
                parts[name] = None if node is IDENTITY else node
        return parts

    def _define(self, group: Group, opened: bool) -> None:
        first = group.members[0]
        kind = first.kind
        name = next(
            n
            for n in (kind.__name__, *(f"{kind.__name__}{i}" for i in range(2, 9999)))
            if n not in self.taken
        )
        self.taken.add(name)
        base = torch_class(kind)
        if base is not nn.Module:
            self._derived(group, name, base)
            return
        methods = dict(first.methods)
        gone = _passed_through(methods, [n for n in group.parts[0] if all(p[n] is None for p in group.parts)])
        parts = [{n: node for n, node in p.items() if n not in gone} for p in group.parts]
        for p in parts:  # an argument to something, which needs a module
            p.update({n: IDENTITY for n in p if all(q[n] is None for q in parts)})
        found = parameters(parts, methods, opened)
        fixed = {
            n.removeprefix(ATTRIBUTE): node.args[n.removeprefix(ATTRIBUTE)]
            for n, node in parts[0].items()
            if n.startswith(ATTRIBUTE) and node and (n, n.removeprefix(ATTRIBUTE)) not in found.symbols
        }
        stored = _stored(methods)
        literals = {n: v for n, v in fixed.items() if n not in stored}
        starts = self.zero_init.said([member.module for member in group.members], "self")
        lines = _init(parts, found, _hows(first.module), list(literals), starts)
        bodies = [_inlined(code, literals, gone) for code in methods.values()]
        self.sources[name] = _class(name, "nn.Module", kind, [*lines, *bodies])
        for i, member in enumerate(group.members):
            self.nodes[id(member.module)] = Node(name, *found.arguments(i))

    def _derived(self, group: Group, name: str, base: type[nn.Module]) -> None:
        """A class on top of one of PyTorch's, whose constructor it keeps."""
        first = group.members[0]
        methods = [_inlined(code, first.attributes, ()) for code in first.methods.values()]
        self.sources[name] = _class(name, f"nn.{base.__name__}", first.kind, methods)
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


def _generations(found: Any) -> list[list[Instance]]:
    """Instances by class, classes that others contain first; by height where a class contains itself."""
    by_id = {id(i.module): i for i in found}
    inside = {
        i: [by_id[id(m)] for m in one.module.modules() if id(m) in by_id and id(m) != i]
        for i, one in by_id.items()
    }
    needs: dict[type, set[type]] = {}
    for i, one in by_id.items():
        needs.setdefault(one.kind, set()).update(other.kind for other in inside[i])
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
    """Whether the parts that both have are alike; a part may be missing in some instances."""
    return all(a[name] is None or b[name] is None or a[name] == b[name] for name in b)


def _hows(module: nn.Module) -> tuple[tuple[str, str], ...]:
    loose = module._non_persistent_buffers_set
    return tuple((n, ", persistent=False" if n in loose else "") for n in module._buffers)


def _init(
    parts: Sequence[Mapping[str, Node | None]],
    found: Parameters,
    hows: Sequence[tuple[str, str]],
    fixed: Sequence[str],
    starts: Sequence[str],
) -> list[str]:
    """``__init__``, or nothing if there is nothing to make."""
    buffers, lines = dict(hows), list(found.lines)
    for name in parts[0]:
        node = next(p[name] for p in parts if p[name] is not None)
        assert node is not None
        if name.startswith(ATTRIBUTE):
            name = name.removeprefix(ATTRIBUTE)
            if name not in fixed:
                symbol = found.symbols.get((ATTRIBUTE + name, name)) or ast.unparse(literal(node.args[name]))
                lines.append(f"self.{name} = {symbol}")
            continue
        text = written(node, found.symbols, (name,))
        if name in found.conditions:
            text += f" if {found.conditions[name]} else nn.Identity()"
        if name in buffers:
            lines.append(f"self.register_buffer({name!r}, {text}{buffers[name]})")
        elif is_identifier(name):
            lines.append(f"self.{name} = {text}")
        else:
            kind = "parameter" if node.callee == "nn.Parameter" else "module"
            lines.append(f"self.register_{kind}({name!r}, {text})")
    if not lines:
        return []
    lines.extend(starts)
    signature = ", ".join(["self", *map(declared, found.signature)])
    return [
        "\n".join(
            [f"def __init__({signature}):", "    super().__init__()", *(f"    {line}" for line in lines)]
        )
    ]


def _class(name: str, base: str, kind: type, methods: Sequence[str]) -> str:
    own = kind.__dict__.get("__doc__")
    summary = " ".join(inspect.cleandoc(own).split("\n\n")[0].split()) if own else ""
    quoted = summary.replace("\\", "\\\\").replace('"""', "'''")
    doc = [_summary(quoted)] if quoted else []
    body = textwrap.indent("\n\n".join([*doc, *methods]), "    ")
    return f"class {name}({base}):\n{body}"


def _summary(text: str) -> str:
    """A docstring; what is too long for a line is parted before the shapes."""
    if len(text) > 90 and "; (N" in text:
        first, _, shapes = text.partition("; (N")
        paragraphs = [textwrap.fill(p, 96, break_on_hyphens=False) for p in (f'"""{first}.', f"(N{shapes}")]
        return "\n\n".join(paragraphs) + '\n"""'
    return textwrap.fill(f'"""{text}"""', 96, break_on_hyphens=False)


def _stored(methods: Mapping[str, str]) -> set[str]:
    nodes = (n for code in methods.values() for n in ast.walk(ast.parse(code)))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute) and not isinstance(n.ctx, ast.Load)}


def _passed_through(methods: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Those of `names` that the methods only ever call with one argument."""
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
    """Attributes that every instance agrees on as literals, and children that only pass on left out."""

    def __init__(self, values: Mapping[str, Any], gone: Sequence[str]):
        self.values, self.gone = values, gone

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        name = _own_name(node)
        return literal(self.values[name]) if name in self.values else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        node = self.generic_visit(node)  # type: ignore[assignment]
        nothing = isinstance(node.value, ast.Name) and [node.value.id] == [
            getattr(t, "id", None) for t in node.targets
        ]
        return None if nothing else node  # x = x

    def visit_Call(self, node: ast.Call) -> Any:
        if _own_name(node.func) in self.gone:
            return self.visit(node.args[0])
        return self.generic_visit(node)


def _inlined(code: str, values: Mapping[str, Any], gone: Sequence[str]) -> str:
    assert all(map(is_plain, values.values()))
    return unparsed(_Inline(values, gone).visit(ast.parse(code)))
