"""The refusal of a target."""

import pytest

from convblocks import load_target
from convblocks.errors import ConvblocksError


def refusal(text, **options):
    with pytest.raises(ConvblocksError) as error:
        load_target(text, **options)
    assert "\n" not in str(error.value)
    return str(error.value)
