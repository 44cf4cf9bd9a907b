"""The recommendation in words; says only what the figures show."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from convblocks.formatting import difference as points_with_ends
from convblocks.formatting import milliseconds, percent
from convblocks.records import Paragraph, Study
from convblocks.statistics.comparison import Comparison
from convblocks.statistics.depth_effect import what_depth_changes
from convblocks.statistics.estimates import MOST_SEEDS, examples_needed, score_interval, seeds_needed
from convblocks.text import plural


def headline_without_rows(planned: Mapping[str, int]) -> str:
    """Returns why no design is compared; `planned` is the number of runs of each."""
    if planned and not any(planned.values()):
        return "The search ended every run early, so there is nothing to compare."
    return "No run has finished yet: run the same command again to go on."


def headline(
    study: Study,
    comparisons: Sequence[Comparison],
    best: Comparison,
    chosen: Comparison | None,
    problem: str,
    *,
    designs: int,
) -> str:
    """Returns the design to use, or why that is not known. `designs` counts those to train, finished or not."""
    if designs == 1 and study.proposer:
        return (
            f"{best.name} is the only design that was trained to the end, so there is nothing to compare it with: "
            "propose more designs."
        )
    if designs == 1:
        return (
            f"{best.name} is the only design, so there is nothing to compare it with: "
            "compare more families, block depths or stack depths."
        )
    if len(comparisons) == 1:
        return (
            f"Only {best.name} is finished, so there is nothing to compare it with yet: "
            "run the same command again to go on."
        )
    if chosen is None:
        more = "propose designs" if study.proposer else "run again"
        return f"{best.name} came out best, but one seed is no evidence: {more} with 3 seeds or more."
    if problem:
        return f"These data do not tell which design to use: {problem}"
    if chosen is best:
        metric = study.data.metric
        return (
            f"Use {chosen.name}: it has the best {metric}, and none within its noise is measurably cheaper."
        )
    return (
        f"Use {chosen.name}: the cheapest design that is not significantly worse than the best, {best.name}."
    )


def paragraphs(
    study: Study,
    comparisons: Sequence[Comparison],
    best: Comparison,
    chosen: Comparison | None,
    planned: Mapping[str, int],
) -> tuple[Paragraph, ...]:
    """Why, what is within the noise, what it would take to tell more, and what depth does."""
    written = [
        Paragraph("Why", _why(best, chosen, study.data.metric) if chosen else ""),
        Paragraph("Within the noise", _equal(comparisons, best)),
        Paragraph("To tell more", _to_tell_apart(comparisons, best)),
        Paragraph(_worse_lead(comparisons), _worse(comparisons)),
        *what_depth_changes(comparisons, study.data),
        Paragraph("Diverged", _failures(comparisons)),
        Paragraph("Unfinished", _missing(study, comparisons, planned)),
    ]
    return tuple(paragraph for paragraph in written if paragraph.text)


def _why(best: Comparison, chosen: Comparison, metric: str) -> str:
    unit = "a forward pass of one example" if chosen.by_latency else "one example"
    text = f"{chosen.name} takes {_cost(chosen)} for {unit}"
    if chosen is best:
        text += f" and has the best validation {metric}, {percent(best.score)}."
    else:
        assert chosen.difference is not None
        gap = chosen.difference.interval()
        assert gap.low is not None
        text += (
            f", {best.name} {_cost(best)}. Its validation {metric} is {percent(chosen.score)}, "
            f"{best.name}'s {percent(best.score)}: a difference of {points_with_ends(gap)} points, which seeds and "
            f"examples alone can make; at worst it is {percent(-gap.low, unit=False)} points behind."
        )
    test = score_interval(chosen.test)
    return text + (
        f" On the test data, which chose nothing, its {metric} is {percent(test.estimate)} "
        f"[{percent(test.low)}, {percent(test.high)}]. Intervals are 95 %, over seeds and examples."
    )


def _equal(comparisons: Sequence[Comparison], best: Comparison) -> str:
    equal = [c.name for c in comparisons if c.verdict == "within noise"]
    return f"Not measurably worse than {best.name}: {', '.join(equal)}." if equal else ""


def _worse(comparisons: Sequence[Comparison]) -> str:
    worse = [c for c in _by_gap(comparisons) if c.verdict in ("perhaps worse", "worse")]
    if not worse:
        return ""
    named = [f"{c.name} ({points_with_ends(c.difference.interval())} points)" for c in worse if c.difference]
    alone = ", each tested alone at 95 %" if _comparisons(comparisons) > 1 else ""
    how = "Significantly so" if _surely_worse(comparisons) else "They came out worse"
    text = f"{how} on validation data{alone}: {', '.join(named)}. {_corrected(comparisons, worse)}"
    return text.strip()


def _worse_lead(comparisons: Sequence[Comparison]) -> str:
    """As the table's verdicts: "Worse" only if some remain so after Holm's correction."""
    return "Worse" if _surely_worse(comparisons) else "Perhaps worse"


def _surely_worse(comparisons: Sequence[Comparison]) -> list[str]:
    return [c.name for c in _by_gap(comparisons) if c.verdict == "worse"]


def _comparisons(comparisons: Sequence[Comparison]) -> int:
    return sum(c.p_holm is not None for c in comparisons)


def _corrected(comparisons: Sequence[Comparison], worse: Sequence[Comparison]) -> str:
    """Returns the sentence on the designs that stay worse after Holm's correction; empty for a single comparison."""
    number = _comparisons(comparisons)
    if number < 2:
        return ""
    sure = _surely_worse(worse)
    remain = "all of them remain" if len(sure) == len(worse) else f"there remain {', '.join(sure)}"
    return (
        f"Among {number + 1} equally good designs chance alone can make some look worse. After Holm's correction for "
        f"{number} comparisons {remain if sure else 'none of them remains'} significantly worse."
    )


def _to_tell_apart(comparisons: Sequence[Comparison], best: Comparison) -> str:
    """Returns the seeds or examples that would show the widest gaps among those within the noise, if they are real."""
    parts, numbers = [], []
    equal = [c for c in _by_gap(comparisons) if c.verdict == "within noise"]
    for c in equal[:3]:
        assert c.difference is not None
        gap = f"{c.name} ({percent(abs(c.difference.mean), unit=False)} points)"
        seeds, examples = seeds_needed(c.difference), examples_needed(c.difference)
        if seeds is not None:
            parts.append(f"{gap} about {plural(seeds, 'seed')}")
        elif (
            examples is not None and examples <= c.difference.examples
        ):  # so it is the seeds that are too few
            parts.append(f"{gap} more than {plural(MOST_SEEDS, 'seed')}")
        elif examples is not None:
            numbers.append(examples)
            parts.append(
                f"{gap} about {plural(examples, 'validation example')} instead of "
                f"{c.difference.examples:,}, and {_about(seeds_needed(replace(c.difference, examples=examples)))}"
            )
    if not parts:
        return ""
    which, gaps = ("it", "gap is") if len(equal) == 1 else ("them", "gaps are")
    text = (
        f"Telling {which} from {best.name} with 80 % power, if the {gaps} real, takes for {'; '.join(parts)}."
    )
    if numbers != sorted(numbers):  # the widest gap comes first
        text += " A smaller gap takes fewer examples where it varies less from example to example."
    return text


def _about(seeds: int | None) -> str:
    return f"more than {plural(MOST_SEEDS, 'seed')}" if seeds is None else f"about {plural(seeds, 'seed')}"


def _by_gap(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Returns the designs that were compared with the best, the farthest behind first."""
    return sorted(
        (c for c in comparisons if c.difference), key=lambda c: c.difference.mean if c.difference else 0.0
    )


def _failures(comparisons: Sequence[Comparison]) -> str:
    failed = [
        f"{run.design} with seed {run.seed} ({run.failure})"
        for c in comparisons
        for run in c.runs
        if run.failure
    ]
    return f"Scored as they were: {'; '.join(failed)}." if failed else ""


def _missing(study: Study, comparisons: Sequence[Comparison], planned: Mapping[str, int]) -> str:
    if study.proposer:
        finished = {c.name for c in comparisons}
        under_way = [name for name, number in planned.items() if number and name not in finished]
        return f"No run is finished of {', '.join(under_way)}: the same call goes on." if under_way else ""
    behind = [c.name for c in comparisons if c.seeds < planned[c.name]]
    if not behind:
        return ""
    return f"Not all {len(study.seeds)} seeds are finished for {', '.join(behind)}: run the same command to go on."


def _cost(c: Comparison) -> str:
    return milliseconds(c.cost) if c.by_latency else f"{c.design.macs:,} MACs"
