"""A printed file that differs from the module is refused."""

import pytest
from torch import nn

from convblocks.deploy.code import module_code
from convblocks.deploy.code.verification import verify
from convblocks.errors import CodeError

MODULE = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())


@pytest.fixture(scope="module")
def text():
    return module_code(MODULE, (2, 5, 5))


def test_the_file_itself_passes(text):
    verify(text, MODULE, (2, 5, 5))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nn.ReLU()", "nn.GELU()"),
        ("nn.Conv2d(2, 3, 3)", "nn.Conv2d(2, 3, 3, bias=False)"),
        ("nn.Conv2d(2, 3, 3)", "nn.Conv2d(2, 4, 3)"),
        ("nn.Conv2d(2, 3, 3)", "nn.Conv2d(2, 3, 3, padding=1)"),
        ("nn.ReLU()", "nn.Relu()"),
    ],
)
def test_a_mutant_of_the_file_is_refused(text, old, new):
    assert old in text
    with pytest.raises(CodeError):
        verify(text.replace(old, new), MODULE, (2, 5, 5))
