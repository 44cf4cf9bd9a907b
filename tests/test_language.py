"""The language of the source: plain names, docstrings that state what is done, messages that fit every reader."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image
from torch import nn

from convblocks import ConvblocksError, analyze, load_dataset, load_target, zoo
from convblocks.layout import parse_axes

SOURCE = Path(__file__).parents[1] / "src" / "convblocks"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}

BANNED = {"asked", "judged", "doubt", "told", "mend", "mends"}
BANNED_NAMES = BANNED | {"seen", "found"}
OLD_NAMES = {"mend", "mends", "told"}
"""Keys of earlier versions' records and options that still work; they may stand alone in a literal."""
OLD_OPTIONS = {
    ("cli/signal.py", "mend"),
    ("records/advice.py", "mend"),
    ("records/signal.py", "mend"),
    ("records/study.py", "told"),
}
"""Options and properties of those names."""
OLD_NAME_NOTICE = re.compile(r"the old name still works|^\w+\.\w+ is now \w+\.\w+$")
VAGUE_STARTS = ("Of", "What", "Whether")
FLAG = re.compile(r"(?:^|[\s`])--[a-z][a-z-]*\b")


def package_of(path: Path) -> str:
    """The folder below convblocks that a file lies in; empty for a module of the root."""
    return path.relative_to(SOURCE).parts[0] if path.parent != SOURCE else ""


def identifiers(tree: ast.AST):
    """Names that a file gives: of variables, arguments, attributes, functions and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno


def docstrings(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text, getattr(node, "lineno", 1)


def literals(tree: ast.AST):
    """Texts that a program may show: all but the strings that stand alone as statements."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value, node.lineno


def broken(found):
    """`FILE:LINE text` of all that breaks a rule."""
    return [
        f"{path.relative_to(SOURCE)}:{line} {text}"
        for path, tree in TREES.items()
        for text, line in found(path, tree)
    ]


def test_names_are_of_the_field():
    def found(path, tree):
        place = str(path.relative_to(SOURCE))
        return [
            (name, line)
            for name, line in identifiers(tree)
            if BANNED_NAMES & set(name.lower().split("_")) and (place, name) not in OLD_OPTIONS
        ]

    assert broken(found) == []


def test_messages_have_no_private_words():
    words = re.compile(rf"\b({'|'.join(BANNED)})\b")

    def found(_path, tree):
        return [
            (text, line)
            for text, line in literals(tree)
            if words.search(text) and text not in OLD_NAMES and not OLD_NAME_NOTICE.search(text)
        ]

    assert broken(found) == []


def test_guides_have_no_private_words():
    """Old names stand in code marks."""
    root = SOURCE.parents[1]
    words = re.compile(rf"\b({'|'.join(BANNED)})\b")
    texts = {
        path: path.read_text()
        for path in (*root.glob("docs/*.md"), root / "README.md", root / "CONTRIBUTING.md")
    }
    assert len(texts) > 2
    lines = [f"{p.name}: {line}" for p, t in texts.items() for line in re.sub(r"`[^`]*`", "", t).splitlines()]
    assert [line for line in lines if words.search(line)] == []


def test_docstrings_begin_with_a_verb_or_a_noun():
    def found(_path, tree):
        return [
            (text.splitlines()[0], line) for text, line in docstrings(tree) if text.split()[0] in VAGUE_STARTS
        ]

    assert broken(found) == []


def test_flags_stand_in_the_command_line_alone():
    """A Python user has no flags: a message names an argument by a Setting, which the command line spells."""

    def found(path, tree):
        return (
            []
            if package_of(path) == "cli"
            else [(t, n) for t, n in literals(tree) if FLAG.search(t) and " " in t.strip()]
        )

    assert broken(found) == []


class Indexed(nn.Module):
    """Takes two inputs, and indices as the second."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, x, places):
        return x + self.table(places)


REFUSED = {
    "axes with the batch": lambda folder: parse_axes("batch,time,channels", (8, 128, 12)),
    "classes that nobody trusts": lambda folder: load_target(str(own_spec(folder))),
    "an input missing": lambda folder: analyze(Indexed(), (4,)),
    "indices as float32": lambda folder: analyze(Indexed(), (4,), (4,)),
    "weights of another dtype": lambda folder: analyze(nn.Linear(4, 4).half(), (4,)),
    "sizes that differ": load_dataset,
}


def own_spec(folder):
    """A network of a class of the user's own."""
    path = folder / "own.json"
    network = zoo.cifar_resnet(20).to_json()
    path.write_text(network.replace('"residual"', '"own:Block"'))
    return path


@pytest.mark.parametrize("case", REFUSED)
def test_a_python_user_reads_no_flags(case, tmp_path):
    for name, size in (("cat", 8), ("dog", 9)):
        (tmp_path / name).mkdir()
        Image.new("L", (size, size)).save(tmp_path / name / "1.png")
    with pytest.raises(ConvblocksError) as refused:
        REFUSED[case](tmp_path)
    assert "--" not in str(refused.value)


def test_no_two_modules_have_one_name():
    names = Counter(path.stem for path in FILES if package_of(path) != "cli" and path.stem != "__init__")
    assert {name for name, times in names.items() if times > 1} == set()


DOCUMENTED_BY_THEIR_CLASS = {"forward", "backward"}


@pytest.mark.parametrize("package", ["layers", "blocks", "networks"])
def test_public_methods_but_forward_are_documented(package):
    """A module's class states what its forward computes; a docstring there would be printed by `convblocks code`."""
    missing = [
        f"{path.name}: {node.name}.{method.name}"
        for path, tree in TREES.items()
        if package_of(path) == package
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        for method in node.body
        if isinstance(method, ast.FunctionDef)
        and not method.name.startswith("_")
        and method.name not in DOCUMENTED_BY_THEIR_CLASS
        and not ast.get_docstring(method)
    ]
    assert missing == []
