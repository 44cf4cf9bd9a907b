"""Printed files of modules that give several tensors: they run, and say each shape."""

import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import nn

from convblocks import BlockSpec
from convblocks.deploy.code import module_code
from convblocks.deploy.code.outputs import equal


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def parts(self, x):
        maps = torch.relu(self.conv(x))
        features = maps.mean((2, 3))
        return self.fc(features), features, maps


class Tuple(Net):
    def forward(self, x):
        scores, features, _ = self.parts(x)
        return scores, features


class List(Net):
    def forward(self, x):
        return list(self.parts(x))


class Dict(Net):
    def forward(self, x):
        scores, features, _ = self.parts(x)
        return {"scores": scores, "features": features}


class Ordered(Net):
    def forward(self, x):
        scores, _, maps = self.parts(x)
        return OrderedDict(out=scores, aux=maps)


class Nested(Net):
    def forward(self, x):
        scores, features, maps = self.parts(x)
        return scores, {"levels": [features, (maps, None)], "count": 2}


class Loss(Net):
    def forward(self, x):
        scores, _, _ = self.parts(x)
        return scores, scores.mean()


@dataclass
class Scores:
    scores: torch.Tensor
    maps: tuple[torch.Tensor, ...] = ()


class Record(Net):
    def forward(self, x):
        scores, features, maps = self.parts(x)
        return Scores(scores, (features, maps))


@dataclass(slots=True)
class Slots:
    scores: torch.Tensor
    count: int = 2


class Slotted(Net):
    def forward(self, x):
        return Slots(self.parts(x)[0])


class Parent:
    """Without slots, so that its children have a __dict__ too."""


@dataclass(slots=True)
class Child(Parent):
    scores: torch.Tensor


class Inherited(Net):
    def forward(self, x):
        return Child(self.parts(x)[0])


class Pair(NamedTuple):
    scores: torch.Tensor
    count: int = 2


class Named(Net):
    def forward(self, x):
        return Pair(self.parts(x)[0])


class Plain(Net):
    def forward(self, x):
        return self.parts(x)[0]


SHAPES = {
    Tuple: ("[(1, 4), (1, 8)]", "[(N, 4), (N, 8)]"),
    List: ("[(1, 4), (1, 8), (1, 8, 14, 14)]", "[(N, 4), (N, 8), (N, 8, 14, 14)]"),
    Dict: ("{'scores': (1, 4), 'features': (1, 8)}", "{scores: (N, 4), features: (N, 8)}"),
    Ordered: ("{'out': (1, 4), 'aux': (1, 8, 14, 14)}", "{out: (N, 4), aux: (N, 8, 14, 14)}"),
    Nested: (
        "[(1, 4), {'levels': [(1, 8), [(1, 8, 14, 14), None]], 'count': 2}]",
        "[(N, 4), {levels: [(N, 8), [(N, 8, 14, 14), NoneType]], count: int}]",
    ),
    Loss: ("[(1, 4), ()]", "[(N, 4), ()]"),
    Record: (
        "{'scores': (1, 4), 'maps': [(1, 8), (1, 8, 14, 14)]}",
        "{scores: (N, 4), maps: [(N, 8), (N, 8, 14, 14)]}",
    ),
    Slotted: ("{'scores': (1, 4), 'count': 2}", "{scores: (N, 4), count: int}"),
    Inherited: ("{'scores': (1, 4)}", "{scores: (N, 4)}"),
    Named: ("[(1, 4), 2]", "[(N, 4), int]"),
    Plain: ("(1, 4)", "(N, 4)"),
}


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The output of each printed file, all run in one fresh interpreter; and the files' texts."""
    folder = tmp_path_factory.mktemp("printed")
    texts = {kind: module_code(kind(), (3, 16, 16)) for kind in SHAPES}
    for kind, text in texts.items():
        (folder / f"{kind.__name__}.py").write_text(text)
    script = (
        "import runpy, sys\nfor f in sys.argv[1:]: sys.argv = [f]; runpy.run_path(f, run_name='__main__')"
    )
    files = [f"{kind.__name__}.py" for kind in SHAPES]
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, *files], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(SHAPES, done.stdout.splitlines(), strict=True)), texts


@pytest.mark.parametrize("kind", SHAPES)
def test_the_printed_file_says_each_shape(printed, kind):
    lines, texts = printed
    prints, doc = SHAPES[kind]
    assert lines[kind] == f"(1, 3, 16, 16) -> {prints}"
    assert f"shapes           (N, 3, 16, 16) -> {doc}\n" in texts[kind]
    assert ("def shapes(" in texts[kind]) == (kind is not Plain)


def test_what_takes_no_example_alone_is_printed():
    """PyTorch norms one position of one channel only where the batch has more of them."""
    block = BlockSpec("preactivation_bottleneck", norm="instance").build(8, 8)
    assert "(N, 8, 1, 1) -> (N, 8, 1, 1)" in module_code(block, (8, 1, 1))


def test_equal_outputs_have_the_same_bits():
    x = torch.tensor([1.0, float("nan")])
    assert equal(x, x.clone())
    assert equal([x, {"a": x}], (x, {"a": x}))
    assert not equal(x, x.double())
    assert not equal([x], [x, x])
    assert not equal({"a": x}, {"b": x})
    assert not equal(Scores(x), Scores(x + 1))
