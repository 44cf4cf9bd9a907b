"""The page from records at the edge of what there can be."""

import json
from math import inf, nan

import pytest
from msgspec.structs import replace

from convblocks.records import Interval, Paragraph
from convblocks.report.columns import COLUMNS
from convblocks.report.entries import collect, labels
from convblocks.report.html import render_html
from tests.report.conftest import make_design, make_row, make_run, make_runs, make_study, make_summary
from tests.report.page import Page, render, text_of

EVIL = "</script><script>alert(1)</script>"


def test_text_from_outside_stays_text(make, records):
    design = make_design(name=f"{EVIL}-d8", problem="")
    study = replace(
        records.study,
        name=EVIL,
        command=EVIL,
        notes=(EVIL,),
        recipe={EVIL: EVIL},
        data=replace(records.study.data, name=EVIL, source=EVIL, classes=(EVIL, "\u2028"), split=EVIL),
    )
    runs = (make_run(design, 0, failure=EVIL),)
    summary = make_summary(
        (make_row(design),),
        recommended=design.name,
        headline=EVIL,
        paragraphs=(Paragraph(EVIL, EVIL),),
        cost=EVIL,
    )
    designs = (design, make_design(problem=EVIL), make_design(depth=56, unknown_ops=(EVIL,)))
    html = render_html(study, designs, runs, summary)
    assert "<script>alert" not in html
    page = Page(html)
    specs = page.all("script", type="application/json")
    assert len(specs) > 5
    assert all(json.loads(spec["text"]) is not None for spec in specs)
    assert any(EVIL in json.dumps(json.loads(spec["text"])) for spec in specs)
    assert EVIL in text_of(page)
    assert not [e for e in page.elements if "onclick" in e]


def test_nothing_has_run_yet(make):
    summary = make_summary((), recommended=None, headline="No run has finished yet.", target_score=None)
    page = Page(render(make(runs=(), summary=summary)))
    rows = page.rows()
    assert len(rows) == 10
    assert all(row["Validation accuracy, %"] == "not trained" for row in rows)
    text = text_of(page)
    assert "There is nothing to draw yet" in text
    assert "convblocks.load" not in text
    assert "Train s to target" in text


def test_no_design_at_all(make):
    summary = make_summary((), recommended=None)
    page = Page(render(make(designs=(), runs=(), summary=summary)))
    assert "No design could be matched" in text_of(page)
    assert not page.all("table")


def test_designs_without_a_row_come_after_those_with_one(make, records):
    summary = replace(records.summary, rows=records.summary.rows[:1])
    rows = Page(render(make(summary=summary))).rows()
    assert len(rows) == 10
    of_depth = [row for row in rows if row["Stack depth"] == "56"]
    assert of_depth[0]["Design"].startswith("residual-2-d56")
    assert all(row["Verdict"] == "unfinished" for row in of_depth[1:])


def test_what_was_left_out_is_told_with_its_reason(make):
    designs = (make_design(), make_design("simple", problem="needs 0.4 channels"))
    runs = (*make_runs(designs[0])[:2], make_run(designs[0], 2, failure="the loss became nan in epoch 3"))
    page = Page(render(make(designs=designs, runs=runs, summary=make_summary((make_row(designs[0]),)))))
    assert len(page.rows()) == 1
    text = " ".join(text_of(page).split())
    assert "simple-d8 not trained: needs 0.4 channels" in text
    assert "residual-2-d8, seed 2 diverged: the loss became nan in epoch 3" in text


def test_one_seed_has_no_interval(make, records):
    rows = tuple(
        replace(
            row,
            seeds=1,
            validation=Interval(row.validation.estimate, None, None),
            p_value=None,
            test_difference=None,
        )
        for row in records.summary.rows
    )
    study = replace(records.study, seeds=(0,))
    runs = tuple(run for run in records.runs if run.seed == 0)
    page = Page(render(make(study=study, runs=runs, summary=make_summary(rows, recommended=None))))
    assert "97.6 [n/a: one seed]" in page.rows()[0]["Validation accuracy, %"]
    text = text_of(page)
    assert "1 seed." in text
    assert "nan" not in text


def test_odd_figures_never_read_as_nan(make):
    designs = (
        make_design(gradient_norms=(nan, 1.0)),
        make_design("residual-1", gradient_norms=(1.0, 0.0)),
        make_design("residual-4", gradient_norms=(inf, 1.0), receptive_field=("all", None)),
        make_design("simple", gradient_norms=(), receptive_field=()),
    )
    rows = tuple(make_row(d, latency=None, images_per_s=0.0, p_value=nan, train_loss=nan) for d in designs)
    unfinished = make_row(designs[0], test=Interval(nan, None, None), validation=Interval(nan, None, None))
    page = Page(render(make(designs=designs, runs=(), summary=make_summary((unfinished, *rows[1:])))))
    assert "nan" not in text_of(page)
    odd = ("Receptive field, px", "Gradient ratio")
    cells = {row["Design"].split()[0]: row for row in page.rows()}
    assert [cells["residual-4-d8"][title] for title in odd] == ["all × ?", "∞"]
    assert [cells["simple-d8"][title] for title in odd] == ["—", "—"]
    keys = [e["data-value"] for e in page.all("td") if "data-value" in e]
    assert "Infinity" in keys
    assert "nan" not in keys


def test_nothing_matched(make, records):
    page = Page(render(make(study=replace(records.study, match="none", budget=None))))
    assert "widths not matched" in text_of(page)
    assert "chosen so that all designs" not in text_of(page)


@pytest.mark.parametrize(
    ("shape", "axes", "text"),
    [
        ((1, 128), ((4, -31, 32),), "64"),
        ((3, 8, 8), ((1, -4, 4), (1, -4, 4)), "9 × 9 whole image"),
        ((1, 16, 32, 32), ((1, -8, 8), (1, -8, 8), (1, -8, 8)), "17 × 17 × 17"),
    ],
)
def test_receptive_fields_in_one_two_and_three_dimensions(make, records, shape, axes, text):
    design = make_design(receptive_field=axes)
    study = replace(records.study, data=replace(records.study.data, shape=shape))
    page = Page(render(make(study=study, designs=(design,), summary=make_summary((make_row(design),)))))
    assert page.rows()[0]["Receptive field, px"] == text


def test_sixty_designs(make):
    labels = tuple(f"residual-{n}" for n in range(100, 130))
    page = Page(render(make(labels=labels)))
    assert len(page.rows()) == 60
    assert len(page.all("div", role="img")) == 7


def test_a_family_s_variants_stand_beside_it_and_tell_their_options():
    """Whatever a record from elsewhere calls its family."""
    families = (
        "wide(kernels=B(3,1,3))",
        "bottleneck",
        "residual(attention=eca)",
        "residual",
        "odd(",
        "simple",
    )
    designs = [make_design(f"label{i}", family=family) for i, family in enumerate(families)]
    entries = collect(make_study(), designs, [], make_summary(()))
    assert labels(entries) == ["label5", "label3", "label2", "label1", "label4", "label0"]
    (blocks,) = [column for column in COLUMNS if column.title.startswith("Block depth")]
    details = ["kernels=B(3,1,3)", "", "attention=eca", "", "", ""]
    assert [blocks.cell(entry).detail for entry in entries] == details
