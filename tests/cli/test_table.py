"""The table in a terminal: what chooses stands in order, and it fits."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from convblocks.cli.table import LEGEND, WIDE, legend, result_table
from convblocks.report.conditions import cheapest
from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_latency, make_run, make_study

ACCURACIES = {"bottleneck-12": 0.978, "simple": 0.98, "residual": 0.60}


@pytest.fixture
def made():
    """Designs and their summary. Test data say the opposite of validation data."""
    designs = [make_design(name, 56 if name == "simple" else 8) for name in ACCURACIES]
    runs = []
    for design in designs:
        for seed in range(3):
            run = make_run(design, seed, ACCURACIES[design.label] + seed / 1000)
            runs.append(replace(run, test_errors=tuple(range(400 - 3 * len(run.test_errors)))))
    latencies = [make_latency(d, ms) for d, ms in zip(designs, (1.0, 2.0, 3.0), strict=True)]
    return designs, summarise(make_study(), designs, runs, latencies)


def lines(designs, summary, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(result_table(designs, summary, width))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_validation_sets_the_order_and_the_difference(made):
    header, *rows = lines(*made, 80)
    assert header.split() == ["design", "val", "%", "Δ", "best", "test", "%", "ms", "verdict"]
    assert [row.split()[0] for row in rows] == ["simple-d56", "bottleneck-12-d8", "residual-d8"]
    assert [row.split()[1] for row in rows] == ["98.1", "97.9", "60.1"]
    assert rows[2].split()[2].startswith("−38")
    assert rows[0].endswith("2.00 best")
    assert "Validation data choose" in LEGEND


def test_only_what_the_data_tell_is_to_be_used(made):
    designs, summary = made
    assert [row.endswith("1.00 ← use") for row in lines(designs, summary, 80)] == [False, False, True, False]
    untold = lines(designs, replace(summary, conclusive=False), 80)
    assert untold[2].endswith("1.00 ← cheapest")
    assert not any("use" in row for row in untold)


def test_it_fits_80_columns_and_a_wide_terminal_has_all_intervals(made):
    designs, summary = made
    assert max(map(len, lines(designs, summary, 80))) <= 80
    assert not any("…" in row for row in lines(designs, summary, 80) + lines(designs, summary, WIDE))
    assert [row.count("[") for row in lines(designs, summary, WIDE)] == [0, 2, 3, 3]


LONG = {"preactivation_bottleneck-12": 0.98, "bottleneck-eca-4-g8": 0.95, "inverted-4": 0.94}


@pytest.mark.parametrize("width", [60, 80, WIDE])
def test_no_word_is_lost_to_long_names(width):
    """The second is perhaps worse, the longest verdict."""
    designs = [make_design(name, 56) for name in LONG]
    runs = [make_run(d, seed, LONG[d.label] + seed / 200) for d in designs for seed in range(3)]
    summary = summarise(make_study(), designs, runs, [make_latency(d, 111.0) for d in designs])
    rows = [
        replace(row, verdict="perhaps worse") if row.design == designs[1].name else row
        for row in summary.rows
    ]
    header, *printed = lines(designs, replace(summary, rows=rows), width)
    text = "\n".join(printed)
    assert max(map(len, printed)) <= width
    assert "…" not in header + text
    assert header.split()[-6:] == ["Δ", "best", "test", "%", "ms", "verdict"]
    assert text.count("perhaps worse") == 1
    assert text.count("111 ") == 3
    names = "".join(line.split(" ")[0] for line in printed)
    assert names == "".join(d.name for d in designs)
    assert ("[" in text) == (width > 60)
    assert all(line.split(" ")[0].endswith(("-", "_", "d56")) for line in printed)


def test_the_legend_says_what_cheapest_means(made):
    _, summary = made
    told = LEGEND.format(metric="accuracy", cheapest=cheapest(summary))
    assert (
        "Cheapest: lowest median latency; of those whose median is not above its upper quartile, the best on"
        in told
    )
    assert cheapest(replace(summary, cost="macs")).startswith(
        "lowest MACs; of those equal to it but for what matching"
    )


def test_the_legend_tells_which_designs_are_judged_as_deployed(made):
    _, summary = made
    plain = LEGEND.format(metric="x", cheapest=cheapest(summary))
    designs = [make_design("simple"), replace(make_design("repvgg"), deployed={"stages": []})]
    told = legend(designs, summary, "x")
    assert "costs, budget and latency of repvgg-d8 are of the form that it is deployed in" in told
    unmatched = [replace(design, problem="too wide") for design in designs]
    assert legend(designs[:1], summary, "x") == legend(unmatched, summary, "x") == plain
