"""The text of one class: its docstring, its constructor and its methods."""

import ast
import inspect
import textwrap
from collections.abc import Mapping, Sequence

from convblocks.deploy.code.definitions import is_identifier, literal
from convblocks.deploy.code.node import Node, written
from convblocks.deploy.code.variables import ATTRIBUTE, Parameters, declared


def init_text(
    parts: Sequence[Mapping[str, Node | None]],
    parameters: Parameters,
    buffers: Mapping[str, str],
    fixed: Sequence[str],
    zero_init: Sequence[str],
) -> list[str]:
    """Returns ``__init__``, or nothing if there is nothing to make.

    Args:
        parts: of each instance the calls that make its parts, by name.
        parameters: the constructor's signature.
        buffers: further arguments of ``register_buffer``, by the buffer's name.
        fixed: attributes that the methods hold as literals.
        zero_init: last lines, which set weights to zero.
    """
    lines = list(parameters.lines)
    for name in parts[0]:
        node = next(p[name] for p in parts if p[name] is not None)
        assert node is not None
        if not name.startswith(ATTRIBUTE):
            lines.append(_part_line(name, node, parameters, buffers))
        elif (attribute := name.removeprefix(ATTRIBUTE)) not in fixed:
            symbol = parameters.symbols.get((name, attribute)) or ast.unparse(literal(node.args[attribute]))
            lines.append(f"self.{attribute} = {symbol}")
    if not lines:
        return []
    lines.extend(zero_init)
    signature = ", ".join(["self", *map(declared, parameters.signature)])
    return [
        "\n".join(
            [f"def __init__({signature}):", "    super().__init__()", *(f"    {line}" for line in lines)]
        )
    ]


def _part_line(name: str, node: Node, parameters: Parameters, buffers: Mapping[str, str]) -> str:
    """Returns the statement that makes a module, parameter or buffer."""
    text = written(node, parameters.symbols, (name,))
    if name in parameters.conditions:
        text += f" if {parameters.conditions[name]} else nn.Identity()"
    if name in buffers:
        return f"self.register_buffer({name!r}, {text}{buffers[name]})"
    if is_identifier(name):
        return f"self.{name} = {text}"
    kind = "parameter" if node.callee == "nn.Parameter" else "module"
    return f"self.register_{kind}({name!r}, {text})"


def class_text(name: str, base: str, kind: type, methods: Sequence[str]) -> str:
    """Returns the definition of a class; its docstring is the first paragraph of that of `kind`."""
    own = kind.__dict__.get("__doc__")
    summary = " ".join(inspect.cleandoc(own).split("\n\n")[0].split()) if own else ""
    quoted = summary.replace("\\", "\\\\").replace('"""', "'''")
    doc = [_summary(quoted)] if quoted else []
    body = textwrap.indent("\n\n".join([*doc, *methods]), "    ")
    return f"class {name}({base}):\n{body}"


def _summary(text: str) -> str:
    """Returns a docstring; one that is too long for a line is parted before the shapes."""
    if len(text) > 90 and "; (N" in text:
        first, _, shapes = text.partition("; (N")
        paragraphs = [textwrap.fill(p, 96, break_on_hyphens=False) for p in (f'"""{first}.', f"(N{shapes}")]
        return "\n\n".join(paragraphs) + '\n"""'
    return textwrap.fill(f'"""{text}"""', 96, break_on_hyphens=False)
