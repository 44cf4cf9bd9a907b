"""A module as the text of a file that imports torch alone."""

import ast
import dataclasses
import importlib.util
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from convblocks.analysis import Trace, analyze
from convblocks.analysis.trace import check_alone
from convblocks.deploy.code.classes import Classes
from convblocks.deploy.code.instances import instances
from convblocks.deploy.code.node import written
from convblocks.errors import CodeError, MissingExtra, Setting
from convblocks.records import Analysis
from convblocks.signal.observe import copy_of
from convblocks.text import UNSAFE, shown, times

LINE = 100
RESERVED = ("make", "main", "shapes", "read_safetensors", "DTYPES", "torch", "nn", "F")

PAPER = re.compile(r"\(([^()]*\d{4}[^()]*(?:arXiv:[\d.]+|section|figure)[^()]*)\)")

MAIN = '''
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_safetensors(path: str) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file: the header's length, the header as JSON, the numbers."""
    data = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"{name} has dtype {entry['dtype']}; known are {', '.join(DTYPES)}")
        numbers = torch.frombuffer(data[start + begin : start + end], dtype=DTYPES[entry["dtype"]])
        tensors[name] = numbers.reshape(entry["shape"])
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the module once on random numbers.")
    parser.add_argument("--load", metavar="FILE", help="weights, a .safetensors file")
    arguments = parser.parse_args()
    module = make().eval()
    if arguments.load:
        try:
            weights = read_safetensors(arguments.load)
        except OSError as error:
            parser.error(f"{arguments.load} cannot be read: {error.strerror}")
        except (ValueError, LookupError, RuntimeError) as error:
            parser.error(f"{arguments.load} cannot be read as .safetensors: {' '.join(str(error).split())}")
        if differ := sorted(weights.keys() ^ module.state_dict().keys()):
            parser.error(
                f"{arguments.load} does not fit: {len(differ)} keys are not in both, as {differ[0]}; expected those of "
                "convblocks, which convblocks.networks.weights.from_foreign makes of torchvision's or timm's"
            )
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            parser.error(f"{arguments.load} does not fit: {' '.join(str(error).split())}")
    with torch.no_grad():
        x = torch.randn(1, *INPUT_SIZE)
        print(f"{tuple(x.shape)} -> {tuple(module(x).shape)}")


if __name__ == "__main__":
    main()
'''
PRINTED = "tuple(module(x).shape)"
SHAPES = '''
def shapes(output: object) -> object:
    """The shape of a tensor, or of each in a tuple, list, dict or object with attributes."""
    if isinstance(output, torch.Tensor):
        return tuple(output.shape)
    if isinstance(output, (list, tuple)):
        return [shapes(value) for value in output]
    if isinstance(output, dict):
        return {key: shapes(value) for key, value in output.items()}
    fields = getattr(output, "__dataclass_fields__", None) or getattr(output, "__dict__", None)
    return output if fields is None else {name: shapes(getattr(output, name)) for name in fields}

'''
MAIN_IMPORTS = ("import argparse", "import json", "from pathlib import Path")


def _run(module: nn.Module, input_size: Sequence[int]) -> Any:
    """What it gives for two examples, since one alone may be refused."""
    copy = copy_of(module).eval()
    try:
        with torch.no_grad():
            return copy(torch.zeros(2, *input_size))
    except Exception as error:  # a forward may raise anything
        size, reason = times(input_size), " ".join(str(error).split())
        raise CodeError(
            f"{type(module).__name__} cannot be run on one input of {size}: {type(error).__name__}: {reason}; code "
            "writes modules of one input, whose size is given by ",
            Setting("input"),
        ) from error


def module_code(
    target: nn.Module | Trace,
    *input_sizes: Sequence[int],
    title: str = "",
    command: str = "",
    alike: Sequence[nn.Module] = (),
) -> str:
    """The text of a Python file whose ``make()`` gives the same module, state-dict keys and all, from torch alone.

    target: a module, or its trace, beside which no size is given.
    input_sizes: (channels, *spatial) of an example, for the shapes and costs that the docstring states.
    title: its first line. command: what made it, for the docstring.
    alike: more modules of the same class, so that the file's class says in general what differs in them.

    Each class's forward is our own, with what this module's options decide decided. The text is formatted by
    ruff, run once in a namespace of its own and compared with the module: keys, shapes and, to the bit, the output in
    eval mode. Raises CodeError for what a file cannot say, MissingExtra without ruff.
    """
    module, input_size = _one_input(target, input_sizes)
    _refuse_unsafe_names(module)
    found, definitions = instances(module, *alike)
    classes = Classes(found, {*RESERVED, *definitions.sources})
    made = written(classes.define(module), {})
    make = _make(made, classes.zero_init.said([module], "module"))
    output = _run(module, input_size)
    several = not isinstance(output, torch.Tensor)
    main = f"{SHAPES}{MAIN.replace(PRINTED, 'shapes(module(x))')}" if several else MAIN
    body = f"{make}\n\n{main}".replace("*INPUT_SIZE", ", ".join(map(str, input_size)))
    parts = list(_reachable({**definitions.sources, **classes.sources}, body))
    code = "\n\n\n".join([*parts, body])
    imports = _imports({*definitions.imports, *MAIN_IMPORTS}, code)
    doc = _docstring(analyze(target, *input_sizes), module, output, title or type(module).__name__, command)
    text = formatted("\n\n".join([doc, imports, code]))
    if unsafe := UNSAFE.search(text):  # such as a docstring of the user's own
        raise CodeError(
            f"{type(module).__name__}: its code holds the character {shown(unsafe[0])}, which cannot be shown; "
            "write it there as its escape"
        )
    check(text, module, input_size)
    return text


def _one_input(
    target: nn.Module | Trace, input_sizes: Sequence[Sequence[int]]
) -> tuple[nn.Module, tuple[int, ...]]:
    """The module, and the size of its input. Raises CodeError where there are several."""
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
    """Raise CodeError for names of layers and tensors that code cannot hold, or that would steer who reads it."""
    for name in (*dict(module.named_modules()), *module.state_dict()):
        if UNSAFE.search(name):
            raise CodeError(
                f"{type(module).__name__}: the name {shown(name)} has characters that cannot be shown; rename it"
            )


def _make(made: str, starts: Sequence[str]) -> str:
    lines = [f"module = {made}", *starts, "return module"] if starts else [f"return {made}"]
    doc = '"""The module, with random weights."""'
    return "\n    ".join(["def make() -> nn.Module:", doc, *lines]) + "\n"


def _reachable(sources: Mapping[str, str], body: str) -> Iterator[str]:
    """Those that the body needs, and what these need."""
    needed, reached = set[str](), _names(body)
    while more := reached & sources.keys() - needed:
        needed |= more
        reached = set().union(*(_names(sources[name]) for name in more))
    return (source for name, source in sources.items() if name in needed)


def _names(code: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def _imports(lines: set[str], code: str) -> str:
    """Those that are used: Python's own, then torch's; ``import`` before ``from``."""
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


def _docstring(analysis: Analysis, module: nn.Module, output: Any, title: str, command: str) -> str:
    lines = [title, ""]
    lines.append(f"shapes           {_shape(analysis.input_size)} -> {_shapes(output)}")
    lines.append(f"parameters       {analysis.params:,}")
    unknown = f", without {', '.join(analysis.unknown_ops)}" if analysis.unknown_ops else ""
    lines.append(f"MACs             {analysis.macs:,} for one example of this size{unknown}")
    spans = [
        "all" if axis == "all" else f"{axis[2] - axis[1] + 1:,}" for axis in analysis.receptive_field if axis
    ]
    if spans and len(spans) == len(analysis.receptive_field):
        extent = "the whole input" if set(spans) == {"all"} else " × ".join(spans)
        lines.append(f"receptive field  {extent}")
    for i, source in enumerate(_papers(module)):
        lines.append(f"{'' if i else 'source':<17}{source}")
    if command:
        lines += [
            "",
            *textwrap.wrap(f"Made by: {command}", LINE - 4, break_on_hyphens=False, break_long_words=False),
        ]
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{text}\n"""'


def _shape(size: Sequence[int]) -> str:
    return f"(N, {', '.join(map(str, size))})"


def _shapes(output: Any) -> str:
    """Those of an output and of what it holds: (N, 4), or {scores: (N, 4), maps: [(N, 8, 14, 14), …]}."""
    if isinstance(output, torch.Tensor):
        return _shape(output.shape[1:]) if output.ndim else "()"
    if isinstance(output, Sequence) and not isinstance(output, str):
        return f"[{', '.join(map(_shapes, output))}]"
    held = _attributes(output)
    return (
        type(output).__name__
        if held is None
        else f"{{{', '.join(f'{k}: {_shapes(v)}' for k, v in held.items())}}}"
    )


def _attributes(output: Any) -> Mapping[Any, Any] | None:
    """What a dict or a dataclass holds, by name; None for other values."""
    if isinstance(output, Mapping):
        return output
    if not dataclasses.is_dataclass(output) or isinstance(output, type):
        return None
    return {field.name: getattr(output, field.name, None) for field in dataclasses.fields(output)}


def _papers(module: nn.Module) -> list[str]:
    """The papers that the docstrings of its classes name, outermost first."""
    found: dict[str, None] = {}
    for kind in dict.fromkeys(type(m) for m in module.modules()):
        if kind.__module__.partition(".")[0] == "torch":
            continue
        summary = " ".join((kind.__dict__.get("__doc__") or "").split("\n\n")[0].split())
        found.update(dict.fromkeys(PAPER.findall(summary)))
    return list(found)


def formatted(text: str) -> str:
    """As ``ruff format`` writes it."""
    if importlib.util.find_spec("ruff") is None:
        raise MissingExtra("ruff", "code", "writing code")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", str(LINE), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CodeError(f"ruff cannot format what was written: {' '.join(done.stderr.split())}")
    return done.stdout


def check(text: str, module: nn.Module, input_size: Sequence[int]) -> None:
    """Run the file and compare its module with ours. Raises CodeError where they differ."""
    space: dict[str, Any] = {"__name__": "standalone"}
    try:
        exec(compile(text, "<standalone>", "exec"), space)  # noqa: S102 - written by us, of code that has run
        theirs = space["make"]()
        ours = copy_of(module).eval()
        expected = {name: t.shape for name, t in ours.state_dict().items()}
        found = {name: t.shape for name, t in theirs.state_dict().items()}
        if differ := sorted(n for n in {*expected, *found} if expected.get(n) != found.get(n)):
            raise CodeError(f"the file's state dict would differ at {differ[0]}")
        theirs.to(next((t.dtype for t in ours.state_dict().values() if t.is_floating_point()), torch.float32))
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(2, *input_size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            same = _equal(ours(x.clone()), theirs.eval()(x.clone()))
    except CodeError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise CodeError(
            f"{type(module).__name__} cannot stand alone: {type(error).__name__}: {reason}"
        ) from error
    if not same:
        raise CodeError(f"the file's {type(module).__name__} would not give the same bits")


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return (
            isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())
        )
    if isinstance(a, Sequence) and not isinstance(a, str):
        return len(a) == len(b) and all(map(_equal, a, b))
    ours, theirs = _attributes(a), _attributes(b)
    if ours is not None and theirs is not None:
        return ours.keys() == theirs.keys() and all(_equal(ours[k], theirs[k]) for k in ours)
    return bool(a == b)
