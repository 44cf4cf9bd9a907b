"""From records to the answer: one row a design, a recommendation, and the words for it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from convblocks.records import Design, Latency, Row, Run, Study, Summary
from convblocks.statistics.comparison import Judged, paired
from convblocks.statistics.estimates import (
    SIGNIFICANT,
    Estimate,
    holm,
    score_interval,
    significant,
)
from convblocks.statistics.evidence import doubt
from convblocks.statistics.recommendation import headline, paragraphs
from convblocks.statistics.scores import scores

TARGET = 0.98
"""The fixed score that training is timed to, as a part of the best design's final validation score."""


def summarise(
    study: Study, designs: Sequence[Design], runs: Sequence[Run], latencies: Sequence[Latency]
) -> Summary:
    """Judge by validation data; test figures are stated, never used to choose."""
    trained = {run.design for run in runs}
    times = {latency.design: latency for latency in latencies}
    by_latency = trained <= times.keys()
    judged = [
        Judged(
            design=design,
            runs=own,
            validation=scores(own, "validation", study.data),
            test=scores(own, "test", study.data),
            latency=times.get(design.name),
            by_latency=by_latency,
        )
        for design in designs
        if (own := sorted((r for r in runs if r.design == design.name), key=lambda r: r.seed))
    ]
    if not judged:
        none = "No run has finished yet: run the same command again to go on."
        return Summary(
            recommended=None,
            told=False,
            headline=none,
            paragraphs=(),
            rows=(),
            target_score=None,
            cost="latency",
        )
    best = replace(min(judged, key=lambda j: (-round(j.score, 12), j.cost)), verdict="best")
    judged = _compared(judged, best, len(study.seeds))
    can_tell = len(judged) > 1 and best.seeds > 1
    chosen = _cheapest([j for j in judged if j.not_told_apart]) if can_tell else None
    why_not = doubt(judged, best, chosen, study.data) if chosen else ""
    target = round(TARGET * best.score, 3)
    return Summary(
        recommended=chosen.name if chosen else None,
        told=chosen is not None and not why_not,
        headline=headline(
            judged, best, chosen, why_not, asked=sum(not d.problem for d in designs), metric=study.data.metric
        ),
        paragraphs=paragraphs(study, judged, best, chosen),
        rows=tuple(_row(j, best, target, judged) for j in judged),
        target_score=target,
        cost="latency" if by_latency else "macs",
    )


def _compared(judged: list[Judged], best: Judged, planned: int) -> list[Judged]:
    """Each with its difference to the best, and the verdict on that; `planned` is the study's number of seeds."""
    differences = {j.name: paired(j, best, "validation") for j in judged if j.name != best.name}
    tested = {name: d for name, d in differences.items() if d and d.seeds > 1}
    # a single comparison needs no correction
    p_values = [d.tail_p_value() if len(tested) > 1 else d.p_value() for d in tested.values()]
    adjusted = dict(zip(tested, holm([p for p in p_values if p is not None]), strict=True))
    return [
        best
        if j.name == best.name
        else replace(
            j,
            difference=differences[j.name],
            p_holm=adjusted.get(j.name),
            verdict=_verdict(differences[j.name], adjusted.get(j.name), planned),
        )
        for j in judged
    ]


def _verdict(difference: Estimate | None, p_holm: float | None, planned: int) -> str:
    if difference is None or p_holm is None:
        return "one seed" if planned == 1 else "unfinished"
    if not significant(difference):
        return "within noise"
    return "worse" if p_holm < SIGNIFICANT else "perhaps worse"


def _cheapest(judged: list[Judged]) -> Judged:
    """The lowest cost; of those that are not told apart from it, the best in validation."""
    lowest = min(judged, key=lambda j: j.cost)
    return max((j for j in judged if j.cost <= lowest.reach), key=lambda j: (j.score, -j.cost))


def _beaten(j: Judged, other: Judged) -> bool:
    """Whether the other is better and not measurably dearer, or as good and measurably cheaper."""
    if other.score > j.score:
        return other.cost <= j.reach
    return other.score == j.score and other.reach < j.cost


def _row(j: Judged, best: Judged, target: float, judged: list[Judged]) -> Row:
    losses = [loss for run in j.runs if (loss := run.epochs[-1].train_loss) is not None]
    seconds = [s for run in j.runs if (s := _seconds_to(run, target)) is not None]
    behind = None if j is best else paired(j, best, "test")
    return Row(
        design=j.name,
        seeds=j.seeds,
        validation=score_interval(j.validation),
        validation_difference=j.difference.interval() if j.difference else None,
        p_value=j.difference.p_value() if j.difference else None,
        p_holm=j.p_holm,
        test=score_interval(j.test),
        test_difference=behind.interval() if behind else None,
        verdict=j.verdict,
        train_score=float(np.mean([run.epochs[-1].train_score for run in j.runs])),
        train_loss=sum(losses) / len(losses) if len(losses) == j.seeds else None,
        seconds_to_target=float(np.median(seconds)) if seconds else None,
        reached=len(seconds),
        images_per_s=float(np.median([run.timing.images_per_s for run in j.runs])),
        latency=j.latency,
        pareto=not any(_beaten(j, other) for other in judged),
    )


def _seconds_to(run: Run, target: float) -> float | None:
    """Training seconds until the validation score first reached `target`."""
    spent = 0.0
    for epoch, seconds in zip(run.epochs, run.timing.epoch_s, strict=True):
        spent += seconds
        if epoch.validation_score >= target:
            return spent
    return None
