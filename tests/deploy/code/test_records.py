"""Options that a module keeps in a dataclass or named tuple: the file builds them as their class does."""

import subprocess
import sys
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
import torch
from torch import nn

from convblocks.deploy.code import module_code


@dataclass(frozen=True, slots=True)
class Slots:
    scale: float = 2.0
    size: tuple[int, ...] = (1, 2)


@dataclass
class Plain:
    scale: float = 2.0


class Tuple(NamedTuple):
    scale: float
    act: str = "relu"


@dataclass(slots=True, kw_only=True)
class Nested:
    inner: Slots
    sizes: list
    dtype: torch.dtype = torch.float64
    extra: int = field(init=False, default=3)

    @property
    def scale(self):
        return self.inner.scale * sum(self.sizes) + self.extra


def scaled(x, options):
    return x * options.scale


class Whole(nn.Module):
    """Hands its options on as they are, so that no number of theirs can stand for them."""

    def __init__(self, options):
        super().__init__()
        self.options, self.conv = options, nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return scaled(self.conv(x), self.options)


COMMON = Slots(5.0)


class Global(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return scaled(self.conv(x), COMMON)


MODULES = {
    "slots": (lambda: Whole(Slots(3.0)), "Slots(scale=3.0, size=(1, 2))"),
    "plain": (lambda: Whole(Plain(3.0)), "Plain(scale=3.0)"),
    "named tuple": (lambda: Whole(Tuple(3.0)), 'Tuple(scale=3.0, act="relu")'),
    "nested": (
        lambda: Whole(Nested(inner=Slots(0.5), sizes=[1, 2])),
        "Nested(inner=Slots(scale=0.5, size=(1, 2)), sizes=[1, 2], dtype=torch.float64)",
    ),
    "global": (Global, "COMMON = Slots(scale=5.0, size=(1, 2))"),
    "two": (lambda: nn.Sequential(Whole(Slots(3.0)), Whole(Slots(4.0))), "Slots(scale=4.0, size=(1, 2))"),
}


@pytest.mark.parametrize("name", MODULES)
def test_options_are_written_as_the_call_that_makes_them(name):
    make, call = MODULES[name]
    text = module_code(make(), (3, 8, 8))  # which compares keys, shapes and bits of what the file makes
    assert call in " ".join(text.split())


def test_the_file_runs_in_an_interpreter_of_its_own(tmp_path):
    file = tmp_path / "nested.py"
    file.write_text(module_code(MODULES["nested"][0](), (3, 8, 8)))
    done = subprocess.run(
        [sys.executable, "-I", file], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout == "(1, 3, 8, 8) -> (1, 3, 8, 8)\n", done.stderr
