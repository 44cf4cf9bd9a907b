"""Digits on larger canvases, each pixel labelled: a set to segment, made of scikit-learn's digits.

A canvas is CANVAS×CANVAS pixels with PER_CANVAS scans of 8×8 at random places that do not overlap. A pixel is
labelled with its digit where at least half of it is ink (the scans count the ink of 4×4 finer pixels, 0 to 16), and
as background elsewhere. First the scans are split, by digit; so no scan is seen in two parts. In training each scan
stands on TRAINING_USES canvases; in validation and test on one, so that their canvases are independent examples.
"""

import numpy as np
import numpy.typing as npt

from convblocks.data.split import FRACTIONS, PARTS, Labels, stratified_split

CANVAS = 24  # pixels along an axis; however two scans of 8×8 lie, there is room for a third
PER_CANVAS = 3
TRAINING_USES = 3
HALF_INK = 8  # of 16
SEED = 0
BACKGROUND = "background"

Canvases = npt.NDArray[np.float32]
Maps = npt.NDArray[np.uint8]


def compose_parts(scans: npt.NDArray[np.float32], digits: Labels) -> dict[str, tuple[Canvases, Maps]]:
    """Canvases (N, 1, CANVAS, CANVAS) and label maps (N, CANVAS, CANVAS) of each part.

    `scans` (n, 8, 8) are of `digits` (n,); label d + 1 is digit d, and 0 the background. The same every time.
    """
    names = [str(digit) for digit in range(10)]
    pieces = stratified_split(digits, FRACTIONS, SEED, names, "digits")
    parts = {}
    for at, (part, chosen) in enumerate(zip(PARTS, pieces, strict=True)):
        random = np.random.default_rng([SEED, at])
        uses = TRAINING_USES if part == "train" else 1
        groups = [group for _ in range(uses) for group in _groups(random.permutation(chosen))]
        drawn = [compose(scans[group], digits[group], random) for group in groups]
        parts[part] = (np.stack([x for x, _ in drawn])[:, None], np.stack([y for _, y in drawn]))
    return parts


def _groups(order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(canvases, PER_CANVAS) of them; those that fill no canvas are left over."""
    return order[: len(order) // PER_CANVAS * PER_CANVAS].reshape(-1, PER_CANVAS)


def compose(
    scans: npt.NDArray[np.float32], digits: Labels, random: np.random.Generator
) -> tuple[Canvases, Maps]:
    """One canvas with these scans, and its label map."""
    canvas = np.zeros((CANVAS, CANVAS), np.float32)
    labels = np.zeros((CANVAS, CANVAS), np.uint8)
    side = scans.shape[-1]
    taken: list[npt.NDArray[np.int64]] = []
    for scan, digit in zip(scans, digits, strict=True):
        corner = random.integers(0, CANVAS - side + 1, 2)
        while any(np.abs(corner - other).max() < side for other in taken):
            corner = random.integers(0, CANVAS - side + 1, 2)
        taken.append(corner)
        place = (slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side))
        canvas[place] = scan
        labels[place] = np.where(scan >= HALF_INK, digit + 1, 0)
    return canvas, labels
