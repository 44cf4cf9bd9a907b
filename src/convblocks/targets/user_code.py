"""A user's own code as a target: a function without arguments, a torch.nn.Module class, or a module.

The code of a file may import from the file's folder, but nothing that other code imports is taken from there.
An error inside the code becomes one line with its place.
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

# names of modules that the last file and its folder brought into sys.modules
_from_files: set[str] = set()


def from_file(text: str, path: Path, name: str, on_meta: bool) -> Target:
    """Loads ``file.py:NAME``."""
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
    """Loads ``package.module:NAME``."""
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
    """Returns the module that `name` in `code` is or makes."""
    names = _makers(code)
    if not hasattr(code, name):
        problem = f"has no {name!r}" if name else "needs a name, as in file.py:NAME"
        raise TargetError(f"{shown(text)}: {code.__name__} {problem}; {hint(name, names)}")
    maker = getattr(code, name)
    if isinstance(maker, nn.Module):
        return maker
    if not callable(maker):
        raise TargetError(
            f"{shown(text)}: {name} is of type {type(maker).__name__}, neither a torch.nn.Module nor a function that "
            f"makes one; {hint(name, [n for n in names if n != name])}"
        )
    if required := _required(maker):
        call = f"{name}({', '.join(f'{argument}=…' for argument in required)})"
        raise TargetError(
            f"{shown(text)}: {name} needs {listed(required)}; write a function without arguments, "
            f"def make_model(): return {call}, and give FILE.py:make_model"
        )
    made = _run(text, lambda: built(maker, on_meta))
    if not isinstance(made, nn.Module):
        raise TargetError(
            f"{shown(text)}: {name}() returned {type(made).__name__}, expected a torch.nn.Module"
        )
    return made


def _makers(code: ModuleType) -> list[str]:
    """Returns the names in `code` that could be targets; only those of its own, if it has any."""
    makers = {
        n: v for n, v in vars(code).items() if n[0] != "_" and (isinstance(v, nn.Module) or callable(v))
    }
    own = [
        n
        for n, v in makers.items()
        if isinstance(v, nn.Module) or getattr(v, "__module__", "") == code.__name__
    ]
    return own or list(makers)


def _required(maker: Callable[..., object]) -> list[str]:
    """Returns the arguments that `maker` cannot be called without."""
    try:
        parameters = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):  # something compiled: calling it will tell
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in optional]


def _load(path: Path) -> ModuleType:
    """Runs a file as a module of its own; its folder is open to what it imports."""
    name = path.stem if path.stem not in sys.modules else f"convblocks_target_{path.stem}"
    spec = spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    code = module_from_spec(spec)
    # dataclasses and typing look a class's module up there
    sys.modules[name] = code
    open_folder(name, str(path.resolve().parent))
    spec.loader.exec_module(code)
    return code


def _run(text: str, code: Callable[[], Made]) -> Made:
    """Returns what `code` returns; an error in it becomes a TargetError that names the file and line."""
    try:
        return code()
    except (Exception, SystemExit) as error:  # a user's file may do anything
        (file, line), reason = _place(error), error.msg if isinstance(error, SyntaxError) else str(error)
        problem = f"{type(error).__name__} in {shown(file)}, line {line}"
        raise TargetError(
            ": ".join(filter(None, (shown(text), problem, " ".join(reason.split()))))
        ) from error


def _place(error: BaseException) -> tuple[str, int | None]:
    """Returns file and line where the user can fix something: not inside torch, an importer or ourselves."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    not_users = ("<frozen", str(Path(nn.__file__).parents[1]), str(Path(__file__).parents[1]))
    own = [frame for frame in frames if not frame.filename.startswith(not_users)]
    frame = (own or frames)[-1]
    return frame.filename, frame.lineno


def _similar(path: Path) -> str:
    files = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
    close = get_close_matches(path.name, files, n=1)
    return f"; did you mean {str(path.with_name(close[0]))!r}?" if close else ""
