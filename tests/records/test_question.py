"""A question is a value, and each of its options is written once."""

import subprocess
import sys
from typing import Annotated

import msgspec
import pytest
from cyclopts import App
from msgspec.structs import replace

from convblocks import Machine, Question, Recipe, load_dataset
from convblocks.cli.compare import compare_command
from convblocks.errors import OptionError, RunError
from convblocks.experiments.plan import plan
from convblocks.experiments.resume import going_on
from convblocks.records import Study, Summary
from convblocks.records.option import TRAINING, Option
from convblocks.report.conditions import conditions
from convblocks.runs.store import RunFolder


def test_it_needs_no_torch():
    code = (
        "from convblocks import Question, Machine\nQuestion(families='residual(attention=eca)'), Machine()\n"
    )
    code += "import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_value_or_several():
    assert Question(depths=8) == Question(depths=[8]) == Question(depths=(8,))
    assert Question(depths=range(1, 4)).depths == (1, 2, 3)
    assert len({Question(), Question(depths=(8, 56)), Question(groups=8)}) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depths": 1.5}, "depths=1.5: expected a whole number of at least 1"),
        ({"depths": "8"}, "depths='8': expected a whole number"),
        ({"depths": True}, "depths=True: expected a whole number"),
        ({"depths": []}, r"depths=\[\]: expected at least one"),
        ({"depths": [8, 4, 8]}, r"depths=\[8, 4, 8\]: 8 is given twice"),
        ({"depths": 2001}, "depths=2001: expected a whole number of at most 2,000"),
        ({"block_depths": (1, 0)}, "block_depths=0"),
        ({"groups": None}, "groups=None: expected a whole number"),
        ({"stages": 0}, "stages=0"),
        ({"seeds": 1001}, "seeds=1001: expected a whole number of at most 1,000"),
        ({"match": "flops"}, "match='flops': expected macs, params, activations or none"),
        ({"head": "fcn"}, "head='fcn': expected unet or dilated"),
        ({"budget": 0}, "budget=0"),
        ({"budget": 5, "match": "none"}, "budget=5: with match none there is no budget; leave it out"),
        ({"recipe": "fast"}, "recipe='fast': expected a convblocks.Recipe"),
    ],
)
def test_what_cannot_work_whatever_the_data(fields, message):
    with pytest.raises(OptionError, match=message):
        Question(**fields)


@pytest.mark.parametrize("fields", [{"workers": 0}, {"threads": -1}, {"workers": 1.5}])
def test_what_no_machine_has(fields):
    with pytest.raises(OptionError, match="expected a whole number of at least 1"):
        Machine(**fields)


class WiderQuestion(Question, frozen=True, kw_only=True):
    """One more option, of which nothing else in the package knows."""

    label_noise: Annotated[float, Option("Part of the labels that is drawn at random.", TRAINING, "X")] = 0.0


GRID = {"depths": 2, "families": "simple", "match": "none", "seeds": 1}


def planned(question):
    study = plan(load_dataset("digits"), question, Machine(workers=1), command="").study
    return replace(study, started="")


class TestOneMoreOption:
    """A subclass adds a field; no other file is edited."""

    def test_is_in_the_help(self, capsys, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        app = App(help_format="plaintext")
        app.command(compare_command(WiderQuestion))
        app(["compare", "--help"], result_action="return_value")
        text = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert "--label-noise X Part of the labels that is drawn at random. [default: 0.0]" in text

    def test_is_read_from_the_command_line(self, monkeypatch):
        calls = []
        monkeypatch.setattr("convblocks.cli.compare._compare", lambda *call: calls.append(call))
        app = App()
        app.command(compare_command(WiderQuestion))
        app(["compare", "--label-noise", "0.25", "--epochs", "2"], result_action="return_value")
        assert calls[0][1] == WiderQuestion(label_noise=0.25, recipe=Recipe(epochs=2))

    def test_is_part_of_the_identity_where_it_is_not_its_default(self):
        plain, same, noisy = map(
            planned, (Question(**GRID), WiderQuestion(**GRID), WiderQuestion(**GRID, label_noise=0.25))
        )
        assert plain == same
        assert plain.digest == same.digest != noisy.digest
        recorded = msgspec.json.decode(msgspec.json.encode(noisy), type=Study)
        assert recorded == noisy
        assert recorded.question["label_noise"] == 0.25

    def test_separates_two_studies_in_prose(self, tmp_path):
        folder = RunFolder(tmp_path)
        folder.save_study(planned(WiderQuestion(**GRID, label_noise=0.25)))
        with pytest.raises(RunError, match=r"holds another study: label noise 0\.25, not 0\.5;"):
            going_on(folder, planned(WiderQuestion(**GRID, label_noise=0.5)))

    def test_is_among_the_conditions_of_the_report(self):
        summary = Summary(
            recommended=None, headline="", paragraphs=(), rows=(), target_score=None, cost="latency"
        )
        study = planned(WiderQuestion(**GRID, label_noise=0.25))
        facts = {fact.term: fact.text for group in conditions(study, [], summary) for fact in group.facts}
        assert facts["label noise"] == "0.25"
        assert facts["stack depths"] == "2"
