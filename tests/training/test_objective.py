"""Training on label maps: mean IoU against scikit-learn's, the loss, moved masks, repeatability."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import jaccard_score
from torch import nn

from convblocks.data import Split
from convblocks.data.dataset import IGNORE
from convblocks.training import evaluate
from convblocks.training.objective import as_targets, hits, loss, score


def maps(n=20, classes=4, size=(6, 7), seed=0):
    """Label maps of all classes but the last, a tenth without a label, and scores with one in five right."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes - 1, (n, *size)).astype(np.uint8)
    y[rng.random(y.shape) < 0.1] = IGNORE
    return y, torch.from_numpy(rng.normal(size=(n, classes, *size)).astype(np.float32))


def jaccard(y, answers):
    """scikit-learn's, over labelled positions and the classes that the labels hold."""
    kept = y != IGNORE
    held = np.unique(y[kept])
    return jaccard_score(y[kept], answers[kept], labels=held, average="macro")


@pytest.mark.parametrize("size", [(30,), (6, 7), (3, 4, 5)])
def test_mean_iou_is_scikit_learns(size):
    y, scores = maps(size=size)
    found = score(hits(scores, as_targets(y)).sum(0), len(y))
    assert found == pytest.approx(jaccard(y, scores.argmax(1).numpy()), abs=1e-12)


class Table(nn.Module):
    """Answers the i-th example with the i-th scores."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def forward(self, x):
        return self.scores[x[:, 0, 0, 0].long()]


def test_evaluate_keeps_each_examples_overlaps():
    y, scores = maps(n=300)  # more than a batch of the evaluation
    x = np.arange(300, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 6, 7), np.float32)
    found = evaluate(Table(scores), Split(x, y))
    answers = scores.argmax(1).numpy()
    assert found.score == pytest.approx(jaccard(y, answers), abs=1e-12)
    expected = []
    for i in range(300):
        for c in range(4):
            a, b = (answers[i] == c) & (y[i] != IGNORE), y[i] == c
            if (a | b).any():
                expected.append((i, c, int((a & b).sum()), int((a | b).sum())))
    assert found.overlaps == tuple(expected)
    assert found.errors == ()


@pytest.mark.parametrize("size", [(30,), (6, 7), (3, 4, 5)])
def test_the_loss_is_mean_cross_entropy_and_soft_dice_over_labelled_positions(size):
    y, scores = maps(size=size)
    kept = y != IGNORE
    rows, labels = scores.movedim(1, -1)[torch.from_numpy(kept)], y[kept].astype(np.int64)
    p = np.exp(rows.double().numpy())
    p /= p.sum(1, keepdims=True)
    dice = [
        2 * p[labels == c, c].sum() / (p[:, c].sum() + (labels == c).sum())
        for c in range(3)  # the fourth class is never a label
    ]
    expected = F.cross_entropy(rows, torch.from_numpy(labels)).item() + 1 - np.mean(dice)
    assert loss(scores, as_targets(y)).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_right_answers_and_of_no_labels_is_0():
    y, scores = maps()
    right = F.one_hot(as_targets(y).clamp(min=0), 4).movedim(-1, 1) * 100.0
    assert loss(right, as_targets(y)).item() == pytest.approx(0, abs=1e-6)
    nothing = loss(scores.requires_grad_(), as_targets(np.full_like(y, IGNORE)))
    nothing.backward()
    assert nothing == 0
    assert not scores.grad.any()
