"""From records to the answer: one row a design, a recommendation, and the words for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from convblocks.records import Design, Latency, Row, Run, Study, Summary, Verdict
from convblocks.statistics.comparison import Comparison, paired
from convblocks.statistics.estimates import (
    SIGNIFICANT,
    Estimate,
    holm,
    score_interval,
    significant,
)
from convblocks.statistics.evidence import missing_evidence
from convblocks.statistics.planned import planned_runs
from convblocks.statistics.recommendation import headline, headline_without_rows, paragraphs
from convblocks.statistics.run_origins import origins
from convblocks.statistics.scores import scores

TARGET = 0.98
"""The fixed score that training is timed to, as a part of the best design's final validation score."""


def summarise(
    study: Study, designs: Sequence[Design], runs: Sequence[Run], latencies: Sequence[Latency]
) -> Summary:
    """Returns the comparison of the designs on validation data; test figures are stated, never used to choose.

    Runs that a search ended early are listed and compared with none.
    """
    whole = [run for run in runs if not run.stopped]
    trained = {run.design for run in whole}
    times = {latency.design: latency for latency in latencies}
    by_latency = trained <= times.keys()
    comparisons = [
        Comparison(
            design=design,
            runs=own,
            validation=scores(own, "validation", study.data),
            test=scores(own, "test", study.data),
            latency=times.get(design.name),
            by_latency=by_latency,
        )
        for design in designs
        if (own := sorted((r for r in whole if r.design == design.name), key=lambda r: r.seed))
    ]
    planned = planned_runs(study, designs, runs)
    if not comparisons:
        return Summary(
            recommended=None,
            conclusive=False,
            headline=headline_without_rows(planned),
            paragraphs=origins(study, runs, latencies),
            rows=(),
            target_score=None,
            cost="latency",
        )
    best = replace(min(comparisons, key=lambda c: (-round(c.score, 12), c.cost)), verdict="best")
    comparisons = _compared(comparisons, best, planned)
    can_tell = len(comparisons) > 1 and best.seeds > 1
    chosen = _cheapest([c for c in comparisons if c.is_among_best]) if can_tell else None
    problem = missing_evidence(comparisons, best, chosen, study.data) if chosen else ""
    target = round(TARGET * best.score, 3)
    return Summary(
        recommended=chosen.name if chosen else None,
        conclusive=chosen is not None and not problem,
        headline=headline(
            study, comparisons, best, chosen, problem, designs=sum(map(bool, planned.values()))
        ),
        paragraphs=(*paragraphs(study, comparisons, best, chosen, planned), *origins(study, runs, latencies)),
        rows=tuple(_row(c, best, target, comparisons) for c in comparisons),
        target_score=target,
        cost="latency" if by_latency else "macs",
    )


def _compared(
    comparisons: list[Comparison], best: Comparison, planned: Mapping[str, int]
) -> list[Comparison]:
    """Each with its difference to the best, and the verdict on that; `planned` is the number of runs of each."""
    differences = {c.name: paired(c, best, "validation") for c in comparisons if c.name != best.name}
    tested = {name: d for name, d in differences.items() if d and d.seeds > 1}
    # a single comparison needs no correction
    p_values = [d.tail_p_value() if len(tested) > 1 else d.p_value() for d in tested.values()]
    adjusted = dict(zip(tested, holm([p for p in p_values if p is not None]), strict=True))
    return [
        best
        if c.name == best.name
        else replace(
            c,
            difference=differences[c.name],
            p_holm=adjusted.get(c.name),
            verdict=_verdict(
                differences[c.name],
                adjusted.get(c.name),
                finished=all(each.seeds >= planned[each.name] for each in (c, best)),
            ),
        )
        for c in comparisons
    ]


def _verdict(difference: Estimate | None, p_holm: float | None, *, finished: bool) -> Verdict:
    if difference is None or p_holm is None:
        return "one seed" if finished else "unfinished"
    if not significant(difference):
        return "within noise"
    return "worse" if p_holm < SIGNIFICANT else "perhaps worse"


def _cheapest(comparisons: list[Comparison]) -> Comparison:
    """The lowest cost; of those that are not told apart from it, the best in validation."""
    lowest = min(comparisons, key=lambda c: c.cost)
    return max((c for c in comparisons if c.cost <= lowest.reach), key=lambda c: (c.score, -c.cost))


def _beaten(c: Comparison, other: Comparison) -> bool:
    """Returns true where the other is better and not measurably dearer, or as good and measurably cheaper."""
    if other.score > c.score:
        return other.cost <= c.reach
    return other.score == c.score and other.reach < c.cost


def _row(c: Comparison, best: Comparison, target: float, comparisons: list[Comparison]) -> Row:
    losses = [loss for run in c.runs if (loss := run.epochs[-1].train_loss) is not None]
    seconds = [s for run in c.runs if (s := _seconds_to(run, target)) is not None]
    behind = None if c is best else paired(c, best, "test")
    return Row(
        design=c.name,
        seeds=c.seeds,
        validation=score_interval(c.validation),
        validation_difference=c.difference.interval() if c.difference else None,
        p_value=c.difference.p_value() if c.difference else None,
        p_holm=c.p_holm,
        test=score_interval(c.test),
        test_difference=behind.interval() if behind else None,
        verdict=c.verdict,
        train_score=float(np.mean([run.epochs[-1].train_score for run in c.runs])),
        train_loss=sum(losses) / len(losses) if len(losses) == c.seeds else None,
        seconds_to_target=float(np.median(seconds)) if seconds else None,
        reached=len(seconds),
        images_per_s=float(np.median([run.timing.images_per_s for run in c.runs])),
        latency=c.latency,
        pareto=not any(_beaten(c, other) for other in comparisons),
    )


def _seconds_to(run: Run, target: float) -> float | None:
    """Training seconds until the validation score first reached `target`."""
    spent = 0.0
    for epoch, seconds in zip(run.epochs, run.timing.epoch_s, strict=True):
        spent += seconds
        if epoch.validation_score >= target:
            return spent
    return None
