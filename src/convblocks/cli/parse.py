"""Options that are lists, numbers or amounts, and how an argument is spelled as an option."""

import re
import shlex
from collections.abc import Sequence
from decimal import Decimal
from math import inf, isfinite, prod
from pathlib import Path

from cyclopts import Token

from convblocks.errors import OptionError, Setting, SpecError
from convblocks.files import require_writable
from convblocks.layout import parse_axes
from convblocks.notation import split
from convblocks.records import Loading, Machine, Question
from convblocks.records.option import fields
from convblocks.text import listed, shown

# digits that a number may have: more mean nothing here, and Python refuses to read 4,301
WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
NUMBER = re.compile(r"[+-]?([0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
BYTES = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?) ?([kmgt])(i?)b", re.IGNORECASE)
AMOUNT = re.compile(
    r"((?:[0-9]{1,3}(?:[_,][0-9]{3}){1,9}(?=$)|[0-9]{1,30})(?:\.[0-9]{1,30})?(?:[eE]\+?[0-9]{1,3})?) ?([kKmMgG]?)"
)
MOST_BYTES = 2**63 - 1
MOST_ELEMENTS = 2**40  # of an input: beyond all memory, and what is computed from it still fits 63 bits

SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
FLAGS = {field.name: field.flag for field in fields(Question, Loading, Machine).values()} | {
    "memory_bytes": "--memory",
    "steps": "--along",
}
"""Flags of arguments, where they may not be the argument's name."""


def flag_name(option: str) -> str:
    """Returns the flag of an argument of Python, whether or not a command has it."""
    return FLAGS.get(option, "--" + option.replace("_", "-"))


def flag(setting: Setting) -> str:
    """Returns an argument as one types it: ``--image-size 8``, ``--skip-broken``."""
    name = flag_name(setting.option)
    if setting.value is ... or setting.value is True:
        return name
    several = isinstance(setting.value, list | tuple)
    between = "x" if setting.option == "image_size" else ","
    text = between.join(map(str, setting.value)) if several else str(setting.value)  # type: ignore[call-overload]
    return f"{name} {shlex.quote(shown(text))}"


def names(option: str, text: str) -> list[str]:
    """Returns ``simple,wide(kernels=B(3,1,3))`` as a list of two."""
    try:
        parts = split(text)
    except SpecError as error:
        raise OptionError(option, text, error.problem) from error
    if not all(parts):
        raise OptionError(option, text, "expected names separated by single commas, e.g. simple,residual")
    return parts


def numbers(option: str, text: str) -> list[int]:
    """Returns ``1,2,4`` as a list."""
    parts = [part.strip() for part in text.split(",")]
    values = [int(part) for part in parts if WHOLE.fullmatch(part)]
    if len(values) < len(parts) or min(values) < 1:
        raise OptionError(
            option, text, "expected whole numbers of at least 1, separated by single commas, e.g. 1,2,4"
        )
    return values


def whole_number(option: str, text: str) -> int:
    """Returns a whole number as typed."""
    if not WHOLE.fullmatch(text):
        raise OptionError(option, text, "expected a whole number, e.g. 3")
    return int(text)


def finite_number(option: str, text: str) -> float:
    """Returns a finite number as typed."""
    if not NUMBER.fullmatch(text):
        raise OptionError(option, text, "expected a number, e.g. 0.05")
    number = float(text)
    if not isfinite(number):
        raise OptionError(option, text, "expected a number that is not beyond all bounds, e.g. 0.05")
    return number


def whole(_kind: object, tokens: Sequence[Token]) -> int:
    """Converts for cyclopts, which by itself would round 1.5."""
    return whole_number(_option(tokens[0]), tokens[0].value)


def number(_kind: object, tokens: Sequence[Token]) -> float:
    """Converts for cyclopts, which by itself would take nan."""
    return finite_number(_option(tokens[0]), tokens[0].value)


def require_seed(seed: int) -> None:
    """Raises OptionError for a number that numpy or torch takes for no seed."""
    if not 0 <= seed < 2**63:
        raise OptionError("seed", seed, "expected a whole number of at least 0, below 2^63")


def output_file(option: str, text: str | None, *endings: str) -> Path | None:
    """Returns the file to write, checked before anything is computed; None where none is given.

    endings: of names of that format, the usual one first; a name without an ending passes too.
    Raises OptionError for what is no file's name or a name of another format, and OSError for a place that cannot
    be written.
    """
    if text is None:
        return None
    path = Path(text)
    if not text or path.is_dir():
        raise OptionError(option, text, f"expected a file, e.g. x{endings[0]}")
    if path.suffix and path.suffix.lower() not in endings:
        kind, instead = endings[0][1:].upper(), path.with_suffix(endings[0])
        raise OptionError(option, text, f"is written as {kind}; give {shown(instead)}")
    require_writable(path)
    return path


def require_axes(axes: str | None, *, batch_first: bool = False) -> None:
    """Raises OptionError for text that names no axes; that they fit the input is checked with it."""
    if axes is not None and parse_axes(axes).batch and batch_first:
        raise OptionError("axes", axes, "expected the batch first, as each example is measured by itself")


def _option(token: Token) -> str:
    return (token.keyword or "").removeprefix("--").replace("-", "_")


def amount(option: str, text: str) -> int:
    """Returns ``5M`` as 5,000,000; also ``1_000`` and ``1,000``, but no comma for a decimal point."""
    match = AMOUNT.fullmatch(text.strip())
    exact = Decimal(re.sub("[_,]", "", match[1])) * SUFFIXES[match[2].lower()] if match else Decimal(0)
    if exact < 1 or exact != int(exact):
        raise OptionError(
            option, text, "expected a positive amount such as 5M, 250k or 1.2G, with a point for decimals"
        )
    return int(exact)


def memory_size(option: str, text: str) -> int:
    """Returns ``8GB`` as 8·10⁹ bytes, and ``8GiB`` as 8·2³⁰."""
    match = BYTES.fullmatch(text.strip())
    if not match or not Decimal(match[1]):
        raise OptionError(option, text, "expected an amount of memory such as 8GB, 24GiB or 512MB")
    power = "kmgt".index(match[2].lower()) + 1
    size = int(Decimal(match[1]) * (1024 if match[3] else 1000) ** power)
    if not 1 <= size <= MOST_BYTES:
        raise OptionError(option, text, "expected at least 1 byte, and no more than an address can count")
    return size


AXES = "expected channels and 1 to 3 spatial axes, e.g. 3x224x224"


def shape(option: str, text: str) -> tuple[int, ...]:
    """Returns ``3x224x224`` as (3, 224, 224): channels, then 1, 2 or 3 spatial axes."""
    axes = _axes(option, text)
    if len(axes) not in (2, 3, 4):
        raise OptionError(option, text, AXES)
    return axes


def pixels(option: str, text: str | None) -> int | tuple[int, ...] | None:
    """Returns ``32`` as 32, along every axis, and ``32x48`` as (32, 48): height, then width."""
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if not 1 <= len(parts) <= 3 or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
        raise OptionError(
            option, text, "expected pixels along every axis, or height x width, e.g. 32 or 32x48"
        )
    sizes = tuple(int(part) for part in parts)
    return sizes[0] if len(sizes) == 1 else sizes


def _axes(option: str, text: str) -> tuple[int, ...]:
    """Returns the axes of one input; none where the text is no size."""
    parts = text.lower().replace("×", "x").split("x")
    axes = tuple(int(part) for part in parts if WHOLE.fullmatch(part))
    if len(axes) < len(parts) or min(axes) < 1:
        return ()
    if prod(axes) > MOST_ELEMENTS:
        raise OptionError(option, text, "has more elements than torch can count; expected fewer")
    return axes


def levels(option: str, text: str) -> float:
    """Returns ``2`` as 2, and ``all`` as infinity."""
    if text == "all":
        return inf
    if not WHOLE.fullmatch(text) or int(text) < 1:
        raise OptionError(option, text, "expected a whole number of at least 1, or all")
    return int(text)


DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


def sized(option: str, text: str) -> tuple[tuple[int, ...], str]:
    """Returns ``3x224x224`` as ((3, 224, 224), "float32"), and ``128:int64`` as ((128,), "int64")."""
    axes, colon, dtype = text.partition(":")
    size = _axes(option, axes)
    if not size:
        raise OptionError(
            option,
            text,
            "expected the axes of one input without the batch, whole numbers of at least 1 joined by x, "
            "e.g. 3x224x224, or 128:int64 with a dtype",
        )
    if colon and dtype not in DTYPES:
        raise OptionError(option, text, f"expected a dtype of {listed(DTYPES, 'or')}")
    return size, dtype or DTYPES[0]
