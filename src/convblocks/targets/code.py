"""A user's own code as a target: a function without arguments, a torch.nn.Module class, or a module.

What the code of a file imports may lie in the file's folder, but nothing that others import is taken from there.
What goes wrong inside the code is one line that says where.
"""

import inspect
import sys
import traceback
from collections.abc import Callable
from difflib import get_close_matches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from torch import nn

from convblocks.errors import TargetError
from convblocks.files import open_regular
from convblocks.importing import forget, import_named, open_folder, opened
from convblocks.targets.target import Target, built, hint
from convblocks.targets.zoos import with_operators
from convblocks.text import listed, shown

Made = TypeVar("Made")

_from_files: set[str] = set()  # modules that the last file and its folder brought


def from_file(text: str, path: Path, name: str, on_meta: bool) -> Target:
    """``file.py:NAME``."""
    try:
        open_regular(path).close()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TargetError(f"{shown(text)}: there is no file {shown(path)}{_similar(path)}") from error
    except OSError as error:
        raise TargetError(f"{shown(text)}: {shown(path)} cannot be read: {error.strerror}") from error
    # two folders may each have a blocks.py, and a file may have been changed since
    forget(_from_files)
    _from_files.clear()
    before = opened()
    try:
        code = _run(text, lambda: with_operators(lambda: _load(path)))
        return Target(module=_module(text, code, name, on_meta), name=text, kind="file")
    finally:
        _from_files.update(opened() - before)


def from_import(text: str, where: str, name: str, on_meta: bool) -> Target:
    """``package.module:NAME``."""
    try:
        code = _run(text, lambda: with_operators(lambda: import_named(where)))
    except TargetError as error:
        cause = error.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing and f"{where}.".startswith(f"{missing}."):
            raise TargetError(
                f"{shown(text)}: there is no Python module {missing!r} to import here; "
                f"for a file write path/to/file.py:{name or 'NAME'}"
            ) from cause
        raise
    return Target(module=_module(text, code, name, on_meta), name=text, kind="import")


def _module(text: str, code: ModuleType, name: str, on_meta: bool) -> nn.Module:
    """The module that `name` in `code` is or makes."""
    names = _makers(code)
    if not hasattr(code, name):
        wanted = f"has no {name!r}" if name else "needs a name, as in file.py:NAME"
        raise TargetError(f"{shown(text)}: {code.__name__} {wanted}; {hint(name, names)}")
    found = getattr(code, name)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise TargetError(
            f"{shown(text)}: {name} is of type {type(found).__name__}, neither a torch.nn.Module nor a function that "
            f"makes one; {hint(name, [n for n in names if n != name])}"
        )
    if needed := _needed(found):
        call = f"{name}({', '.join(f'{argument}=…' for argument in needed)})"
        raise TargetError(
            f"{shown(text)}: {name} needs {listed(needed)}; write a function without arguments, "
            f"def make_model(): return {call}, and give FILE.py:make_model"
        )
    made = _run(text, lambda: built(found, on_meta))
    if not isinstance(made, nn.Module):
        raise TargetError(
            f"{shown(text)}: {name}() returned {type(made).__name__}, expected a torch.nn.Module"
        )
    return made


def _makers(code: ModuleType) -> list[str]:
    """Names in `code` that could be targets, if it has any of its own only those."""
    makers = {
        n: v for n, v in vars(code).items() if n[0] != "_" and (isinstance(v, nn.Module) or callable(v))
    }
    own = [
        n
        for n, v in makers.items()
        if isinstance(v, nn.Module) or getattr(v, "__module__", "") == code.__name__
    ]
    return own or list(makers)


def _needed(maker: Callable[..., object]) -> list[str]:
    """Arguments that `maker` cannot be called without."""
    try:
        parameters = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):  # something compiled: calling it will tell
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in optional]


def _load(path: Path) -> ModuleType:
    name = path.stem if path.stem not in sys.modules else f"convblocks_target_{path.stem}"
    spec = spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    code = module_from_spec(spec)
    sys.modules[name] = code  # dataclasses and typing look a class's module up there
    open_folder(name, str(path.resolve().parent))
    spec.loader.exec_module(code)
    return code


def _run(text: str, code: Callable[[], Made]) -> Made:
    """What `code` returns; what it raises becomes a TargetError that names the file and line."""
    try:
        return code()
    except (Exception, SystemExit) as error:  # a user's file may do anything
        (file, line), reason = _place(error), error.msg if isinstance(error, SyntaxError) else str(error)
        what = f"{type(error).__name__} in {shown(file)}, line {line}"
        raise TargetError(": ".join(filter(None, (shown(text), what, " ".join(reason.split()))))) from error


def _place(error: BaseException) -> tuple[str, int | None]:
    """File and line where the user can fix something: not inside torch, an importer or ourselves."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    others = ("<frozen", str(Path(nn.__file__).parents[1]), str(Path(__file__).parents[1]))
    own = [frame for frame in frames if not frame.filename.startswith(others)]
    frame = (own or frames)[-1]
    return frame.filename, frame.lineno


def _similar(path: Path) -> str:
    files = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
    close = get_close_matches(path.name, files, n=1)
    return f"; did you mean {str(path.with_name(close[0]))!r}?" if close else ""
