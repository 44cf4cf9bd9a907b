"""The line for each kind of exception that ends a command."""

import errno

import pytest

from convblocks.cli.refusal import message
from convblocks.errors import OptionError


def line(error):
    try:
        raise error
    except BaseException as raised:
        return message(raised, lambda setting: f"--{setting.option} {setting.value}")


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (OptionError("depth", 0, "expected at least 1"), ["--depth 0", "expected at least 1"]),
        (PermissionError(errno.EACCES, "Permission denied", "runs"), ["runs", "Permission denied"]),
        (OSError(errno.ENOSPC, "No space left on device"), ["No space left on device"]),
        (MemoryError(), ["memory"]),
        (KeyError("x"), ["KeyError", "'x'"]),
    ],
)
def test_the_cause_is_named(error, parts):
    text = line(error)
    assert "\n" not in text
    assert all(part in text for part in parts)


def test_an_error_whose_text_fails_is_named_by_its_class():
    class Silent(Exception):
        def __str__(self):
            raise ValueError

    assert "Silent" in line(Silent())
