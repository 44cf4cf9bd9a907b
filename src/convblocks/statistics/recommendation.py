"""The recommendation in words; says only what the figures show."""

from collections.abc import Sequence
from dataclasses import replace

from convblocks.formatting import difference as points_with_ends
from convblocks.formatting import milliseconds, percent, plural
from convblocks.records import Paragraph, Study
from convblocks.statistics.comparison import Judged
from convblocks.statistics.depth_effect import what_depth_changes
from convblocks.statistics.estimates import MOST_SEEDS, examples_needed, score_interval, seeds_needed


def headline(
    judged: Sequence[Judged], best: Judged, chosen: Judged | None, doubt: str, *, asked: int, metric: str
) -> str:
    """What to use, or why that is not known. `asked` is the number of designs to train, finished or not."""
    if asked == 1:
        return (
            f"{best.name} is the only design, so there is nothing to compare it with: "
            "ask for more with --families, --block-depths or --depth."
        )
    if len(judged) == 1:
        return (
            f"Only {best.name} is finished, so there is nothing to compare it with yet: "
            "run the same command again to go on."
        )
    if chosen is None:
        return f"{best.name} came out best, but one seed is no evidence: run again with --seeds 3 or more."
    if doubt:
        return f"These data do not tell which design to use: {doubt}"
    if chosen is best:
        return (
            f"Use {chosen.name}: it has the best {metric}, and none within its noise is measurably cheaper."
        )
    return (
        f"Use {chosen.name}: the cheapest design that is not significantly worse than the best, {best.name}."
    )


def paragraphs(
    study: Study, judged: Sequence[Judged], best: Judged, chosen: Judged | None
) -> tuple[Paragraph, ...]:
    """Why, what is within the noise, what it would take to tell more, and what depth does."""
    written = [
        Paragraph("Why", _why(best, chosen, study.data.metric) if chosen else ""),
        Paragraph("Within the noise", _equal(judged, best)),
        Paragraph("To tell more", _to_tell_apart(judged, best)),
        Paragraph(_worse_lead(judged), _worse(judged)),
        *what_depth_changes(judged, study.data),
        Paragraph("Stopped early", _failures(judged)),
        Paragraph("Unfinished", _missing(study, judged)),
    ]
    return tuple(paragraph for paragraph in written if paragraph.text)


def _why(best: Judged, chosen: Judged, metric: str) -> str:
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


def _equal(judged: Sequence[Judged], best: Judged) -> str:
    equal = [j.name for j in judged if j.verdict == "within noise"]
    return f"Not told apart from {best.name}: {', '.join(equal)}." if equal else ""


def _worse(judged: Sequence[Judged]) -> str:
    worse = [j for j in _by_gap(judged) if j.verdict in ("perhaps worse", "worse")]
    if not worse:
        return ""
    named = [f"{j.name} ({points_with_ends(j.difference.interval())} points)" for j in worse if j.difference]
    alone = ", each tested alone at 95 %" if _comparisons(judged) > 1 else ""
    how = "Significantly so" if _surely_worse(judged) else "They came out worse"
    text = f"{how} on validation data{alone}: {', '.join(named)}. {_corrected(judged, worse)}"
    return text.strip()


def _worse_lead(judged: Sequence[Judged]) -> str:
    """As the table's verdicts: "Worse" only if some remain so after Holm's correction."""
    return "Worse" if _surely_worse(judged) else "Perhaps worse"


def _surely_worse(judged: Sequence[Judged]) -> list[str]:
    return [j.name for j in _by_gap(judged) if j.verdict == "worse"]


def _comparisons(judged: Sequence[Judged]) -> int:
    return sum(j.p_holm is not None for j in judged)


def _corrected(judged: Sequence[Judged], worse: Sequence[Judged]) -> str:
    """Which of the worse ones are so whatever the number of comparisons."""
    number = _comparisons(judged)
    if number < 2:
        return ""
    sure = _surely_worse(worse)
    remain = "all of them remain" if len(sure) == len(worse) else f"there remain {', '.join(sure)}"
    return (
        f"Among {number + 1} equally good designs chance alone can make some look worse. After Holm's correction for "
        f"{number} comparisons {remain if sure else 'none of them remains'} significantly worse."
    )


def _to_tell_apart(judged: Sequence[Judged], best: Judged) -> str:
    """What would show the widest gaps among those within the noise, if they are real."""
    parts, asked = [], []
    equal = [j for j in _by_gap(judged) if j.verdict == "within noise"]
    for j in equal[:3]:
        assert j.difference is not None
        gap = f"{j.name} ({percent(abs(j.difference.mean), unit=False)} points)"
        seeds, examples = seeds_needed(j.difference), examples_needed(j.difference)
        if seeds is not None:
            parts.append(f"{gap} about {plural(seeds, 'seed')}")
        elif (
            examples is not None and examples <= j.difference.examples
        ):  # so it is the seeds that are too few
            parts.append(f"{gap} more than {plural(MOST_SEEDS, 'seed')}")
        elif examples is not None:
            asked.append(examples)
            parts.append(
                f"{gap} about {plural(examples, 'validation example')} instead of "
                f"{j.difference.examples:,}, and {_about(seeds_needed(replace(j.difference, examples=examples)))}"
            )
    if not parts:
        return ""
    which, gaps = ("it", "gap is") if len(equal) == 1 else ("them", "gaps are")
    text = (
        f"Telling {which} from {best.name} with 80 % power, if the {gaps} real, takes for {'; '.join(parts)}."
    )
    if asked != sorted(asked):  # the widest gap comes first
        text += " A smaller gap takes fewer examples where it varies less from example to example."
    return text


def _about(seeds: int | None) -> str:
    return f"more than {plural(MOST_SEEDS, 'seed')}" if seeds is None else f"about {plural(seeds, 'seed')}"


def _by_gap(judged: Sequence[Judged]) -> list[Judged]:
    """Those compared with the best, the farthest behind first."""
    return sorted(
        (j for j in judged if j.difference), key=lambda j: j.difference.mean if j.difference else 0.0
    )


def _failures(judged: Sequence[Judged]) -> str:
    failed = [
        f"{run.design} with seed {run.seed} ({run.failure})" for j in judged for run in j.runs if run.failure
    ]
    return f"Judged as they were: {'; '.join(failed)}." if failed else ""


def _missing(study: Study, judged: Sequence[Judged]) -> str:
    behind = [j.name for j in judged if j.seeds < len(study.seeds)]
    if not behind:
        return ""
    return f"Not all {len(study.seeds)} seeds are finished for {', '.join(behind)}: run the same command to go on."


def _cost(j: Judged) -> str:
    return milliseconds(j.cost) if j.by_latency else f"{j.design.macs:,} MACs"
