"""A module as the text of a file that imports torch alone."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn

from convblocks.analysis import Trace, analyze
from convblocks.analysis.trace import check_alone
from convblocks.deploy.code.classes import Classes
from convblocks.deploy.code.docstring import docstring
from convblocks.deploy.code.instances import instances
from convblocks.deploy.code.main_function import MAIN_IMPORTS, main_text
from convblocks.deploy.code.node import written
from convblocks.deploy.code.outputs import example_output
from convblocks.deploy.code.verification import verify
from convblocks.errors import CodeError, MissingExtra, Setting
from convblocks.text import UNSAFE, shown

LINE = 100
RESERVED = ("make", "main", "shapes", "read_safetensors", "DTYPES", "torch", "nn", "F")


def module_code(
    target: nn.Module | Trace,
    *input_sizes: Sequence[int],
    title: str = "",
    command: str = "",
    alike: Sequence[nn.Module] = (),
) -> str:
    """Returns the text of a Python file whose ``make()`` gives the same module, state-dict keys and all.

    Each class's forward is our own, with what this module's options decide decided. The text is formatted by
    ruff, run once in a namespace of its own and compared with the module: keys, shapes and, to the bit, the output in
    eval mode.

    Args:
        target: a module of one input, or its trace, beside which no size is given.
        input_sizes: (channels, *spatial) of an example, for the shapes and costs that the docstring states.
        title: first line of the docstring; the class's name if not given.
        command: what made the file, for the docstring.
        alike: more modules of the same class; what differs in them becomes parameters of the file's class.

    Raises:
        CodeError: a file cannot write the module.
        MissingExtra: ruff is not installed.
    """
    module, input_size = _one_input(target, input_sizes)
    _refuse_unsafe_names(module)
    by_id, definitions = instances(module, *alike)
    classes = Classes(by_id, {*RESERVED, *definitions.sources})
    call = written(classes.define(module), {})
    make = _make(call, classes.zero_init.lines([module], "module"))
    output = example_output(module, input_size)
    body = f"{make}\n\n{main_text(input_size, several=not isinstance(output, torch.Tensor))}"
    parts = list(_reachable({**definitions.sources, **classes.sources}, body))
    code = "\n\n\n".join([*parts, body])
    imports = _imports({*definitions.imports, *MAIN_IMPORTS}, code)
    doc = docstring(analyze(target, *input_sizes), module, output, title=title, command=command, width=LINE)
    text = formatted("\n\n".join([doc, imports, code]))
    # such as in a docstring of the user's own
    if unsafe := UNSAFE.search(text):
        raise CodeError(
            f"{type(module).__name__}: its code holds the character {shown(unsafe[0])}, which cannot be shown; "
            "write it there as its escape"
        )
    verify(text, module, input_size)
    return text


def _one_input(
    target: nn.Module | Trace, input_sizes: Sequence[Sequence[int]]
) -> tuple[nn.Module, tuple[int, ...]]:
    """Returns the module and the size of its input.

    Raises:
        CodeError: it has several inputs.
    """
    module, sizes = target, input_sizes
    if isinstance(target, Trace):
        check_alone(input_sizes, (), None)
        module, sizes = target.module, target.input_sizes
    assert isinstance(module, nn.Module)
    if len(sizes) != 1:
        raise CodeError(
            f"{type(module).__name__}: got {len(sizes)} input sizes; code writes modules of one input, whose size is "
            "given by ",
            Setting("input"),
        )
    return module, tuple(sizes[0])


def _refuse_unsafe_names(module: nn.Module) -> None:
    """Raises CodeError for names of layers and tensors with characters that cannot be shown."""
    for name in (*dict(module.named_modules()), *module.state_dict()):
        if UNSAFE.search(name):
            raise CodeError(
                f"{type(module).__name__}: the name {shown(name)} has characters that cannot be shown; rename it"
            )


def _make(call: str, zero_init: Sequence[str]) -> str:
    lines = [f"module = {call}", *zero_init, "return module"] if zero_init else [f"return {call}"]
    doc = '"""The module, with random weights."""'
    return "\n    ".join(["def make() -> nn.Module:", doc, *lines]) + "\n"


def _reachable(sources: Mapping[str, str], body: str) -> Iterator[str]:
    """Yields the definitions that the body needs, and those that these need."""
    needed, reached = set[str](), _names(body)
    while more := reached & sources.keys() - needed:
        needed |= more
        reached = set().union(*(_names(sources[name]) for name in more))
    return (source for name, source in sources.items() if name in needed)


def _names(code: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def _imports(lines: set[str], code: str) -> str:
    """Returns the imports that are used: Python's own, then torch's; ``import`` before ``from``."""
    names = _names(code)
    attributes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)]
    dotted = {f"{node.value.id}.{node.attr}" for node in attributes if isinstance(node.value, ast.Name)}
    if "OrderedDict" in names:
        lines = {*lines, "from collections import OrderedDict"}
    used = []
    for line in lines:
        bound = line.split()[-1]
        if bound in names or bound in dotted or ("." in bound and bound.partition(".")[0] in names):
            used.append(line)
    ordered = sorted(used, key=lambda line: (line.startswith("from"), line.split()[1], line))
    groups = [
        [line for line in ordered if ("torch" in line.split()[1]) is torch_s] for torch_s in (False, True)
    ]
    return "\n\n".join("\n".join(group) for group in groups if group)


def formatted(text: str) -> str:
    """Returns the code as ``ruff format`` writes it.

    Raises:
        CodeError: ruff cannot parse it.
        MissingExtra: ruff is not installed.
    """
    if importlib.util.find_spec("ruff") is None:
        raise MissingExtra("ruff", "code", "writing code")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", str(LINE), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CodeError(f"ruff cannot format what was written: {' '.join(done.stderr.split())}")
    return done.stdout
