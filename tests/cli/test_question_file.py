"""``convblocks compare question.toml``, and the options that a command line gives beside it."""

import re
from contextlib import chdir
from pathlib import Path

import pytest

from convblocks import Machine, Question, Recipe
from convblocks.cli import main
from tests.cli.test_cli import refused

DOCS = Path(__file__).parents[2] / "docs"

TEXT = """
data = "digits"
depths = [4, 8]
families = ["simple", "residual(attention=eca)", "wide(kernels=B(3,1,3))"]
budget = "1.5M"
skip_broken = true
image_size = "8x8"
workers = 1

[recipe]
epochs = 3
learning_rate = 0.1
"""
QUESTION = Question(
    depths=(4, 8),
    families=("simple", "residual(attention=eca)", "wide(kernels=B(3,1,3))"),
    budget=1_500_000,
    recipe=Recipe(epochs=3, learning_rate=0.1),
)


@pytest.fixture
def given(monkeypatch):
    """What a command gives to compare: data, question, machine, loading, out."""

    def of(*arguments):
        calls = []
        monkeypatch.setattr("convblocks.cli.compare._compare", lambda *call: calls.append(call))
        main(["compare", *arguments])
        return calls[0]

    return of


@pytest.fixture
def file(tmp_path):
    (tmp_path / "question.toml").write_text(TEXT)
    return str(tmp_path / "question.toml")


def test_a_file_is_the_question(given, file):
    loading = {"image_size": (8, 8), "skip_broken": True}
    assert given(file) == ("digits", QUESTION, Machine(workers=1), loading, None)


def test_a_file_asks_what_the_same_options_ask(given, file):
    families = "simple,residual(attention=eca),wide(kernels=B(3,1,3))"
    options = [
        "--depth",
        "4,8",
        "--budget",
        "1.5M",
        "--skip-broken",
        "--image-size",
        "8x8",
        "--workers",
        "1",
        "--epochs",
        "3",
    ]
    assert given("digits", *options, "--learning-rate", "0.1", "--families", families) == given(file)


def test_options_override_the_file(given, file):
    _, question, machine, _, out = given(file, "--epochs", "5", "--depth", "2", "--out", "run")
    assert question.recipe == Recipe(epochs=5, learning_rate=0.1)
    assert question.depths == (2,)
    assert (question.families, machine.workers, out) == (QUESTION.families, 1, "run")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("depth = 8", "question.toml: depth: there is no such option; did you mean 'depths'?"),
        ("[recipe]\nepoch = 8", "question.toml: epoch: there is no such option; did you mean 'epochs'?"),
        ("epochs = 2\n[recipe]\nepochs = 3", "question.toml: epochs: is given twice"),
        ("recipe = 3", "question.toml: recipe: expected a table, as in [recipe]"),
        ("data = 3", "question.toml: data: expected a text"),
        ("depths =", "question.toml: expected TOML, as in depths = [8, 56]: Invalid value"),
        ('budget = "1,5M"', "--budget 1,5M: expected a positive amount such as 5M"),
        ("budget = 1.5", "--budget 1.5: expected a whole number of at least 1"),
        ("depths = [8, 8]", "--depth 8,8: 8 is given twice"),
        ('depths = "8,4,x"', "--depth 8,4,x: expected whole numbers"),
        ('[recipe]\nlearning_rate = "fast"', "--learning-rate fast: expected a number"),
    ],
)
def test_a_file_that_cannot_be_used(text, said, tmp_path):
    (tmp_path / "question.toml").write_text(text)
    assert said in refused("compare", "question.toml", cwd=tmp_path)


def test_a_file_that_is_not_there(tmp_path):
    assert "none.toml: there is no such file" in refused("compare", "none.toml", cwd=tmp_path)


def test_a_folder_called_so_is_data(given, tmp_path):
    (tmp_path / "photos.toml").mkdir()
    assert given(str(tmp_path / "photos.toml"))[0].endswith("photos.toml")


def test_the_documented_file(given, tmp_path):
    page = (DOCS / "command-line.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "question.toml").write_text(example)
    with chdir(tmp_path):
        data, question, machine, _, _ = given("question.toml")
    assert data == "digits"
    assert question == Question(
        depths=8,
        families=("simple", "residual", "residual(attention=eca)"),
        budget=1_000_000,
        recipe=Recipe(epochs=10),
    )
    assert machine == Machine(workers=2)


class TestOldNames:
    """Flags of before --budget."""

    @pytest.mark.parametrize("match", ["macs", "params", "activations"])
    def test_they_work_with_a_notice(self, match, given, capsys):
        question = given("--match", match, f"--budget-{match}", "250k")[1]
        assert question == Question(match=match, budget=250_000)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"convblocks: --budget-{match} is now --budget, in units of --match")

    def test_they_override_a_file(self, given, file):
        assert given(file, "--budget-macs", "250k")[1].budget == 250_000

    def test_the_new_name_says_nothing(self, given, capsys):
        assert given("--match", "params", "--budget", "250k")[1] == Question(match="params", budget=250_000)
        assert capsys.readouterr().err == ""

    def test_both_are_refused(self, tmp_path):
        said = refused("compare", "--budget", "5M", "--budget-macs", "5M", cwd=tmp_path)
        assert "--budget-macs 5M: is an old name of --budget; give that alone" in said

    def test_the_help_leaves_them_out(self, capsys):
        main(["compare", "--help"])
        assert "--budget-" not in capsys.readouterr().out
