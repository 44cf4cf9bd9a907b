"""Rules for records beyond their types; each function raises a ValueError that names the values."""

import re
from collections.abc import Callable, Sequence
from math import isclose, isfinite

import numpy as np
from msgspec import Struct

from convblocks.data.split import PARTS
from convblocks.records import DataCard, Design, Latency, Overlap, Run, Study
from convblocks.records.question import MATCHES
from convblocks.records.recipe import Recipe

DESIGN_NAME = re.compile(r"\w[\w.-]{0,199}")
"""Of a design's folder: letters, digits, underscores, dots and hyphens, so never a path."""
SHA256 = re.compile("[0-9a-f]{64}")


def _require(fits: bool, problem: str) -> None:
    if not fits:
        raise ValueError(problem)


def require_design_name(name: str) -> None:
    """A design names a folder of the run folder, and nothing outside it."""
    _require(
        DESIGN_NAME.fullmatch(name) is not None,
        f"design name {name[:80]!r}: expected letters, digits, '_', '.' and '-', a letter, digit or '_' first",
    )


def check_study(study: Study) -> None:
    """Counts are positive, seeds differ, the recipe can be trained with, and the data could be some."""
    _check_card(study.data)
    counts = (*study.depths, *study.block_depths, *study.groups)
    _require(
        bool(study.proposer) or (bool(study.depths) and min(*counts, study.stages) >= 1),
        "depths, block_depths, groups and stages: expected at least 1 of each",
    )
    _require(min(study.threads, study.workers) >= 1, "threads and workers: expected at least 1 of each")
    _require(
        bool(study.seeds) and len(set(study.seeds)) == len(study.seeds) and min(study.seeds) >= 0,
        "seeds: expected different whole numbers of at least 0",
    )
    _require(study.match in MATCHES, f"match: expected one of {', '.join(MATCHES)}")
    _require(study.budget is None or study.budget >= 1, "budget: expected at least 1")
    try:
        Recipe(**study.recipe)  # type: ignore[arg-type]  # which it checks itself
    except (TypeError, ValueError) as error:
        raise ValueError(f"recipe: {error}") from error


def _check_card(card: DataCard) -> None:
    _require(len(card.classes) >= 2, "data.classes: expected at least 2")
    _require(len(card.shape) in (2, 3, 4) and min(card.shape) >= 1, "data.shape: expected 2 to 4 sizes")
    _require(
        min(getattr(card, part) for part in PARTS) >= 1, "data: expected at least 1 example in each part"
    )
    of_parts = set(PARTS) if card.task == "segment" else set()
    _require(
        set(card.pixels) == of_parts
        and all(len(n) == len(card.classes) and min(n) >= 0 and sum(n) > 0 for n in card.pixels.values()),
        "data.pixels: expected a count for each class in each part, to segment",
    )


def check_design(design: Design, study: Study) -> None:
    """The name is no path, and counts are positive."""
    require_design_name(design.name)
    of_grid = (design.stack_depth, design.block_depth, design.groups)
    if any(of_grid) or design.family:
        _require(
            design.stack_depth in study.depths, f"stack_depth {design.stack_depth} is none of the study's"
        )
        _require(min(of_grid) >= 1, "stack_depth, block_depth and groups: expected at least 1")
    _require(min(design.blocks, *design.widths) >= 1, "blocks and widths: expected at least 1")
    costs = (design.params, design.macs, design.activations, design.activation_bytes)
    _require(min(costs) >= 0, "params, macs, activations and activation_bytes: expected at least 0")


def check_run(run: Run, study: Study) -> None:
    """Seed and epochs are the study's, and the scores follow from the errors or overlaps."""
    require_design_name(run.design)
    _require(run.seed in study.seeds, f"seed {run.seed} is none of the study's")
    _require(SHA256.fullmatch(run.weights_sha256) is not None, "weights_sha256: expected 64 hex digits")
    planned = Recipe(**study.recipe).epochs  # type: ignore[arg-type]  # which check_study has seen to
    _require(
        1 <= len(run.epochs) <= planned and (bool(run.failure or run.stopped) or len(run.epochs) == planned),
        f"{len(run.epochs)} epochs, where the study trains {planned}",
    )
    _require(
        run.stopped in (0, len(run.epochs)),
        f"stopped after {run.stopped} epochs, where it has {len(run.epochs)}",
    )
    seconds = (*run.timing.epoch_s, run.timing.images_per_s)
    _require(
        len(run.timing.epoch_s) == len(run.epochs) and all(isfinite(s) and s >= 0 for s in seconds),
        "timing: expected a time of at least 0 for each epoch",
    )
    scores = [score for epoch in run.epochs for score in (epoch.train_score, epoch.validation_score)]
    _require(all(0 <= score <= 1 for score in scores), "epochs: expected scores from 0 to 1")
    for part in PARTS[1:]:
        _check_part(run, part, study.data)


def _check_part(run: Run, part: str, card: DataCard) -> None:
    errors: Sequence[int] = getattr(run, f"{part}_errors")
    overlaps: Sequence[Overlap] = getattr(run, f"{part}_overlaps")
    examples: int = getattr(card, part)
    if card.task == "classify":
        _require(not overlaps, f"{part}_overlaps: expected none, to classify")
        increasing = all(a < b for a, b in zip((-1, *errors), (*errors, examples), strict=True))
        _require(increasing, f"{part}_errors: expected increasing positions below {examples}")
        score = (examples - len(errors)) / examples
    else:
        _require(not errors, f"{part}_errors: expected none, to segment")
        score = _mean_iou(overlaps, examples, card.pixels[part], f"{part}_overlaps")
    given: float = getattr(run, f"{part}_score")
    _require(
        isclose(given, score, abs_tol=1e-9), f"{part}_score {given}, where its {part} part gives {score}"
    )


def _mean_iou(overlaps: Sequence[Overlap], examples: int, pixels: Sequence[int], name: str) -> float:
    """Mean IoU over the classes that have labelled positions, `pixels` of each in the whole part."""
    table = np.array(overlaps, dtype=np.int64).reshape(-1, 4)
    example, of_class, both, either = table.T
    _require(
        bool(((example >= 0) & (example < examples) & (of_class >= 0) & (of_class < len(pixels))).all()),
        f"{name}: expected examples below {examples} and classes below {len(pixels)}",
    )
    _require(len(np.unique(table[:, :2], axis=0)) == len(table), f"{name}: a class of an example comes twice")
    _require(bool(((both >= 0) & (both <= either) & (either > 0)).all()), f"{name}: more in both than in one")
    whole = np.bincount(of_class, either, len(pixels))
    labelled = np.array(pixels)
    _require(bool((whole >= labelled).all()), f"{name}: fewer positions of a class than its labels have")
    held = labelled > 0
    return float((np.bincount(of_class, both, len(pixels))[held] / whole[held]).mean())


def check_latency(latency: Latency, study: Study) -> None:
    """Quartiles are positive and in order."""
    require_design_name(latency.design)
    _require(
        latency.threads == study.threads, f"threads {latency.threads}, where the study has {study.threads}"
    )
    _require(min(latency.batch, latency.repeats) >= 1, "batch and repeats: expected at least 1")
    quartiles = (latency.lower_ms, latency.median_ms, latency.upper_ms)
    _require(
        quartiles[0] > 0 and list(quartiles) == sorted(quartiles) and isfinite(quartiles[2]),
        "lower_ms, median_ms and upper_ms: expected positive times in this order",
    )


CHECKS: dict[type[Struct], Callable[..., None]] = {
    Design: check_design,
    Run: check_run,
    Latency: check_latency,
}
"""The check of each record but the study's own."""
