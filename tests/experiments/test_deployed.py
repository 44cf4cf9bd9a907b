"""Families that are deployed in another form than the one that is trained: what is matched, timed, saved and told."""

import json
from shutil import copy

import numpy as np
import pytest
import torch
from msgspec import to_builtins
from msgspec.structs import replace
from torch import nn

import convblocks
from convblocks import BlockSpec, Network, Recipe, compare, load, load_dataset, load_target, step_memory
from convblocks.analysis import count
from convblocks.blocks import reparameterize
from convblocks.blocks.repvgg import Branches
from convblocks.engine import design_latency
from convblocks.engine import training_memory as measured
from convblocks.errors import OptionError, RunError
from convblocks.experiments.implementations import Frame
from convblocks.experiments.matching import solve
from convblocks.report.conditions import load_call
from convblocks.runs.store import RunFolder
from tests.compared import without_checksum
from tests.grid_of import grid_of

OPTIONS = {"depths": 4, "families": ("simple", "repvgg"), "stages": 2, "seeds": 1, "workers": 1}
OPTIONS |= {"recipe": Recipe(epochs=2)}


@pytest.fixture(scope="module")
def timed():
    return {}


@pytest.fixture(scope="module")
def study(few_digits, tmp_path_factory, timed):
    def no_stopwatch(modules, x, *, threads):
        timed.update(modules)
        return {name: np.array([1.0 + i]) for i, name in enumerate(modules)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(design_latency, "latencies", no_stopwatch)
        return compare(str(few_digits), out=tmp_path_factory.mktemp("run") / "deployed", **OPTIONS)


def branches(module):
    return sum(isinstance(part, Branches) for part in module.modules())


@pytest.mark.parametrize(("match", "budget"), [("macs", 2_000_000), ("activations", 40_000)])
def test_at_a_budget_repvgg_is_as_wide_as_the_plain_stack(match, budget):
    """Each is one k×k convolution a layer, whose bias costs no MACs."""
    found, _ = grid_of((8,), 2, ("simple", "repvgg"), (1,), (1,))
    plain, repvgg = (solve(Frame(1, (8, 8), 10, 2), i, match, budget) for i in found)
    assert plain.widths == repvgg.widths
    assert getattr(plain.cost, match) == getattr(repvgg.cost, match)


def test_parameters_are_those_of_one_biased_convolution_a_layer():
    """A batch norm has two numbers a channel, a bias one."""
    found, _ = grid_of((8,), 2, ("simple", "repvgg"), (1,), (1,))
    plain, repvgg = (solve(Frame(1, (8, 8), 10, 2), i, "none", None) for i in found)
    assert plain.cost.params - repvgg.cost.params == 4 * sum(plain.widths)


def test_the_records_have_the_costs_of_the_turned_module(study):
    plain, repvgg = study.designs()
    assert plain.deployed is None
    assert plain.widths == repvgg.widths
    trained = load(study.path, "repvgg-d4")
    assert branches(trained) == 4
    cost = count(reparameterize(trained), (1, 8, 8))
    assert (cost.params, cost.macs, cost.activations) == (repvgg.params, repvgg.macs, repvgg.activations)
    built = Network.from_dict(repvgg.deployed).build()
    built.load_state_dict(trained.state_dict())  # the same form


def test_what_is_timed_has_no_branches(study, timed):
    assert set(timed) == {"simple-d4", "repvgg-d4"}
    assert branches(timed["repvgg-d4"]) == 0
    convolutions = [part for part in timed["repvgg-d4"].modules() if isinstance(part, nn.Conv2d)]
    assert len(convolutions) == 1 + 4  # the stem


def test_the_deployed_form_is_the_function_whose_score_was_judged(study, few_digits):
    test = load_dataset(str(few_digits)).test
    trained, turned = (load(study.path, "repvgg-d4") for _ in range(2))
    x = torch.from_numpy(test.x)
    with torch.no_grad():
        expected, found = trained(x), reparameterize(turned)(x)
    assert branches(turned) == 0
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    (run,) = (r for r in study.runs() if r.design == "repvgg-d4")
    wrong = found.argmax(1) != torch.from_numpy(test.y)
    assert tuple(wrong.nonzero().flatten().tolist()) == run.test_errors


def test_a_run_s_design_is_a_target_in_the_form_that_was_trained(study):
    assert branches(load_target(f"{study.path}:repvgg-d4").module) == 4


def test_report_and_records_say_so(study):
    told = "costs, budget and latency of repvgg-d4 are of the form that it is deployed in"
    markdown, html = ((study.path / name).read_text() for name in ("report.md", "report.html"))
    assert told in markdown
    assert told in html
    row = next(line for line in markdown.splitlines() if line.startswith("| repvgg-d4"))
    assert "costs as deployed" in row.split("|")[1]
    assert "as deployed" not in next(line for line in markdown.splitlines() if line.startswith("| simple-d4"))
    record = json.loads((study.path / "designs.jsonl").read_text().splitlines()[1])
    assert record["deployed"]["stages"][0]["block"]["reparameterized"] is True
    assert "reparameterized" not in record["network"]["stages"][0]["block"]


def test_the_line_that_loads_it_turns_it(study):
    summaries = [replace(study.summary(), recommended=name) for name in ("simple-d4", "repvgg-d4")]
    plain, turned = (load_call(study.study(), study.designs(), summary) for summary in summaries)
    assert plain.startswith("convblocks.load(")
    module = eval(turned, {"convblocks": convblocks})  # noqa: S307
    assert branches(module) == 0


def test_memory_is_that_of_a_step_of_what_is_trained(study, monkeypatch):
    frame = Frame(1, (8, 8), 4, 2)
    (found,), _ = grid_of((4,), 2, ("repvgg",), (1,), (1,))
    matched, recipe = solve(frame, found, "none", None), Recipe(batch_size=64)
    with_recipe = replace(study.study(), workers=1, recipe=to_builtins(recipe))
    networks = matched.network.deployed(), matched.network
    least, most = (
        step_memory(network.build(), (1, 8, 8), batch=64, optimizer="momentum").peak_bytes
        for network in networks
    )
    assert least < most
    monkeypatch.setattr(measured, "available_bytes", lambda: most)
    measured.require_training_memory(matched.network, found.name, with_recipe)
    monkeypatch.setattr(measured, "available_bytes", lambda: (least + most) // 2)
    with pytest.raises(RunError, match=r"repvgg-d4 with .* takes over .* to train"):
        measured.require_training_memory(matched.network, found.name, with_recipe)


def test_a_family_asked_for_in_its_deployed_form_is_what_it_is():
    form = BlockSpec("repvgg", depth=2, reparameterized=True)
    assert form.deployed() == form
    assert BlockSpec("repvgg", depth=2).deployed() == form
    assert BlockSpec("residual").deployed() == BlockSpec("residual")


def test_a_folder_from_before_there_was_a_deployed_form(study, tmp_path):
    for name in ("study.json", "designs.jsonl"):
        copy(study.path / name, tmp_path)
        without_checksum(tmp_path / name)
    records = [json.loads(line) for line in (tmp_path / "designs.jsonl").read_text().splitlines()]
    older = [{name: value for name, value in record.items() if name != "deployed"} for record in records]
    (tmp_path / "designs.jsonl").write_text("".join(json.dumps(record) + "\n" for record in older))
    assert [design.deployed for design in RunFolder(tmp_path).designs()] == [None, None]


class Forms(nn.Module):
    """Two convolutions, deployed as one."""

    deployed = {"merged": True}

    def __init__(self, in_channels, out_channels, *, stride=1, depth=1, merged=False):
        super().__init__()
        number = 1 if merged else 2
        self.parts = nn.ModuleList(nn.Conv2d(in_channels, out_channels, 3, stride, 1) for _ in range(number))

    def forward(self, x):
        return sum(part(x) for part in self.parts)

    def reparameterize(self):
        del self.parts[1]
        return self


class NoSuchOption(Forms):
    deployed = {"fused": True}


class NoOptions(Forms):
    deployed = True


class CannotTurn(Forms):
    reparameterize = None


def test_a_class_of_one_s_own_says_its_deployed_form():
    spec = BlockSpec(f"{__name__}:Forms", depth=1)
    assert len(spec.deployed().build(4, 4).parts) == 1
    assert len(reparameterize(nn.Sequential(spec.build(4, 4)))[0].parts) == 1
    found, _ = grid_of((2,), 1, ("simple", f"{__name__}:Forms"), (1,), (1,))
    plain, own = (solve(Frame(1, (8, 8), 10, 1), i, "macs", 2_000_000) for i in found)
    assert plain.widths == own.widths


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NoSuchOption", "deployed has fused, which is none of its options"),
        ("NoOptions", "deployed is True; expected options"),
        ("CannotTurn", r"deployed needs a method reparameterize\(\)"),
    ],
)
def test_what_is_no_deployed_form_is_refused(name, message):
    with pytest.raises(OptionError, match=f"families=.*{name}.*{message}"):
        grid_of((2,), 1, (f"{__name__}:{name}",), (1,), (1,))
