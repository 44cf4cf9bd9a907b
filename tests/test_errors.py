"""Errors say what was given and survive the way from a worker process."""

import pickle

import pytest

from convblocks.errors import ConvblocksError, MissingExtra, OptionError, RunError, SpecError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OptionError("depth", 0, "expected at least 1"), "depth=0: expected at least 1"),
        (SpecError("stages[1].block.depth", "got 0"), "stages[1].block.depth: got 0"),
        (SpecError("", "not TOML"), "not TOML"),
        (
            MissingExtra("scikit-image", "images", "faces"),
            "faces needs scikit-image: pip install 'convblocks[images]'",
        ),
        (RunError("busy"), "busy"),
    ],
)
def test_errors_are_one_line_and_can_be_pickled(error, text):
    for one in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301
        assert str(one) == text
        assert isinstance(one, ConvblocksError)
        assert vars(one) == vars(error)
