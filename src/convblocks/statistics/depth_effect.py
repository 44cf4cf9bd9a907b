"""Describes the effect of a deeper stack: for each implementation that was trained at several depths."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

import numpy as np

from convblocks.formatting import difference as points_with_ends
from convblocks.formatting import percent, ratio
from convblocks.records import DataCard, Paragraph
from convblocks.statistics.comparison import Comparison, paired
from convblocks.statistics.estimates import Estimate, estimate, significant


def what_depth_changes(comparisons: Sequence[Comparison], card: DataCard) -> list[Paragraph]:
    """From each implementation's least depth to its greatest."""
    written: list[Paragraph] = []
    flat: dict[tuple[int, int], list[str]] = {}  # each implementation has depths of its own
    pairs = _ends(comparisons)
    for shallow, deep, difference in pairs:
        if significant(difference):
            written.append(Paragraph(f"Deeper {deep.design.label}", _change(shallow, deep, difference, card)))
        else:
            ends = (shallow.design.stack_depth, deep.design.stack_depth)
            text = f"{deep.design.label} ({points_with_ends(difference.interval())} points)"
            flat.setdefault(ends, []).append(text)
    sentences = [
        f"No significant change from stack depth {low} to {high}: {', '.join(texts)}."
        for (low, high), texts in sorted(flat.items())
    ]
    if len(pairs) > 1:
        sentences.append(
            f"Each of the {len(pairs)} changes is tested alone at 95 %, without a correction for their number: where "
            "depth changes nothing, chance alone makes one in twenty significant."
        )
    return [*written, Paragraph("Depth", " ".join(sentences))]


def _ends(comparisons: Sequence[Comparison]) -> list[tuple[Comparison, Comparison, Estimate]]:
    """The shallowest and the deepest of each implementation, and what validation score the deep one gains."""
    pairs: list[tuple[Comparison, Comparison, Estimate]] = []
    for label in dict.fromkeys(c.design.label for c in comparisons):
        same = sorted((c for c in comparisons if c.design.label == label), key=lambda c: c.design.stack_depth)
        shallow, deep = same[0], same[-1]
        difference = paired(deep, shallow, "validation")
        if shallow is not deep and difference and difference.seeds > 1:
            pairs.append((shallow, deep, difference))
    return pairs


def _change(shallow: Comparison, deep: Comparison, difference: Estimate, card: DataCard) -> str:
    low, high = shallow.design.stack_depth, deep.design.stack_depth
    verb = "loses" if difference.mean < 0 else "gains"
    text = (
        f"{shallow.design.label} {verb} {percent(abs(difference.mean), unit=False)} points of validation {card.metric} "
        f"from stack depth {low} to {high} ({points_with_ends(difference.interval())}, paired by seed)."
    )
    if difference.mean < 0:
        text += _cause(
            difference,
            _train_difference(shallow, deep, card.train),
            (_trained(shallow), _trained(deep)),
            card.metric,
        )
    first, last = shallow.design.gradient_ratio, deep.design.gradient_ratio
    if isfinite(first) and isfinite(last):
        text += (
            f" At initialisation its first convolution's gradient norm is {ratio(last)} times its last one's at depth "
            f"{high}, {ratio(first)} times at depth {low}."
        )
    return text


def _cause(difference: Estimate, trained: Estimate, values: tuple[float, float], metric: str) -> str:
    """Returns true where the training score falls with the validation score, at least half as far."""
    change, half = trained.interval(), difference.mean / 2
    assert change.low is not None
    ends = f"from {percent(values[0])} to {percent(values[1])}"
    if significant(trained) and trained.mean <= half:
        return (
            f" Mostly it does not overfit, it fails to train: its training {metric} falls as well, {ends} "
            "(degradation, He et al. 2016)."
        )
    if change.low > half:
        falls = (
            f"falls by only {percent(-trained.mean, unit=False)} points"
            if trained.mean < 0
            else "does not fall"
        )
        return f" It overfits more: its training {metric} {falls}, {ends}."
    return (
        f" Its training {metric} changes by {points_with_ends(change)} points, {ends}: too uncertain to tell a failure "
        "to train from overfitting."
    )


def _train_difference(shallow: Comparison, deep: Comparison, train: int) -> Estimate:
    """Returns the difference of the last epoch's training scores, paired by seed: single examples are not kept."""
    by_seed = {run.seed: run.epochs[-1].train_score for run in shallow.runs}
    gaps = [run.epochs[-1].train_score - by_seed[run.seed] for run in deep.runs if run.seed in by_seed]
    return replace(estimate(np.array(gaps)[:, None]), examples=train)


def _trained(c: Comparison) -> float:
    return float(np.mean([run.epochs[-1].train_score for run in c.runs]))
