"""The recommendation in words; says only what the figures show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from convblocks.experiments.statistics import (
    Estimate,
    accuracy_interval,
    estimate,
    examples_needed,
    seeds_needed,
    significant,
)
from convblocks.records import Design, Latency, Run, Study
from convblocks.report.format import difference as points_with_ends
from convblocks.report.format import percent


@dataclass(frozen=True)
class Judged:
    """A design with all that is known of it; `difference` and what follows once the best is known."""

    design: Design
    runs: Sequence[Run]
    validation: np.ndarray  # right[seed, example]
    test: np.ndarray
    latency: Latency | None
    difference: Estimate | None = None  # to the best, on validation
    p_holm: float | None = None  # of that difference, after Holm's correction
    verdict: str = ""

    @property
    def name(self) -> str:
        return self.design.name

    @property
    def seeds(self) -> int:
        return len(self.runs)

    @property
    def seed_numbers(self) -> list[int]:
        return [run.seed for run in self.runs]

    @property
    def cost(self) -> float:
        """Latency, or MACs as long as no latency is measured."""
        return self.latency.median_ms if self.latency else float(self.design.macs)

    @property
    def accuracy(self) -> float:
        return float(self.validation.mean())


def headline(judged: Sequence[Judged], best: Judged, chosen: Judged | None) -> str:
    """One sentence: what to use."""
    if len(judged) == 1:
        return f"Only {best.name} is finished, so there is nothing to compare it with."
    if chosen is None:
        return f"{best.name} came out best, but one seed is no evidence: run again with --seeds 3 or more."
    if chosen is best:
        return (
            f"Use {chosen.name}: the most accurate design, and none within its noise is measurably cheaper."
        )
    return (
        f"Use {chosen.name}: the cheapest design that is not significantly worse than the best, {best.name}."
    )


def paragraphs(
    study: Study, judged: Sequence[Judged], best: Judged, chosen: Judged | None
) -> tuple[str, ...]:
    """Why, what is within the noise, what it would take to tell more, and what depth does."""
    written = [
        _why(best, chosen) if chosen else "",
        _noise(judged, best),
        _to_tell_apart(judged, best),
        *_depth(judged, study.data.train),
        _failures(judged),
        _missing(study, judged),
    ]
    return tuple(text for text in written if text)


def _why(best: Judged, chosen: Judged) -> str:
    unit = "a forward pass of one example" if chosen.latency else "one example"
    text = f"{chosen.name} takes {_cost(chosen)} for {unit}"
    if chosen is best:
        text += f" and has the best validation accuracy, {percent(best.accuracy)}."
    else:
        assert chosen.difference is not None
        gap = chosen.difference.interval()
        assert gap.low is not None
        text += (
            f", {best.name} {_cost(best)}. On validation data it gets {percent(chosen.accuracy)} right, "
            f"{best.name} {percent(best.accuracy)}: a difference of {points_with_ends(gap)} points, which seeds and "
            f"examples alone can make; at worst it is {percent(-gap.low, unit=False)} points behind."
        )
    test = accuracy_interval(chosen.test)
    return text + (
        f" On the test data, which chose nothing, it gets {percent(test.estimate)} right "
        f"[{percent(test.low)}, {percent(test.high)}]. Intervals are 95 %, over seeds and examples."
    )


def _noise(judged: Sequence[Judged], best: Judged) -> str:
    equal = [j.name for j in judged if j.verdict == "within noise"]
    worse = [j for j in _by_gap(judged) if j.verdict in ("perhaps worse", "worse")]
    text = f"Within the noise of {best.name}: {', '.join(equal)}." if equal else ""
    if worse:
        named = [
            f"{j.name} ({points_with_ends(j.difference.interval())} points)" for j in worse if j.difference
        ]
        alone = ", each tested alone at 95 %" if _comparisons(judged) > 1 else ""
        text += (
            f" Significantly worse on validation data{alone}: {', '.join(named)}. {_corrected(judged, worse)}"
        )
    return text.strip()


def _comparisons(judged: Sequence[Judged]) -> int:
    return sum(j.p_holm is not None for j in judged)


def _corrected(judged: Sequence[Judged], worse: Sequence[Judged]) -> str:
    """Which of the worse ones are so whatever the number of comparisons."""
    number = _comparisons(judged)
    if number < 2:
        return ""
    sure = [j.name for j in worse if j.verdict == "worse"]
    remain = "all of them remain" if len(sure) == len(worse) else f"there remain {', '.join(sure)}"
    return (
        f"Among {number + 1} equally good designs chance alone can make some look worse. After Holm's correction for "
        f"{number} comparisons {remain if sure else 'none of them remains'} significantly worse."
    )


def _to_tell_apart(judged: Sequence[Judged], best: Judged) -> str:
    """What would show the widest gaps among those within the noise, if they are real."""
    parts = []
    for j in [j for j in _by_gap(judged) if j.verdict == "within noise"][:3]:
        assert j.difference is not None
        gap = f"{j.name} ({percent(abs(j.difference.mean), unit=False)} points)"
        seeds, examples = seeds_needed(j.difference), examples_needed(j.difference)
        if seeds is not None:
            parts.append(f"{gap} about {seeds} seeds")
        elif examples is not None:
            parts.append(
                f"{gap} about {examples:,} validation examples instead of "
                f"{j.difference.examples:,}, and many seeds"
            )
    if not parts:
        return ""
    return f"To tell them from {best.name} with 80 % power, if the gaps are real, it takes for {'; '.join(parts)}."


def _by_gap(judged: Sequence[Judged]) -> list[Judged]:
    """Those compared with the best, the farthest behind first."""
    return sorted(
        (j for j in judged if j.difference), key=lambda j: j.difference.mean if j.difference else 0.0
    )


def _depth(judged: Sequence[Judged], train: int) -> list[str]:
    """What a deeper stack changes, for each implementation that was trained at several depths."""
    pairs: list[tuple[Judged, Judged, Estimate]] = []
    for label in dict.fromkeys(j.design.label for j in judged):
        same = sorted((j for j in judged if j.design.label == label), key=lambda j: j.design.stack_depth)
        shallow, deep = same[0], same[-1]
        common = [s for s in shallow.seed_numbers if s in deep.seed_numbers]
        if shallow is not deep and len(common) > 1:
            rows = [j.validation[[j.seed_numbers.index(s) for s in common]] for j in (deep, shallow)]
            pairs.append((shallow, deep, estimate(rows[0] - rows[1])))
    written: list[str] = []
    flat: dict[tuple[int, int], list[str]] = {}  # each implementation has depths of its own
    for shallow, deep, difference in pairs:
        if significant(difference):
            written.append(_depth_changes(shallow, deep, difference, train))
        else:
            ends = (shallow.design.stack_depth, deep.design.stack_depth)
            text = f"{deep.design.label} ({points_with_ends(difference.interval())} points)"
            flat.setdefault(ends, []).append(text)
    return written + [
        f"No significant change from stack depth {low} to {high}: {', '.join(texts)}."
        for (low, high), texts in sorted(flat.items())
    ]


def _depth_changes(shallow: Judged, deep: Judged, difference: Estimate, train: int) -> str:
    low, high = shallow.design.stack_depth, deep.design.stack_depth
    verb = "loses" if difference.mean < 0 else "gains"
    text = (
        f"{shallow.design.label} {verb} {percent(abs(difference.mean), unit=False)} points of validation accuracy from "
        f"stack depth {low} to {high} ({points_with_ends(difference.interval())}, paired by seed)."
    )
    if difference.mean < 0:
        text += _cause(difference, _train_difference(shallow, deep, train), _trained(shallow), _trained(deep))
    first, last = shallow.design.gradient_ratio, deep.design.gradient_ratio
    if isfinite(first) and isfinite(last):
        text += (
            f" At initialisation its first convolution's gradient norm is {_times(last)} its last one's at depth "
            f"{high}, {_times(first)} at depth {low}."
        )
    return text


def _cause(difference: Estimate, trained: Estimate, shallow: float, deep: float) -> str:
    """Whether training accuracy falls with validation accuracy; half as far is the least that counts."""
    change, half = trained.interval(), difference.mean / 2
    assert change.low is not None
    ends = f"from {percent(shallow)} to {percent(deep)}"
    if significant(trained) and trained.mean <= half:
        return (
            f" Mostly it does not overfit, it fails to train: its training accuracy falls as well, {ends} "
            "(degradation, He et al. 2016)."
        )
    if change.low > half:
        falls = (
            f"falls by only {percent(-trained.mean, unit=False)} points"
            if trained.mean < 0
            else "does not fall"
        )
        return f" It overfits more: its training accuracy {falls}, {ends}."
    return (
        f" Its training accuracy changes by {points_with_ends(change)} points, {ends}: too uncertain to tell a failure "
        "to train from overfitting."
    )


def _train_difference(shallow: Judged, deep: Judged, train: int) -> Estimate:
    """Of the last epoch's training accuracy, paired by seed; which examples were right is not kept."""
    by_seed = {run.seed: run.epochs[-1].train_accuracy for run in shallow.runs}
    gaps = [run.epochs[-1].train_accuracy - by_seed[run.seed] for run in deep.runs if run.seed in by_seed]
    return replace(estimate(np.array(gaps)[:, None]), examples=train)


def _trained(j: Judged) -> float:
    return float(np.mean([run.epochs[-1].train_accuracy for run in j.runs]))


def _failures(judged: Sequence[Judged]) -> str:
    failed = [
        f"{run.design} with seed {run.seed} ({run.failure})" for j in judged for run in j.runs if run.failure
    ]
    return f"Stopped early, and judged as they were: {'; '.join(failed)}." if failed else ""


def _missing(study: Study, judged: Sequence[Judged]) -> str:
    behind = [j.name for j in judged if j.seeds < len(study.seeds)]
    if not behind:
        return ""
    return f"Not all {len(study.seeds)} seeds are finished for {', '.join(behind)}: run the same command to go on."


def _cost(j: Judged) -> str:
    return f"{j.latency.median_ms:.3g} ms" if j.latency else f"{j.design.macs:,} MACs"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 100 else f"{ratio:.2g} times"
