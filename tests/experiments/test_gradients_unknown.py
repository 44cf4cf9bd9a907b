"""A design that trains but whose gradients cannot be measured is compared like the others, and the reason told."""

from math import isnan
from threading import Lock

import pytest
import torch
from torch import nn

from convblocks import Recipe, compare


class Picky(nn.Conv2d):
    """Trains in batches of 32 alone, and the signal is measured on more examples."""

    def __init__(self, in_channels, out_channels, *, stride=1, depth=1):
        super().__init__(in_channels, out_channels, 3, stride, 1)

    def forward(self, x):
        if self.training and len(x) > 32:
            raise ValueError(f"{len(x)} examples are too many")
        return super().forward(x)


class Locked(nn.Conv2d):
    """Holds what cannot be copied; the copy that is measured shares it."""

    def __init__(self, in_channels, out_channels, *, stride=1, depth=1):
        super().__init__(in_channels, out_channels, 3, stride, 1)
        self.lock = Lock()

    def forward(self, x):
        with self.lock:
            return super().forward(x)


class Frozen(nn.Conv2d):
    """Random features, on which only the classifier behind them is trained."""

    def __init__(self, in_channels, out_channels, *, stride=1, depth=1):
        super().__init__(in_channels, out_channels, 3, stride, 1)

    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


@pytest.fixture(scope="module")
def study(few_digits, tmp_path_factory):
    return compare(
        str(few_digits),
        depths=2,
        families=(*(f"{__name__}:{name}" for name in ("Picky", "Locked", "Frozen")), "simple"),
        block_depths=1,
        stages=1,
        seeds=1,
        recipe=Recipe(epochs=1),
        workers=1,
        out=tmp_path_factory.mktemp("run") / "unknown",
    )


def test_all_are_trained_and_the_reasons_recorded(study):
    picky, locked, frozen, simple = study.designs()
    assert {run.design for run in study.runs()} == {d.name for d in (picky, locked, frozen, simple)}
    assert picky.gradient_norms == frozen.gradient_norms == ()
    assert "Picky" in picky.block.module
    assert isnan(picky.gradient_ratio)
    assert "examples are too many" in picky.gradients_unknown
    assert frozen.gradients_unknown == "no gradient reaches a convolution module of the body"
    assert locked.gradients_unknown == simple.gradients_unknown == ""
    assert len(locked.gradient_norms) == len(simple.gradient_norms) == 2


def test_the_report_tells_them(study):
    html, markdown = ((study.path / name).read_text() for name in ("report.html", "report.md"))
    reason = next(d.gradients_unknown for d in study.designs() if d.name.startswith("picky"))
    assert f"gradients unknown: {reason[:30]}" in html
    assert "- frozen-1-d2: gradients unknown: no gradient reaches" in markdown
    assert "gradients unknown" not in markdown.partition("simple-d2:")[2]
