"""The table of designs: `COLUMNS` is the one list of its columns, each with its definition.

HTML and Markdown draw the same cells; the definitions below the table come from the same list.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan
from typing import get_args

from convblocks import formatting as fmt
from convblocks.records import Study, Summary, Verdict
from convblocks.report.conditions import cheapest
from convblocks.report.entries import Entry
from convblocks.text import plural

VERDICTS = get_args(Verdict)
NOT_TRAINED = "not trained"
ENDED_EARLY = "ended early"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text, a second and smaller line, and the value that it is sorted by (None: missing)."""

    text: str
    detail: str = ""
    value: float | str | None = None

    @property
    def key(self) -> str | None:
        """The value as JavaScript's Number reads it."""
        if self.value is None or isinstance(self.value, str):
            return self.value
        if isnan(self.value):
            return None
        return repr(self.value).replace("inf", "Infinity")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of designs.

    Attributes:
        title: may hold the fields that `fields` fills.
        definition: the same.
        cell: makes the cell of one design.
        numeric: sorted as numbers.
        structure: of a design's structure and training, which are the page's second table.
    """

    title: str
    definition: str
    cell: Callable[[Entry], Cell]
    numeric: bool = True
    structure: bool = False


def fields(study: Study, summary: Summary) -> Mapping[str, str]:
    """Returns the parts of titles and definitions that depend on the study."""
    latency = next((row.latency for row in summary.rows if row.latency), None)
    target = fmt.percent(summary.target_score)
    timed = "one forward pass"
    if latency:
        batch, threads = plural(latency.batch, "example"), plural(latency.threads, "thread")
        timed = f"one forward pass of {batch} with {threads}, over {plural(latency.repeats, 'repeat')}"
    matched = "" if study.match == "none" else ", chosen so that all designs spend the same budget"
    return {
        "metric": study.data.metric,
        "matched": matched,
        "target": "target" if target == fmt.MISSING else target,
        "timed": timed,
        "cheapest": cheapest(summary),
    }


def _design(entry: Entry) -> Cell:
    name = entry.design.name
    mark = "recommended" if entry.conclusive else "cheapest not measurably worse"
    marks = [mark if entry.recommended else "", "costs as deployed" if entry.design.deployed else ""]
    return Cell(name, "; ".join(filter(None, marks)), name)


def _stack_depth(entry: Entry) -> Cell:
    depth = entry.design.stack_depth
    return Cell(str(depth), value=depth) if depth else Cell(fmt.MISSING)


def _blocks(entry: Entry) -> Cell:
    design = entry.design
    groups = [plural(design.groups, "group")] if design.groups > 1 else []
    options = design.family.partition("(")[2].removesuffix(")")
    detail = ", ".join([*groups, *([options] if options else [])])
    if not design.block_depth:
        return Cell(str(design.blocks), value=design.blocks)
    return Cell(f"{design.block_depth} × {design.blocks}", detail, design.block_depth)


def _widths(entry: Entry) -> Cell:
    widths = entry.design.widths
    return Cell(", ".join(map(str, widths)), value=widths[0] if widths else None)


def _params(entry: Entry) -> Cell:
    return Cell(fmt.count(entry.design.params), value=entry.design.params)


def _macs(entry: Entry) -> Cell:
    return Cell(fmt.count(entry.design.macs), _lower_bound(entry), entry.design.macs)


def _activations(entry: Entry) -> Cell:
    return Cell(fmt.size(entry.design.activation_bytes), _lower_bound(entry), entry.design.activation_bytes)


def _lower_bound(entry: Entry) -> str:
    return "at least" if entry.design.unknown_ops else ""


def _receptive_field(entry: Entry) -> Cell:
    sizes = [size for size in entry.field_sizes if size is not None]
    detail = "whole image" if entry.sees_whole_image else ""
    return Cell(entry.field_text, detail, max(sizes, default=None))


def _gradient(entry: Entry) -> Cell:
    ratio = entry.design.gradient_ratio
    return Cell(fmt.ratio(ratio), "unknown" if entry.design.gradients_unknown else "", ratio)


def _validation(entry: Entry) -> Cell:
    row = entry.row
    return (
        Cell(fmt.accuracy(row.validation), value=row.validation.estimate)
        if row
        else Cell(_without_row(entry, NOT_TRAINED))
    )


def _without_row(entry: Entry, text: str) -> str:
    """Returns what stands for the figures of a design that is not compared."""
    return ENDED_EARLY if any(run.stopped for run in entry.runs) else text


def _difference(entry: Entry) -> Cell:
    row = entry.row
    if not row:
        return Cell(fmt.MISSING)
    if row.verdict == "best":
        return Cell("the best", value=0.0)
    value = row.validation_difference.estimate if row.validation_difference else None
    return Cell(fmt.difference(row.validation_difference), value=value)


def _test(entry: Entry) -> Cell:
    row = entry.row
    if not row:
        return Cell(fmt.MISSING)
    parts = [fmt.percent(run.test_score, unit=False) for run in entry.runs if not run.stopped]
    seeds = "seeds " + " · ".join(parts) if 1 < len(parts) <= 10 else ""
    return Cell(fmt.accuracy(row.test), seeds, row.test.estimate)


def _test_difference(entry: Entry) -> Cell:
    difference = entry.row.test_difference if entry.row else None
    return Cell(fmt.difference(difference), value=difference.estimate if difference else None)


def _verdict(entry: Entry) -> Cell:
    verdict = entry.row.verdict if entry.row else "unfinished"
    shown = verdict if entry.row else _without_row(entry, verdict)
    p_values = (entry.row.p_value, entry.row.p_holm) if entry.row else ()
    texts = [text for p in p_values if (text := fmt.p_value(p))]
    return Cell(shown, "; Holm\N{NO-BREAK SPACE}".join(texts), VERDICTS.index(verdict))


def _target(entry: Entry) -> Cell:
    row = entry.row
    if not row:
        return Cell(fmt.MISSING)
    detail = f"{row.reached} of {plural(entry.seeds, 'seed')}" if row.reached < entry.seeds else ""
    return Cell(fmt.seconds(row.seconds_to_target, unit=False), detail, row.seconds_to_target)


def _throughput(entry: Entry) -> Cell:
    speed = entry.row.images_per_s if entry.row and entry.row.images_per_s > 0 else None
    return Cell(fmt.count(speed), value=speed)


def _latency(entry: Entry) -> Cell:
    latency = entry.row.latency if entry.row else None
    if not latency:
        return Cell(fmt.MISSING)
    low, high = (fmt.milliseconds(ms, unit=False) for ms in (latency.lower_ms, latency.upper_ms))
    return Cell(
        fmt.milliseconds(latency.median_ms, unit=False), f"({low}–\N{WORD JOINER}{high})", latency.median_ms
    )


COLUMNS = (
    Column(
        "Design",
        "Block family, its options in short, block depth where there is a choice, and after d the stack depth. Marked "
        "is the cheapest of those not measurably worse than the best; cheapest means {cheapest}.",
        _design,
        numeric=False,
    ),
    Column(
        "Verdict",
        "From the paired difference to the best on the validation examples: “within noise” if that could well be "
        "chance, “perhaps worse” if not, and “worse” if that holds after Holm's correction for the number of "
        "comparisons too: among several equal designs, tested one by one at 95 %, some may look worse by chance. "
        "p is how likely a difference at least this large is where there is none, tested alone and after Holm. "
        "With “one seed” chance cannot be estimated.",
        _verdict,
    ),
    Column(
        "Validation {metric}, %",
        "Mean over seeds, with its 95 % confidence interval over seeds and examples. Validation examples choose: the "
        "best, the verdicts, the front of the chart and the recommendation are theirs.",
        _validation,
    ),
    Column(
        "Difference to best, points",
        "Validation {metric} less that of the best design, in percentage points, paired by seed and example, with "
        "its 95 % interval.",
        _difference,
    ),
    Column(
        "Test {metric}, %",
        "The same mean and interval on the test examples, which chose nothing; below it each seed's.",
        _test,
    ),
    Column("Latency, ms", "Median time of {timed}, in inference; in brackets its quartiles.", _latency),
    Column(
        "Stack depth",
        "Convolution layers on the main path of the network's body; stem and head not counted.",
        _stack_depth,
        structure=True,
    ),
    Column(
        "Block depth × blocks",
        "Convolution layers on one block's main path × blocks in the whole stack; below it groups and "
        "chosen options.",
        _blocks,
        structure=True,
    ),
    Column(
        "Widths",
        "Channels that each stage puts out{matched}.",
        _widths,
        structure=True,
    ),
    Column(
        "Params", "Numbers that are trained; of a design marked so, those that it has as deployed.", _params
    ),
    Column(
        "MACs",
        "Multiply-accumulates for one example, forward. MACs are not time: designs with equal MACs can differ in speed "
        "several times over, for memory traffic and many small layers cost too. That is why latency is measured.",
        _macs,
    ),
    Column(
        "Activations",
        "Bytes put out by all convolution and linear layers for one example, in float32.",
        _activations,
        structure=True,
    ),
    Column(
        "Receptive field, px",
        "How much of the input one output of the last block sees along each axis; “whole image” where that is "
        "at least the image's size, “all” where it is everything whatever the size.",
        _receptive_field,
        structure=True,
    ),
    Column(
        "Gradient ratio",
        "Gradient norm of the first over that of the last convolution, at initialisation. Far from 1, "
        "the first layers learn much faster or much slower than the last.",
        _gradient,
        structure=True,
    ),
    Column(
        "Train s to {target}",
        "Seconds of training until validation {metric} first reached {target}: the median over the seeds that did. "
        "Without validation passes.",
        _target,
        structure=True,
    ),
    Column("Training images/s", "Examples trained on in a second, median.", _throughput, structure=True),
    Column(
        "Test difference, points",
        "Test {metric} less that of the best design on validation, paired likewise; stated only.",
        _test_difference,
    ),
)
