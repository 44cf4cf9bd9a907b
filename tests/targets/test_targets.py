"""Targets as people write them: what each form gives, and the one line for each that gives nothing."""

import json
import sys
from hashlib import sha256
from textwrap import dedent

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import save
from torch import nn

from convblocks import BlockSpec, Network, Stage, Stem, load_target
from convblocks.errors import ConvblocksError, MissingExtra, TargetError
from convblocks.files import write
from convblocks.runs.store import RunFolder
from tests.made_records import make_design, make_run, make_study

MODEL = """
    from torch import nn
    from sibling import WIDTH

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            from lazy_sibling import KERNEL
            self.conv = nn.Conv2d(3, WIDTH, KERNEL)

        def forward(self, x):
            return self.conv(x)

    class Needs(nn.Module):
        def __init__(self, in_channels, *more, classes, depth=3, **others):
            super().__init__()

    def make_model():
        return nn.Sequential(Small(), nn.ReLU())

    def reads_itself():
        layer = nn.Linear(2, 2)
        layer.weight[0, 0].item()
        return layer

    def breaks():
        return nn.Conv2d(4, 4, 3, groups=3)

    def leaves():
        raise SystemExit(3)

    def five():
        return 5

    small = Small()
    number = 5
    _hidden = 6
"""
NETWORK = Network(
    in_channels=2,
    classes=3,
    dims=1,
    stem=Stem(out_channels=4),
    stages=(Stage(block=BlockSpec("residual"), blocks=1, out_channels=4),),
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_model.py").write_text(dedent(MODEL))
    (tmp_path / "code" / "sibling.py").write_text("WIDTH = 8\n")
    (tmp_path / "code" / "lazy_sibling.py").write_text("KERNEL = 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(text, **how):
    with pytest.raises(ConvblocksError) as found:
        load_target(text, **how)
    assert "\n" not in str(found.value)
    return str(found.value)


@pytest.mark.parametrize(
    ("name", "kind"), [("make_model", nn.Sequential), ("Small", nn.Module), ("small", nn.Module)]
)
def test_a_function_a_class_and_a_module_of_a_file(folder, name, kind):
    path = list(sys.path)
    target = load_target(f"code/my_model.py:{name}")
    assert sys.path == path
    assert isinstance(target.module, kind)
    assert target.kind == "file"
    assert target.name == f"code/my_model.py:{name}"
    assert target.module(torch.zeros(1, 3, 5, 5)).shape == (1, 8, 3, 3)


def test_sys_path_is_restored_after_a_failure(folder):
    path = list(sys.path)
    refusal("code/my_model.py:breaks")
    assert sys.path == path


def test_each_folder_has_its_own_siblings_and_a_changed_file_is_read_anew(folder):
    (folder / "other").mkdir()
    for file in (folder / "code").glob("*.py"):
        (folder / "other" / file.name).write_text(file.read_text().replace("WIDTH = 8", "WIDTH = 11"))
    widths = [
        load_target(f"{place}/my_model.py:make_model").module[0].conv.out_channels
        for place in ("code", "other", "code")
    ]
    assert widths == [8, 11, 8]
    (folder / "code" / "sibling.py").write_text("WIDTH = 12345\n")
    assert load_target("code/my_model.py:Small").module.conv.out_channels == 12345


def test_on_meta_where_the_constructor_allows_it(folder):
    def device(name):
        return next(load_target(f"code/my_model.py:{name}", on_meta=True).module.parameters()).device.type

    assert device("make_model") == "meta"
    assert device("small") == "cpu"  # exists already
    assert device("reads_itself") == "cpu"
    assert next(load_target("code/my_model.py:make_model").module.parameters()).device.type == "cpu"


def test_a_package_s_module(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "target_package").mkdir()
    (folder / "target_package" / "__init__.py").write_text("")
    (folder / "target_package" / "nets.py").write_text("from torch import nn\nmake = lambda: nn.Tanh()\n")
    (folder / "target_package" / "broken.py").write_text("x = 1\nimport not_there\n")
    target = load_target("target_package.nets:make")
    assert isinstance(target.module, nn.Tanh)
    assert target.kind == "import"
    assert "there is no Python module 'target_package.net' to import" in refusal("target_package.net:make")
    assert "there is no Python module 'target_pack' to import" in refusal("target_pack.nets:make")
    found = refusal("target_package.broken:make")
    assert "ModuleNotFoundError in " in found
    assert "broken.py, line 2: No module named 'not_there'" in found


@pytest.mark.parametrize(
    ("text", "says"),
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
def test_what_is_refused_and_why(folder, text, says):
    (folder / "code" / "syntax.py").write_text("x = 1\ndef (:\n")
    (folder / "code" / "raises.py").write_text("import deeper\n")
    (folder / "code" / "deeper.py").write_text("def f():\n    # here\n    return 1 / 0\nf()\n")
    (folder / "code" / "weights.pth").write_bytes(b"\x80")
    assert says in refusal(text)


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
    """What a compare leaves of one design with two seeds, and its modules."""
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


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_networks_of_timm_and_torchvision(monkeypatch):
    """25,557,032 parameters are the published ones of ResNet-50, also after timm."""
    for text in ("timm:resnet50", "torchvision:resnet50"):
        target = load_target(text, on_meta=True)
        assert sum(p.numel() for p in target.module.parameters()) == 25_557_032
        assert (target.channels, target.dims, target.input_size) == (3, 2, (3, 224, 224))
        assert next(target.module.parameters()).device.type == "meta"
    assert load_target("torchvision:inception_v3", on_meta=True).input_size == (3, 299, 299)
    assert (
        sum(p.numel() for p in load_target("torchvision.models:resnet18").module.parameters()) == 11_689_512
    )
    assert "timm has no model called 'reznet50'; did you mean 'resnet50'?" in refusal("timm:reznet50")
    assert "timm has no model called 'hf_hub:a/b'" in refusal("timm:hf_hub:a/b")
    assert "torchvision has no model called 'resnt18'; did you mean 'resnet18'?" in refusal(
        "torchvision:resnt18"
    )


def test_a_missing_zoo_is_named_with_its_install_line(monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtra) as found:
        load_target("timm:resnet50")
    assert str(found.value) == "the target timm:resnet50 needs timm: pip install 'convblocks[models]'"


def test_a_detection_network_downloads_no_backbone(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("a download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refused)
    target = load_target("torchvision:fasterrcnn_resnet50_fpn", on_meta=True)
    assert target.input_size is None


def test_a_target_error_is_a_convblocks_error():
    assert issubclass(TargetError, ConvblocksError)
