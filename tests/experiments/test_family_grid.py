"""Families with options in a compare: what is listed, what is trained, and what is refused."""

import json

import pytest
import torch

from convblocks import BlockSpec, Recipe, compare, load
from convblocks.errors import OptionError, RunError
from convblocks.layers.attention_gates import EfficientChannelAttention
from tests.grid_of import grid_of, stages_of

BUDGET = 400_000
OPTIONS = {
    "depths": 12,
    "stages": 2,
    "block_depths": 2,
    "budget": BUDGET,
    "seeds": 1,
    "recipe": Recipe(epochs=1),
    "workers": 1,
}
FAMILIES = ("residual", "residual(attention=eca)", BlockSpec("wide", kernels="B(3,1,3)"))


@pytest.fixture(scope="module")
def study(few_digits, tmp_path_factory):
    return compare(
        str(few_digits), families=FAMILIES, out=tmp_path_factory.mktemp("run") / "options", **OPTIONS
    )


def test_each_network_is_what_its_options_say(study):
    assert [d.name for d in study.designs()] == ["residual-2-d12", "residual-eca-2-d12", "wide-b313-d12"]
    plain, eca, wide = (load(study.path, design.name) for design in study.designs())
    attending = [
        sum(isinstance(m, EfficientChannelAttention) for m in network.modules())
        for network in (plain, eca, wide)
    ]
    assert attending == [0, 6, 0]
    for block in wide.stages[0]:
        convolutions = [m for m in block.main.modules() if isinstance(m, torch.nn.Conv2d)]
        assert [m.kernel_size for m in convolutions] == [(3, 3), (1, 1), (3, 3)]


def test_all_cost_the_same(study):
    assert all(abs(d.macs - BUDGET) <= 0.03 * BUDGET for d in study.designs())


def test_records_and_report_tell_the_options(study):
    texts = ["residual", "residual(attention=eca)", "wide(kernels=B(3,1,3))"]
    assert json.loads((study.path / "study.json").read_text())["families"] == texts
    assert [d.family for d in study.designs()] == texts
    assert [(d.block_depth, d.blocks) for d in study.designs()] == [(2, 6), (2, 6), (3, 4)]
    for page in ("report.md", "report.html"):
        told = (study.path / page).read_text()
        assert "attention=eca" in told
        assert "wide(kernels=B(3,1,3))" in told


def test_the_same_question_goes_on_and_another_option_is_another_question(study, few_digits):
    before = (study.path / "runs.jsonl").read_bytes()
    as_text = ("residual()", "residual( attention = eca )", "wide(kernels=B(3,1,3))")
    compare(str(few_digits), families=as_text, out=study.path, **OPTIONS)
    assert (study.path / "runs.jsonl").read_bytes() == before
    with pytest.raises(RunError, match=r"families .*residual\(attention=eca\).*, not .*\(attention=cbam\)"):
        compare(str(few_digits), families=("residual(attention=cbam)",), out=study.path, **OPTIONS)


def listed(families, depth=6, stages=1, block_depths=(1, 2), groups=(1,), init="he_normal"):
    found, notes = grid_of((depth,), stages, families, block_depths, groups, init)
    assert not notes
    return found


def test_options_that_fix_the_block_depth_leave_no_choice_of_it():
    found = listed(("wide", "wide(kernels=B(3,1,3))", "residual(depth=3)", "simple(depth=2)"))
    assert [(i.name, i.block_depth, i.blocks) for i in found] == [
        ("wide-1-d6", 1, 6),
        ("wide-2-d6", 2, 3),
        ("wide-b313-d6", 3, 2),
        ("residual-3-d6", 3, 2),
        ("simple-2-d6", 2, 3),
    ]


def test_an_option_that_one_depth_cannot_have_leaves_the_others():
    assert [i.name for i in listed(("wide(dropout=0.3)",))] == ["wide-dropout0.3-2-d6"]


def test_groups_and_what_an_init_needs_are_added_to_the_options():
    found = listed(("residual(attention=eca)",), block_depths=(2,), groups=(1, 8), init="fixup")
    assert [i.name for i in found] == ["residual-eca-2-d6", "residual-eca-2-g8-d6"]
    assert found[1].block == BlockSpec(
        "residual", attention="eca", depth=2, groups=8, norm="none", branch_scale="one"
    )
    (same,) = listed(("residual(norm=none)",), block_depths=(2,), init="fixup")  # no conflict
    assert same.block.option("norm") == "none"


def test_stages_by_default_are_as_many_as_the_blocks_fill():
    grid = (1, 2), (1,)
    assert stages_of((32, 32), (12,), ("wide",), *grid) == 4
    assert stages_of((32, 32), (12,), ("wide(kernels=B(3,1,3))",), *grid) == 4
    assert stages_of((32, 32), (12,), ("wide(kernels=B(3,3))", "wide(kernels=B(3,1,3))"), *grid) == 2


@pytest.mark.parametrize(
    ("families", "how", "message"),
    [
        (
            ("residual", "residual(atention=eca)"),
            {},
            r"'residual\(atention=eca\)': atention: .*mean 'attention'",
        ),
        (
            ("residual", "residual(attention=ec)"),
            {},
            r"'residual\(attention=ec\)': attention: got 'ec'; expected",
        ),
        (("wide(kernels=B(3,2))",), {}, "kernels: got .* an even kernel"),
        (("wide(kernels=B(3,3),depth=3)",), {}, "depth: got 3; kernels=.* has 2 convolutions"),
        (("residual(depth=two)",), {}, "depth: got 'two'; expected a whole number"),
        (("residual(stride=2)",), {}, "stride: is set by the block's place"),
        (("residual(groups=8)",), {}, "groups: compare varies them for all families alike"),
        (("residual(groups=8)",), {"groups": (8,)}, "groups: compare varies them"),
        (
            ("residual(norm=group)",),
            {"init": "fixup"},
            "norm: the init fixup builds all blocks with norm=none",
        ),
        (
            ("wide(kernels=B(3,1,3))",),
            {"depth": 8},
            "its blocks of 3 layers do not fill the 8 of a stage at stack depth 8; use depth 6 or 9",
        ),
        (
            ("residual", "wide(kernels=B(3,3))", "wide(kernels=B(3,1,3))"),
            {"depth": 8, "stages": 2},
            "its blocks of 3 layers do not fill the 4 of .* use depth 12 or 24, or other stages",
        ),
        (
            ("wide(padding_mode=zeros)", "wide(shortcut=zeros)"),
            {},
            "two of them give designs called wide-zeros-1",
        ),
        (("residual", "residual(depth=2)"), {}, "designs called residual-2-d6; compare them in two studies"),
    ],
)
def test_refusals(families, how, message):
    with pytest.raises(OptionError, match=f"families=.*{message}"):
        listed(families, **how)
