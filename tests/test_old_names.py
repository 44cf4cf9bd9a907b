"""Names of earlier versions give what they gave, and a notice that states the new name."""

from importlib import import_module

import pytest
import torch
from torch import nn

import convblocks.analysis
from convblocks import signal as diagnosis
from convblocks.records import Finding, Summary

MOVED = {
    "advise": "advice.advise",
    "check_mends": "signal.check_fixes",
    "effective_field": "signal.effective_field",
    "gradient_norms": "signal.gradient_norms",
    "mended": "signal.with_fix",
    "probe": "signal.probe",
    "shattered_gradients": "signal.shattered_gradients",
    "signal": "signal.signal",
    "signal_along": "signal.signal_along",
}
"""Names that `convblocks.analysis` had, and where they are now."""


@pytest.mark.parametrize("name", MOVED)
def test_a_name_that_left_the_analysis_is_still_importable_there(name):
    package, new_name = MOVED[name].split(".")
    with pytest.warns(DeprecationWarning, match=f"{name} is now convblocks.{MOVED[name]}$"):
        value = getattr(convblocks.analysis, name)
    new = getattr(import_module(f"convblocks.{package}"), new_name)
    assert new in (value, getattr(value, "__wrapped__", None))


def test_from_import_works_too():
    with pytest.warns(DeprecationWarning, match="check_fixes"):
        from convblocks.analysis import check_mends
    assert callable(check_mends)


def test_names_that_never_were_are_no_attributes():
    with pytest.raises(AttributeError, match=r"convblocks\.analysis.*'sinal'"):
        convblocks.analysis.sinal  # noqa: B018
    with pytest.raises(AttributeError, match="check_mends"):
        import_module("convblocks.signal").check_mends  # noqa: B018


def test_fields_that_were_renamed_are_read_by_their_old_names():
    finding = Finding(id="CB101", severity="note", place="", message="m", fix="do", figures={})
    with pytest.warns(DeprecationWarning, match="Finding.fix"):
        assert finding.mend == "do"
    summary = Summary(
        recommended=None,
        conclusive=False,
        headline="",
        paragraphs=(),
        rows=(),
        target_score=None,
        cost="macs",
    )
    with pytest.warns(DeprecationWarning, match="Summary.conclusive"):
        assert summary.told is False


def test_arguments_that_were_renamed_work_where_the_function_was():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    x = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    before = diagnosis.signal(module, x)
    with pytest.warns(DeprecationWarning, match="check_fixes"):
        check_mends = convblocks.analysis.check_mends
    assert check_mends(module, x, found=before) == diagnosis.check_fixes(module, x, before=before)
    with pytest.warns(DeprecationWarning, match="with_fix"):
        mended = convblocks.analysis.mended
    assert mended(module, mend="he", x=x)[1] == diagnosis.with_fix(module, "he", x)[1]
