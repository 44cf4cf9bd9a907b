"""The split is disjoint, complete, repeatable, and as even within classes and in all as rounding lets it be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convblocks.data.split import FRACTIONS, PARTS, complete, stratified_split
from convblocks.errors import DataError

COUNTS = st.lists(st.integers(3, 60), min_size=1, max_size=30)
NAMES = [f"class {i}" for i in range(100)]


def labels_of(counts: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def split(labels, fractions=FRACTIONS, seed=0):
    return stratified_split(labels, fractions, seed, NAMES, "set")


@given(COUNTS, st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.2), (0.98, 0.01, 0.01)]), st.integers(0, 2**32))
def test_parts_are_disjoint_and_complete_and_hold_every_class(counts, fractions, seed):
    labels = labels_of(counts)
    parts = split(labels, fractions, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for part in parts:
        assert set(labels[part].tolist()) == set(range(len(counts)))
        assert (np.diff(part) > 0).all()


@given(COUNTS, st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.2), (0.98, 0.01, 0.01)]))
def test_each_class_is_rounded_up_or_down_only(counts, fractions):
    labels = labels_of(counts)
    for part, fraction in zip(split(labels, fractions), fractions, strict=True):
        for label, count in enumerate(counts):
            got = np.count_nonzero(labels[part] == label)
            assert abs(got - count * fraction) < 1 or (got < count * fraction and count * min(fractions) < 1)


@given(st.lists(st.integers(5, 60), min_size=1, max_size=60), st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.2)]))
def test_totals_stay_within_one_example_of_the_fractions(counts, fractions):
    """Rounding each class by itself would err by up to half an example a class."""
    labels = labels_of(counts)
    for part, fraction in zip(split(labels, fractions), fractions, strict=True):
        assert abs(len(part) - len(labels) * fraction) < 1


def test_seed_decides_and_repeats():
    labels = labels_of([30, 30])
    first, same, other = split(labels, seed=1), split(labels, seed=1), split(labels, seed=2)
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_a_draw_is_random_within_a_class():
    """Taking each class's first examples would put them all in train."""
    train, _, test = split(np.zeros(1000, np.int64))
    assert abs(train.mean() - 500) < 50
    assert abs(test.mean() - 500) < 80


def test_a_class_too_small_is_named_with_its_count():
    with pytest.raises(
        DataError, match=r"set: class 'class 1' has 2 examples, and a split into 3 parts takes"
    ):
        split(labels_of([9, 2]))
    with pytest.raises(DataError, match=r"class 'class 0' has 1 example,"):
        split(labels_of([1, 9]), (0.8, 0.2))
    assert split(labels_of([9, 2]), (0.8, 0.2))[1].size == 3


def test_all_is_split_in_three():
    takes, words = complete({"all": labels_of([50, 50])}, ["a", "b"], 7, "set")
    assert [len(takes[part].indices) for part in PARTS] == [60, 20, 20]
    assert words == "60% train, 20% validation, 20% test, drawn at random within each class with split seed 7"


@pytest.mark.parametrize(("missing", "other"), [("validation", "test"), ("test", "validation")])
def test_a_missing_part_is_drawn_from_train(missing, other):
    given = {"train": labels_of([50, 50]), other: labels_of([5, 5])}
    takes, words = complete(given, ["a", "b"], 3, "set")
    assert takes[other].part == other
    assert takes[other].indices.tolist() == list(range(10))
    assert takes[missing].part == takes["train"].part == "train"
    assert sorted([*takes["train"].indices, *takes[missing].indices]) == list(range(100))
    assert len(takes[missing].indices) == 20
    assert words.startswith(f"{other} as given; {missing} is 20% of the given train part")
    assert words.endswith("split seed 3")


def test_three_given_parts_stay_as_they_are():
    given = {"train": labels_of([3, 3]), "validation": labels_of([1, 0]), "test": labels_of([2])}
    takes, words = complete(given, ["a", "b"], 0, "set")
    assert words == "train, validation and test as given"
    for part in PARTS:
        assert takes[part].part == part
        assert takes[part].indices.tolist() == list(range(len(given[part])))


def test_every_class_needs_examples_to_train_on():
    with pytest.raises(DataError, match=r"set: class 'b' is in test but not in train"):
        complete({"train": labels_of([4]), "test": labels_of([1, 1])}, ["a", "b"], 0, "set")
    with pytest.raises(DataError, match=r"set: class 'b' has no usable example"):
        complete({"all": labels_of([4])}, ["a", "b"], 0, "set")
    with pytest.raises(DataError, match=r"set: there is a test part but no train part"):
        complete({"test": labels_of([4])}, ["a"], 0, "set")
