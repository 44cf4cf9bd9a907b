"""Targets as people write them: the kind that each form gives, and the one line for each that gives nothing."""

import json
import sys
from hashlib import sha256

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import save

from convblocks import BlockSpec, Network, Stage, Stem, load_target
from convblocks.files import write
from convblocks.runs.store import RunFolder
from tests.made_records import make_design, make_run, make_study
from tests.targets.refusals import refusal

NETWORK = Network(
    in_channels=2,
    classes=3,
    dims=1,
    stem=Stem(out_channels=4),
    stages=(Stage(block=BlockSpec("residual"), blocks=1, out_channels=4),),
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("code/my_model.py:make_modle", "my_model has no 'make_modle'; did you mean 'make_model'?"),
        (
            "code/my_model.py:xyz",
            "it has Small, Needs, make_model, reads_itself, breaks, leaves, five and small",
        ),
        ("code/my_model.py", "needs a name, as in file.py:NAME; it has Small"),
        ("code/my_mdel.py:Small", "no file code/my_mdel.py; did you mean 'code/my_model.py'?"),
        ("nowhere/a.py:Small", "there is no file nowhere/a.py"),
        ("code/my_model.py:Needs", "Needs needs in_channels and classes; write a function without arguments"),
        ("code/my_model.py:Needs", "def make_model(): return Needs(in_channels=…, classes=…)"),
        ("code/my_model.py:number", "number is of type int, neither a torch.nn.Module nor a function"),
        ("code/my_model.py:five", "five() returned int, expected a torch.nn.Module"),
        ("code/my_model.py:breaks", "my_model.py, line 27: in_channels must be divisible by groups"),
        ("code/my_model.py:leaves", "SystemExit in "),
        ("code/syntax.py:x", "syntax.py, line 2: "),
        ("code/raises.py:x", "ZeroDivisionError in "),
        ("code/raises.py:x", "deeper.py, line 3: division by zero"),
        ("code/weights.pth:net", "weights.pth is neither Python nor a network's description"),
        ("code", "code is a folder, but not of a compare"),
        ("resnet50", "there is nothing of that name; expected file.py:NAME, package.module:NAME, timm:NAME"),
        ("", "there is nothing of that name"),
        (":", "there is nothing of that name"),
        ("no_such_package:make", "there is no Python module 'no_such_package' to import here"),
    ],
)
def test_what_is_refused_and_why(folder, text, message):
    (folder / "code" / "syntax.py").write_text("x = 1\ndef (:\n")
    (folder / "code" / "raises.py").write_text("import deeper\n")
    (folder / "code" / "deeper.py").write_text("def f():\n    # here\n    return 1 / 0\nf()\n")
    (folder / "code" / "weights.pth").write_bytes(b"\x80")
    assert message in refusal(text)


def test_a_network_s_description(folder):
    (folder / "net.toml").write_text(NETWORK.to_toml())
    (folder / "net.json").write_text(NETWORK.to_json())
    for name in ("net.toml", "net.json"):
        target = load_target(name, on_meta=True)
        assert (target.channels, target.dims, target.input_size, target.kind) == (2, 1, None, "spec")
        assert str(target.module) == str(NETWORK.build())
        assert next(target.module.parameters()).device.type == "meta"


def test_a_description_that_is_none(folder):
    (folder / "bad.toml").write_text(NETWORK.to_toml().replace("blocks = 1", "blocks = 0"))
    (folder / "no.json").write_text("{")
    assert "bad.toml: stages[0].blocks: got 0" in refusal("bad.toml")
    assert "no.json: not JSON: " in refusal("no.json")
    assert "missing.toml: there is no such file" in refusal("missing.toml")
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "deep.toml").write_text(".".join("a" * 900) + " = 1")
    for name in ("deep.json", "deep.toml"):
        assert f"{name}: tables and lists nest deeper than 32" in refusal(name)


def test_a_description_s_own_classes_need_trust(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "target_own.py").write_text(
        "from torch import nn\nclass Block(nn.Conv1d):\n    def __init__(self, in_channels, out_channels, *, "
        "stride, dims):\n        super().__init__(in_channels, out_channels, 1, stride)\n"
    )
    table = NETWORK.to_dict()
    table["stages"][0]["block"] = {"family": "target_own:Block"}
    (folder / "own.json").write_text(json.dumps(table))
    assert "own.json: building it imports target_own:Block and so runs that code" in refusal("own.json")
    assert "target_own" not in sys.modules
    assert type(load_target("own.json", trust_code=True).module.stages[0][0]).__name__ == "Block"


def run_folder(path, network):
    """Writes the run folder of one design with two seeds, and returns its modules."""
    folder, design = RunFolder(path), replace(make_design("own"), network=network.to_dict())
    folder.path.mkdir()
    folder.save_study(make_study())
    folder.save_designs([design, replace(design, name="own-2-d8", problem="no width meets the budget")])
    modules = [network.build().eval() for _ in range(2)]
    for seed, (module, accuracy) in enumerate(zip(modules, (0.5, 0.8), strict=True)):
        write(folder.weights(design.name, seed), content := save(module.state_dict()))
        run = make_run(design, seed, accuracy)
        folder.add_run(replace(run, weights_sha256=sha256(content).hexdigest()))
    return modules


def test_what_a_compare_trained(folder):
    network = replace(NETWORK, in_channels=1, dims=2)
    _, best = run_folder(folder / "run", network)
    target = load_target("run:own-d8", on_meta=True)
    assert (target.kind, str(target.run), target.design) == ("run", "run", "own-d8")
    assert (target.channels, target.dims, target.input_size) == (1, 2, (1, 8, 8))
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(target.module(x), best(x))
    assert "the run folder has no design 'own-d9'; did you mean 'own-d8'?" in refusal("run:own-d9")
    assert refusal("run").endswith("needs a design, as in RUN:DESIGN; it has own-d8")
    assert refusal("run:").endswith("needs a design, as in RUN:DESIGN; it has own-d8")


def test_a_trained_class_of_one_s_own_needs_trust(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "target_trained.py").write_text(
        "from convblocks import ResidualBlock\nclass Block(ResidualBlock): pass\n"
    )
    stage = replace(NETWORK.stages[0], block=BlockSpec("target_trained:Block"))
    run_folder(folder / "run", replace(NETWORK, stages=(stage,)))
    found = refusal("run:own-d8")
    assert "imports target_trained:Block and so runs that code; if you trust it" in found
    assert "pass trust_code=True" in found
    assert type(load_target("run:own-d8", trust_code=True).module.stages[0][0]).__name__ == "Block"
