"""Modules of the user's own, in a folder that is not on sys.path: the working directory, or that of a file.

Such a folder is open to the module that the user names and to what that module imports. What installed packages
import never comes from there, and what is installed is never shadowed: a dill.py beside the data is not run.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

MACHINERY = ("importlib", "importlib._bootstrap", "importlib._bootstrap_external", "_frozen_importlib")


class _UserModules(MetaPathFinder):
    """Finds the top-level modules that are named, and what they and their like import, each in one folder."""

    def __init__(self) -> None:
        # the folder in which to look for a module that is being imported, and that from which a loaded one may import
        self.requested: dict[str, str] = {}
        self.folders: dict[str, str] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns the module's spec, if it lies in the folder that is open to whoever imports it."""
        folder = self.requested.get(name) or self.folders.get(_importer())
        # a path: that of the package which the module is in
        if path is not None or folder is None:
            return None
        spec = PathFinder.find_spec(name, [folder], target)
        if spec is not None:
            self.folders[name] = folder
        return spec


_finder = _UserModules()


def import_named(name: str) -> ModuleType:
    """Imports a module that the user named, from sys.path or else from the working directory."""
    top = name.partition(".")[0]
    _install()
    # the working directory has been deleted
    with suppress(OSError):
        _finder.requested[top] = str(Path.cwd())
    try:
        return import_module(name)
    finally:
        _finder.requested.pop(top, None)


def open_folder(module: str, folder: str) -> None:
    """Lets a module of the user's, which is loaded from a file, import others that lie in `folder`."""
    _install()
    _finder.folders[module] = folder


def opened() -> set[str]:
    """Returns the top-level modules that may import from a folder of the user's."""
    return set(_finder.folders)


def forget(modules: set[str]) -> None:
    """Drops modules of the user's, so that the same names may be imported from another folder."""
    for name in [name for name in sys.modules if name.partition(".")[0] in modules]:
        del sys.modules[name]
    for name in modules:
        _finder.folders.pop(name, None)


def _install() -> None:
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)


def _importer() -> str:
    """Returns the top-level module whose code runs the import."""
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__") in MACHINERY and frame.f_back is not None:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__")).partition(".")[0]
