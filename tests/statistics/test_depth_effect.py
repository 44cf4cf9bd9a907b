"""What depth changes: a failure to train is told from overfitting, on validation data."""

import pytest
from msgspec.structs import replace

from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_run, runs_of, text_of


def test_loss_of_trainability_is_told_from_overfitting(study):
    shallow, deep = make_design("plain"), make_design("plain", 56, norms=(1762.0, 1.0))
    base = runs_of(shallow, 0.98, 0.98, 0.975)
    untrained = summarise(study, [shallow, deep], base + runs_of(deep, 0.40, 0.35, 0.45), [])
    assert "Deeper plain: plain loses 57.8 points" in text_of(untrained)
    assert "it fails to train: its training accuracy falls as well, from 97.8 % to 40.0 %" in text_of(
        untrained
    )
    assert "1800 times its last one's at depth 56, 1.0 times at depth 8" in text_of(untrained)
    overfitted = summarise(study, [shallow, deep], base + runs_of(deep, 0.40, 0.35, 0.45, train=0.999), [])
    assert "plain loses" in text_of(overfitted)
    assert "fails to train" not in text_of(overfitted)
    assert "It overfits more: its training accuracy does not fall, from 97.8 % to 99.9 %." in text_of(
        overfitted
    )


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        ((0.98, 0.98, 0.98), "its training accuracy does not fall, from 98.0 % to 98.0 %"),
        ((0.95, 0.95, 0.95), "It overfits more: its training accuracy falls by only 3.0 points"),
        ((0.86, 0.88, 0.87), "It overfits more: its training accuracy falls by only 11.0 points"),
        ((0.65, 0.66, 0.66), "Mostly it does not overfit, it fails to train"),
        ((0.95, 0.80, 0.65), "changes by −18.0 [−55.3, +19.3] points"),  # more than half, but by chance
        ((0.88, 0.84, 0.86), "too uncertain to tell a failure to train from overfitting"),  # less than half?
    ],
)
def test_a_failure_to_train_needs_half_of_the_fall(study, trained, said):
    """Validation accuracy falls by 30 points."""
    shallow, deep = make_design("plain"), make_design("plain", 56)
    runs = runs_of(shallow, 0.97, 0.97, 0.97, train=0.98)
    for seed, (accuracy, train) in enumerate(zip((0.67, 0.66, 0.68), trained, strict=True)):
        runs.append(make_run(deep, seed, accuracy, train=train))
    words = text_of(summarise(study, [shallow, deep], runs, []))
    assert said in words
    assert ("fails to train" in words) == ("fails to train" in said)


def test_each_design_s_own_depths_are_named(study):
    """The deep plain stack could not be matched, so plain stops at 20 layers."""
    designs = [make_design("plain", d) for d in (8, 20)] + [make_design("residual", d) for d in (8, 56)]
    runs = [run for design in designs for run in runs_of(design, 0.98, 0.98, 0.975)]
    words = text_of(summarise(study, designs, runs, []))
    assert "No significant change from stack depth 8 to 20: plain (" in words
    assert "Each of the 2 changes is tested alone at 95 %, without a correction for their number" in words
    assert "No significant change from stack depth 8 to 56: residual (" in words


def test_what_depth_changes_is_told_from_validation_data(study):
    """Test data says the opposite: perfect at 56 layers, all wrong at 8."""
    shallow, deep = make_design("plain"), make_design("plain", 56)
    runs = [replace(r, test_errors=tuple(range(400))) for r in runs_of(shallow, 0.98, 0.98, 0.975)]
    runs += [replace(r, test_errors=()) for r in runs_of(deep, 0.40, 0.35, 0.45)]
    assert "plain loses 57.8 points of validation accuracy" in text_of(
        summarise(study, [shallow, deep], runs, [])
    )


def test_no_claim_of_degradation_where_there_is_none(study):
    shallow, deep = make_design("residual"), make_design("residual", 56)
    runs = runs_of(shallow, 0.98, 0.98, 0.975) + runs_of(deep, 0.978, 0.982, 0.977)
    summary = summarise(study, [shallow, deep], runs, [])
    assert "loses" not in text_of(summary)
    assert "tested alone" not in text_of(summary)  # a single change needs no correction
    assert "No significant change from stack depth 8 to 56: residual" in text_of(summary)
