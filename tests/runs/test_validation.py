"""Rules for records: what a compare writes passes, and each figure that could not be is refused by name."""

import numpy as np
import pytest
from msgspec.structs import replace
from sklearn.metrics import jaccard_score

from convblocks.runs.validation import (
    check_design,
    check_latency,
    check_run,
    check_study,
    require_design_name,
)
from tests.made_records import EXAMPLES, make_design, make_latency, make_run, make_study

STUDY, DESIGN = make_study(), make_design("a")
RUN, LATENCY = make_run(DESIGN, 0, 0.9), make_latency(DESIGN, 2.0)
CASES = [
    (check_run, RUN, {"seed": 9}, "seed 9"),
    (check_run, RUN, {"weights_sha256": "0" * 63}, "weights_sha256"),
    (check_run, RUN, {"epochs": RUN.epochs[:1]}, "1 epochs"),
    (check_run, RUN, {"stopped": 1}, "stopped after 1"),
    (check_run, RUN, {"timing": replace(RUN.timing, epoch_s=(1.0, float("nan")))}, "timing"),
    (check_run, RUN, {"validation_score": 0.91}, "validation_score"),
    (check_run, RUN, {"test_errors": (3, 3)}, "test_errors"),
    (check_run, RUN, {"test_errors": (EXAMPLES,)}, "test_errors"),
    (check_run, RUN, {"test_overlaps": ((0, 0, 1, 1),)}, "test_overlaps"),
    (check_design, DESIGN, {"name": "../a"}, "design name"),
    (check_design, DESIGN, {"stack_depth": 9}, "stack_depth 9"),
    (check_design, DESIGN, {"widths": (8, 0)}, "blocks and widths"),
    (check_design, DESIGN, {"macs": -1}, "macs"),
    (check_latency, LATENCY, {"threads": 2}, "threads 2"),
    (check_latency, LATENCY, {"lower_ms": 2.5}, "in this order"),
    (check_latency, LATENCY, {"upper_ms": float("inf")}, "positive times"),
]


@pytest.mark.parametrize(("check", "record", "changes", "message"), CASES, ids=lambda value: str(value)[:20])
def test_one_figure_that_cannot_be_is_refused(check, record, changes, message):
    check(record, STUDY)
    with pytest.raises(ValueError, match=message):
        check(replace(record, **changes), STUDY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": (1, 1)}, "seeds"),
        ({"workers": 0}, "workers"),
        ({"match": "colour"}, "match"),
        ({"budget": 0}, "budget"),
        ({"recipe": {"epochs": 0}}, "recipe"),
        ({"data": replace(STUDY.data, classes=("a",))}, "classes"),
    ],
)
def test_a_study_that_nobody_could_have_asked_is_refused(changes, message):
    check_study(STUDY)
    with pytest.raises(ValueError, match=message):
        check_study(replace(STUDY, **changes))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "-a", "a\n", "a" * 201])
def test_a_design_s_name_is_no_path(name):
    with pytest.raises(ValueError, match="design name"):
        require_design_name(name)


def test_mean_iou_of_overlaps_is_the_jaccard_score_of_the_pixels():
    rng = np.random.default_rng(0)
    labels, answers = rng.integers(0, 3, (2, 5, 40))
    rows = tuple(
        (i, c, int((a & b).sum()), int((a | b).sum()))
        for i in range(5)
        for c in range(3)
        if (a := labels[i] == c).any() | (b := answers[i] == c).any()
    )
    pixels = tuple(np.bincount(labels.ravel(), minlength=3).tolist())
    parts = dict.fromkeys(("train", "validation", "test"), pixels)
    card = replace(STUDY.data, classes=tuple("abc"), validation=5, test=5, task="segment", pixels=parts)
    study = replace(STUDY, data=card)
    score = float(jaccard_score(labels.ravel(), answers.ravel(), average="macro"))
    run = replace(
        RUN,
        validation_errors=(),
        test_errors=(),
        validation_overlaps=rows,
        test_overlaps=rows,
        validation_score=score,
        test_score=score,
    )
    check_run(run, study)
    with pytest.raises(ValueError, match="validation_score"):
        check_run(replace(run, validation_score=score + 1e-6), study)
    with pytest.raises(ValueError, match="comes twice"):
        check_run(replace(run, test_overlaps=(*rows, rows[0])), study)
