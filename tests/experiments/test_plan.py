"""From a question to a study: what the data decide, and what is read once."""

import pytest

from convblocks import Machine, Question, load_dataset
from convblocks.cli import main
from convblocks.errors import OptionError
from convblocks.experiments.matching import solve
from convblocks.experiments.plan import MOST_PER_CORE, plan
from convblocks.notation import parse


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_a_family_s_text_is_parsed_once_from_the_command_line_to_the_network(digits, monkeypatch):
    texts, networks = [], []

    def counted(text):
        texts.append(text)
        return parse(text)

    def built(_, question, machine, *others):
        study, frame, grid = plan(digits, question, machine, command="")
        networks.extend(solve(frame, each, study.match, study.budget).network.build() for each in grid)

    monkeypatch.setattr("convblocks.cli.compare._compare", built)
    for module in ("records.family", "blocks.block_spec"):
        monkeypatch.setattr(f"convblocks.{module}.parse", counted)
    main(["compare", "--depth", "4", "--families", "simple,residual(attention=eca)", "--block-depths", "2"])
    assert len(networks) == 2
    assert texts == ["simple", "residual(attention=eca)"]


def test_what_the_question_leaves_open_is_decided_by_the_data(digits):
    study, frame, grid = plan(digits, Question(depths=8, families="simple"), Machine(), command="it")
    assert (study.stages, frame.stages, study.head, study.threads, study.command) == (2, 2, "", 1, "it")
    assert study.budget == solve(frame, grid[0], "none", None).cost.macs
    assert study.seeds == (0, 1, 2)
    assert study.options == {}


def test_what_the_question_gives_is_kept(digits):
    question = Question(depths=8, families="residual", block_depths=2, stages=1, match="params", budget=9_000)
    study = plan(digits, question, Machine(workers=3, threads=2), command="").study
    assert (study.stages, study.match, study.budget) == (1, "params", 9_000)
    assert (study.workers, study.threads) == (3, 2)


def test_without_a_match_there_is_no_budget(digits):
    assert plan(digits, Question(depths=2, match="none"), Machine(), command="").study.budget is None


@pytest.mark.parametrize("name", ["workers", "threads"])
def test_more_than_a_machine_can_take(name, digits, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    with pytest.raises(
        OptionError, match=f"{name}=1000: expected a whole number of at most {2 * MOST_PER_CORE}"
    ):
        plan(digits, Question(depths=2, families="simple"), Machine(**{name: 1000}), command="")
