"""Modules in the working directory: open to the code that the user names, to nothing else."""

import sys
from importlib import import_module

import pytest

from convblocks.importing import forget, import_named, open_folder, opened


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with modules whose import leaves a mark."""

    def write(name, text=""):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f"import builtins\nbuiltins.imported = [*getattr(builtins, 'imported', []), {name!r}]\n{text}"
        )

    monkeypatch.chdir(tmp_path)
    before, mark = opened(), __import__("builtins")
    monkeypatch.setattr(mark, "imported", [], raising=False)
    yield write
    forget(opened() - before)


def imported():
    return __import__("builtins").imported


def test_a_named_module_and_what_it_imports_now_and_later(folder):
    folder("cb_named", "import cb_beside\ndef later():\n    import cb_lazy\n    return cb_lazy\n")
    folder("cb_beside")
    folder("cb_lazy")
    path = list(sys.path)
    import_named("cb_named").later()
    assert imported() == ["cb_named", "cb_beside", "cb_lazy"]
    assert sys.path == path


def test_a_module_of_a_package(folder):
    folder("cb_package/blocks", "import cb_helper\n")
    folder("cb_helper")
    assert import_named("cb_package.blocks").__name__ == "cb_package.blocks"
    assert "cb_helper" in imported()


def test_what_nobody_named_is_not_found(folder):
    folder("cb_named")
    folder("cb_dill")
    import_named("cb_named")
    with pytest.raises(ModuleNotFoundError):
        import_module("cb_dill")  # as a library looks for an optional package
    assert imported() == ["cb_named"]


def test_what_an_installed_package_imports_is_not_found_though_it_was_named(folder, tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    (site / "cb_installed.py").write_text(
        "try:\n    import cb_dill\nexcept ImportError:\n    cb_dill = None\n"
    )
    monkeypatch.syspath_prepend(str(site))
    folder("cb_dill")
    assert import_named("cb_installed").cb_dill is None
    assert imported() == []
    del sys.modules["cb_installed"]


def test_what_is_installed_is_not_shadowed(folder):
    folder("wave")  # of the standard library, imported by nothing here
    folder("cb_named", "import wave\n")
    was = sys.modules.pop("wave", None)
    assert hasattr(import_named("cb_named").wave, "Wave_read")
    assert imported() == ["cb_named"]
    sys.modules["wave"] = was or sys.modules["wave"]


def test_a_name_that_is_nowhere_stays_closed(folder):
    with pytest.raises(ModuleNotFoundError):
        import_named("cb_nowhere")
    folder("cb_nowhere")
    with pytest.raises(ModuleNotFoundError):
        import_module("cb_nowhere")


def test_forgotten_modules_are_read_anew(folder, tmp_path):
    folder("cb_named")
    import_named("cb_named")
    forget({"cb_named"})
    assert "cb_named" not in sys.modules
    open_folder("cb_other", str(tmp_path))
    assert "cb_other" in opened()
