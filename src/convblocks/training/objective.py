"""Loss and score of a training, for classes (N,) and for label maps (N, *spatial) alike.

To classify, cross entropy and accuracy.

To segment, cross entropy over all labelled positions of a batch plus soft Dice loss, as nnU-Net trains (Isensee et al.
2018, arXiv:1809.10486): cross entropy alone is low long before rare classes are found. The score is mean IoU: positions
of a class in answer and label over those in either, summed over a part (or an epoch) and averaged over the classes that
its labels hold (Everingham et al. 2015, section 4.4; Long et al. 2015, section 5).
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from convblocks.data.dataset import IGNORE
from convblocks.records import Overlap

IGNORED = -100
"""The label that torch's cross entropy leaves out."""


class Outcome(NamedTuple):
    """Errors and score of a module on one part of a data set.

    `errors` are the positions of the examples in a wrong class, () to segment; `overlaps` is () to classify. The score
    is accuracy or mean IoU.
    """

    errors: tuple[int, ...]
    overlaps: tuple[Overlap, ...]
    score: float


def as_targets(y: np.ndarray) -> torch.Tensor:
    """Returns labels or label maps as cross entropy takes them: int64, with IGNORED for IGNORE."""
    targets = torch.from_numpy(y).long()
    return targets if y.ndim == 1 else targets.masked_fill_(targets == IGNORE, IGNORED)


def loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Returns the loss of scores (N, classes, …) over targets (N, …); 0 where no position has a label.

    To classify mean cross entropy; to segment that plus `dice_loss`.
    """
    if targets.ndim == 1:
        return F.cross_entropy(scores, targets)
    labelled = (targets != IGNORED).sum().clamp(min=1)
    return F.cross_entropy(scores, targets, reduction="sum") / labelled + dice_loss(scores, targets)


def dice_loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Returns 1 − the mean of 2 Σpy / (Σp + Σy) over the classes that the labels of the batch hold.

    p is a position's softmax and y its label, 1 or 0; sums are over the labelled positions of the whole batch.
    """
    labelled = (targets != IGNORED)[:, None]
    answers = scores.softmax(1) * labelled
    labels = F.one_hot(targets.clamp(min=0), scores.shape[1]).movedim(-1, 1) * labelled
    positions = (0, *range(2, scores.ndim))
    of_class = labels.sum(positions)
    missed = 1 - 2 * (answers * labels).sum(positions) / (answers.sum(positions) + of_class).clamp(min=1e-12)
    present = of_class > 0
    return (missed * present).sum() / present.sum().clamp(min=1)


def hits(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Returns true for each example that is right (N,); to segment (N, classes, 3), see `overlaps`."""
    answers = scores.argmax(1)
    return answers == targets if targets.ndim == 1 else overlaps(answers, targets, scores.shape[1])


def overlaps(answers: torch.Tensor, targets: torch.Tensor, classes: int) -> torch.Tensor:
    """Counts labelled positions of each class in both, in the answer and in the label: (N, classes, 3)."""
    labelled = targets != IGNORED
    n = len(targets)
    first = torch.arange(n, device=targets.device).view(n, *[1] * (targets.ndim - 1)) * classes
    chosen = (labelled & (answers == targets), answers), (labelled, answers), (labelled, targets)
    counts = [torch.bincount((first + of)[where], minlength=n * classes) for where, of in chosen]
    return torch.stack(counts, 1).view(n, classes, 3)


def score(total: torch.Tensor, examples: int) -> float:
    """Returns accuracy or mean IoU from the sum over so many examples of their `hits`."""
    if total.ndim == 0:
        return total.item() / examples
    both, answered, labelled = total.double().unbind(1)
    present = labelled > 0
    return (both / (answered + labelled - both))[present].mean().item()


def outcome(results: torch.Tensor) -> Outcome:
    """Returns the outcome of a part from the `hits` of all its examples."""
    total = score(results.sum(0), len(results))
    if results.ndim == 1:
        return Outcome(tuple((~results).nonzero().flatten().tolist()), (), total)
    both, answered, labelled = results.unbind(2)
    either = answered + labelled - both
    places = either.nonzero()
    values = torch.stack([both, either], 2)[places[:, 0], places[:, 1]]
    return Outcome((), tuple(map(tuple, torch.cat([places, values], 1).tolist())), total)
