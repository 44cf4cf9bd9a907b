"""Made-up but plausible records for the report, and a browser to look at it with.

The study is He et al.'s question in small: plain, residual and bottleneck stacks of 8 and 56 layers on 8×8 digits,
where the plain one collapses at 56.
"""

import math
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from convblocks.records import (
    DataCard,
    Design,
    Epoch,
    Host,
    Interval,
    Latency,
    Paragraph,
    Row,
    Run,
    RunTiming,
    Study,
    Summary,
)

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SEEDS = (0, 1, 2)
EPOCHS = 15
LABELS = {  # label: (family, block depth, accuracy at 8 and at 56 layers, gradient ratio for each, ms at 8)
    "simple": ("simple", 0, (0.962, 0.381), (0.71, 2.4e-7), 0.62),
    "residual-1": ("residual", 1, (0.958, 0.949), (1.9, 3.8), 0.84),
    "residual-2": ("residual", 2, (0.969, 0.976), (1.4, 2.2), 0.73),
    "residual-4": ("residual", 4, (0.966, 0.967), (1.1, 0.9), 0.68),
    "bottleneck-4": ("bottleneck", 4, (0.951, 0.972), (2.6, 6.1), 1.35),
}


@dataclass(frozen=True)
class Records:
    """The arguments of render_html."""

    study: Study
    designs: tuple[Design, ...]
    runs: tuple[Run, ...]
    summary: Summary


def make_study(**changes: object) -> Study:
    fields = {
        "name": "digits-8-56",
        "command": "convblocks compare digits --depth 8 --depth 56 --seeds 3",
        "started": "2025-11-24T08:15:30Z",
        "data": DataCard(
            name="digits",
            source="digits",
            classes=tuple("0123456789"),
            shape=(1, 8, 8),
            train=1078,
            validation=359,
            test=360,
            split="60/20/20 by class, seed 0",
            preparation="scaled to mean 0 and deviation 1 over the training part",
            sha256="3f5a90c1" * 8,
        ),
        "depths": (8, 56),
        "stages": 2,
        "families": ("simple", "residual", "bottleneck"),
        "block_depths": (1, 2, 4),
        "groups": (1,),
        "notes": ("bottleneck: block depth 1 leaves no room for its two 1×1 convolutions",),
        "match": "macs",
        "budget": 4_990_000,
        "seeds": SEEDS,
        "recipe": {"epochs": EPOCHS, "batch_size": 32, "learning_rate": 0.05, "augment": "none"},
        "threads": 1,
        "workers": 8,
        "host": Host(
            cpu="Example CPU 9000 (AVX2)",
            cores=8,
            memory_bytes=32 * 2**30,
            system="Linux x86_64, Python 3.12.4",
            device="cpu",
            versions={"convblocks": "0.1.0", "torch": "2.9.1", "numpy": "2.3.0"},
        ),
    }
    return Study(**{**fields, **changes})


def make_design(label: str = "residual-2", depth: int = 8, **changes: object) -> Design:
    family, block_depth, _, ratios, _ = LABELS.get(label, ("residual", 2, (0.9, 0.9), (1.3, 1.6), 1.0))
    width = round(40 / math.sqrt(depth / 8))
    ratio = ratios[0] if depth == 8 else ratios[1]
    field = 1 + 3 * depth
    fields = {
        "name": f"{label}-d{depth}",
        "family": family,
        "block_depth": block_depth or depth // 2,
        "blocks": depth // (block_depth or depth // 2),
        "groups": 1,
        "stack_depth": depth,
        "widths": (width, 2 * width),
        "network": {},
        "params": 9 * 5 * depth * width**2 // 2,
        "macs": 4_990_000 + 7_000 * len(label) - 900 * depth,
        "activations": 96 * depth * width,
        "activation_bytes": 4 * 96 * depth * width,
        "receptive_field": ((2, -field // 2, -field // 2 + field - 1),) * 2,
        "gradient_norms": tuple(0.4 * ratio ** (1 - i / (depth - 1)) for i in range(depth)),
    }
    return Design(**{**fields, **changes})


def make_runs(design: Design, seeds: tuple[int, ...] = SEEDS) -> tuple[Run, ...]:
    return tuple(make_run(design, seed) for seed in seeds)


def make_run(design: Design, seed: int, **changes: object) -> Run:
    luck = random.Random(f"{design.name} {seed}")
    accuracy = final(design) + luck.uniform(-0.008, 0.008)
    way = [accuracy * (1 - 0.75 * math.exp(-epoch / 2.5)) + luck.uniform(-0.01, 0) for epoch in range(EPOCHS)]
    fields = {
        "design": design.name,
        "seed": seed,
        "epochs": tuple(
            Epoch(train_loss=2.3 * (1 - a), train_score=min(1.0, a + 0.01), validation_score=a) for a in way
        ),
        "validation_errors": tuple(range(round(359 * (1 - accuracy)))),
        "test_errors": tuple(range(round(360 * (1 - accuracy)))),
        "validation_score": way[-1],
        "test_score": accuracy,
        "weights_sha256": "ab" * 32,
        "timing": RunTiming(epoch_s=(0.8,) * EPOCHS, images_per_s=1300.0),
    }
    return Run(**{**fields, **changes})


def final(design: Design) -> float:
    return LABELS.get(design.label, (0, 0, (0.9, 0.9)))[2][design.stack_depth != 8]


def make_row(design: Design, **changes: object) -> Row:
    accuracy, best = final(design), 0.976
    ms = LABELS.get(design.label, (0, 0, 0, 0, 1.0))[4] * (1 if design.stack_depth == 8 else 4.1)
    less = accuracy - best
    fields = {
        "design": design.name,
        "seeds": len(SEEDS),
        "validation": Interval(accuracy, accuracy - 0.015, min(1.0, accuracy + 0.015)),
        "validation_difference": Interval(less, less - 0.012, less + 0.012) if less else None,
        "p_value": 0.0004 if less < -0.012 else 0.3,
        "p_holm": 0.0036 if less < -0.012 else 1.0,
        "test": Interval(accuracy, accuracy - 0.016, min(1.0, accuracy + 0.016)),
        "test_difference": Interval(less, less - 0.014, less + 0.014) if less else None,
        "verdict": "worse" if less < -0.012 else "within noise",
        "train_score": accuracy + 0.02,
        "train_loss": 0.1,
        "seconds_to_target": 3.1 * ms if accuracy > 0.95 else None,
        "reached": 3 if accuracy > 0.96 else 2 if accuracy > 0.95 else 0,
        "images_per_s": 2400.0 / ms,
        "latency": Latency(
            design=design.name,
            batch=1,
            threads=1,
            repeats=51,
            median_ms=ms,
            lower_ms=0.96 * ms,
            upper_ms=1.09 * ms,
        ),
        "pareto": design.name in ("simple-d8", "residual-4-d8", "residual-2-d8", "residual-2-d56"),
    }
    if not less:
        fields |= {"verdict": "best", "p_value": None, "p_holm": None}
    return Row(**{**fields, **changes})


def make_summary(rows: tuple[Row, ...], **changes: object) -> Summary:
    fields = {
        "recommended": "residual-2-d8",
        "headline": "Use residual blocks of two 3×3 convolutions, four of them: residual-2-d8.",
        "paragraphs": (
            Paragraph(
                "Why",
                "At 56 layers residual-2 is 0.7 points better on validation, which is within noise (p = 0.30), and "
                "takes four times as long for one image. So the cheaper one is enough.",
            ),
            Paragraph("Deeper simple", "A plain stack does as well at 8 layers and fails at 56."),
        ),
        "rows": rows,
        "target_score": 0.95,
        "cost": "latency",
    }
    return Summary(**{**fields, **changes})


def make_records(labels: tuple[str, ...] = tuple(LABELS), depths: tuple[int, ...] = (8, 56)) -> Records:
    designs = tuple(make_design(label, depth) for label in labels for depth in depths)
    rows = sorted((make_row(design) for design in designs), key=lambda row: -row.validation.estimate)
    runs = tuple(run for design in designs for run in make_runs(design))
    return Records(make_study(depths=depths), designs, runs, make_summary(tuple(rows)))


@pytest.fixture(scope="session")
def records() -> Records:
    """The whole study: 10 designs at two depths, 3 seeds."""
    return make_records()


@pytest.fixture(scope="session")
def make() -> Callable[..., Records]:
    """Records with some parts put in place of the usual ones."""

    def with_changes(
        labels: tuple[str, ...] = tuple(LABELS), depths: tuple[int, ...] = (8, 56), **changes: object
    ) -> Records:
        return replace(make_records(labels, depths), **changes)

    return with_changes


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """The system's Chromium. Skips without one, unless CONVBLOCKS_REQUIRE_BROWSER=1, which makes that a failure."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if not found:
        reason = f"none of {', '.join(BROWSERS)} is installed"
        if os.environ.get("CONVBLOCKS_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def analysis():
    """The analysis of a small network."""
    from convblocks import analyze
    from tests.report.analysed import SIZE, net

    return analyze(net(), SIZE)
