"""Digits on larger canvases, each pixel labelled: a set to segment, made of scikit-learn's digits.

A canvas is 2×2 cells of CELL×CELL pixels with a scan of 8×8 in each, at a random place. A pixel is labelled with its
digit where at least half of it is ink (the scans count the ink of 4×4 finer pixels, 0 to 16), and as background
elsewhere. First the scans are split, by digit; so no scan is seen in two parts. In training each scan stands on
TRAINING_USES canvases; in validation and test on one, so that their canvases are independent examples.
"""

import numpy as np
import numpy.typing as npt

from convblocks.data.split import FRACTIONS, PARTS, Labels, stratified_split

# pixels along an axis
CELL = 10
CANVAS = 2 * CELL
PER_CANVAS = 4
TRAINING_USES = 3
# of 16
HALF_INK = 8
SEED = 0
BACKGROUND = "background"

Canvases = npt.NDArray[np.float32]
Maps = npt.NDArray[np.uint8]


def compose_parts(scans: npt.NDArray[np.float32], digits: Labels) -> dict[str, tuple[Canvases, Maps]]:
    """Returns canvases (N, 1, CANVAS, CANVAS) and label maps (N, CANVAS, CANVAS) of each part.

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
    """Returns (canvases, PER_CANVAS) of them; those that fill no canvas are left over."""
    return order[: len(order) // PER_CANVAS * PER_CANVAS].reshape(-1, PER_CANVAS)


def compose(
    scans: npt.NDArray[np.float32], digits: Labels, random: np.random.Generator
) -> tuple[Canvases, Maps]:
    """Returns one canvas with these scans, and its label map."""
    canvas = np.zeros((CANVAS, CANVAS), np.float32)
    labels = np.zeros((CANVAS, CANVAS), np.uint8)
    side = scans.shape[-1]
    corners = CELL * np.indices((2, 2)).reshape(2, PER_CANVAS).T + random.integers(
        0, CELL - side + 1, (PER_CANVAS, 2)
    )
    for scan, digit, corner in zip(scans, digits, corners, strict=True):
        place = (slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side))
        canvas[place] = scan
        labels[place] = np.where(scan >= HALF_INK, digit + 1, 0)
    return canvas, labels
