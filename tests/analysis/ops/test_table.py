"""The table of ops as a whole: each name in one file, a rule or an explicit "none" for each figure of each op."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

import convblocks.analysis
from convblocks.analysis.ops import OPS
from convblocks.analysis.ops.op import UNKNOWN, add, find, signature

ROOT = Path(convblocks.analysis.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
ENTRIES = list(dict.fromkeys(OPS.values()))
ALL = ("macs", "field", "saved")
WITHOUT_RULE = {
    # what depends on values, or on where they lie in memory
    "masked_select": ("field",),
    "index_put_": ("field",),
    "nonzero": ("field",),
    "bucketize": ("field",),
    "meshgrid": ("field",),  # and as_strided
    "set_": ("field", "saved"),
    "fill_": ("field",),
    "zero_": ("field",),
    "grid_sample": ("field",),
    "affine_grid": ("field",),
    # what draws numbers
    "alpha_dropout": ("saved",),
    "rrelu": ("saved",),
    "bernoulli": ("saved",),
    "bernoulli_": ("saved",),
    "feature_dropout": ALL,
    "binomial": ALL,  # and multinomial, normal, poisson, gumbel_softmax
    # what torch computes by several ops of its own, or keeps in its kernels' own form
    "tanhshrink": ("saved",),
    "nanmean": ("saved",),  # and median
    "floor_divide": ("saved",),
    "addcdiv": ("saved",),
    "local_response_norm": ("saved",),
    "lp_pool1d": ("saved",),
    "lp_pool2d": ("saved",),
    "lp_pool3d": ("saved",),
    "gru": ("saved",),  # and lstm, rnn_relu, rnn_tanh
    # what networks seldom call
    "alias": ALL,
    "H": ("macs", "field"),  # and real, diagonal, view_as_real
    "hsplit": ("macs", "field"),  # and vsplit, dsplit
    "outer": ("macs", "field"),
    "_weight_norm": ("macs", "field"),
    "upsample": ("macs", "field"),
}
"""The figures that nobody knows, by the first name of their entry: a rule that is forgotten is none of them."""


def literals(path):
    """Texts in a file, without its docstrings."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


DEVICES = {"cpu", "cuda", "xpu"}
OTHER_MEANINGS = {  # of a text that is an op's name too
    "fields/axes.py": {"all"},  # an axis that sees all of the input
    "fields/receptive_field.py": {"all"},
    "trace/operands.py": DEVICES,
    "trace/private.py": DEVICES,
    "trace/recorder.py": DEVICES,
    "trace/values.py": DEVICES
    | {"any", "all", "max", "mean", "min", "prod", "std", "sum", "var"},  # of an array
}


def test_each_op_name_stands_in_one_file():
    places = defaultdict(set)
    for path in FILES:
        place = path.relative_to(ROOT).as_posix()
        for text in set(literals(path)) - OTHER_MEANINGS.get(place, set()):
            if text in OPS:
                places[text].add(place)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
    assert all(place.startswith("ops/") for files in places.values() for place in files)


def test_no_rule_reads_an_argument_by_its_position():
    found = [path.name for path in FILES if re.search(r"argument\(\w+, \d", path.read_text())]
    assert found == []


@pytest.mark.parametrize("op", ENTRIES, ids=lambda op: op.names[0])
def test_an_entry_has_a_rule_or_says_that_there_is_none(op):
    assert op.names
    assert signature(op.arguments) == op.parameters
    assert op.shape is None or all(callable(rule) for rule in op.shape.values())
    assert op.macs is None or op.macs == UNKNOWN or callable(op.macs)
    assert callable(op.field) or (op.field is None) == op.fresh
    assert op.saved == UNKNOWN or callable(op.saved)
    assert op.workspace is None or all(map(callable, op.workspace))
    assert callable(op.label)
    assert (op.window is None) or op.axes > 0
    assert op.factors is None or callable(op.macs)
    assert op.gradient_macs is None or callable(op.macs)


def test_the_figures_without_a_rule_are_those_that_are_listed():
    unknown = {
        op.names[0]: tuple(figure for figure in ALL if getattr(op, figure) == UNKNOWN) for op in ENTRIES
    }
    assert {name: figures for name, figures in unknown.items() if figures} == WITHOUT_RULE


@pytest.mark.parametrize("op", ENTRIES, ids=lambda op: op.names[0])
def test_figures_that_nobody_knows_are_unknown_together(op):
    """An op whose MACs are unknown has no field either; what it keeps may be known all the same."""
    assert op.macs != UNKNOWN or op.field == UNKNOWN


def test_an_in_place_form_without_an_entry_keeps_what_its_ordinary_form_keeps():
    assert "squeeze_" not in OPS
    assert find("squeeze_").saved is OPS["squeeze"].saved
    assert find("squeeze_").macs == UNKNOWN
    assert find("no_such_op_").saved == UNKNOWN


def test_two_entries_of_one_name_are_refused():
    with pytest.raises(AssertionError, match="relu has an entry already"):
        add(OPS["relu"])
