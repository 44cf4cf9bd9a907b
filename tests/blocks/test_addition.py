"""What main path and shortcut need to be added."""

import pytest
import torch
from torch import nn

from convblocks.blocks.addition import addable_padding, zero_last_norm_
from convblocks.errors import OptionError


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 2), (5, 3), ((3, 7), (2, 1))])
def test_the_padding_keeps_the_map_in_pytorch(kernel, dilation):
    padding = addable_padding(None, kernel, dilation, 2)
    x = torch.zeros(1, 1, 17, 19)
    assert nn.Conv2d(1, 1, kernel, padding=padding, dilation=dilation)(x).shape == x.shape
    assert addable_padding(padding, kernel, dilation, 2) == padding


def test_another_padding_is_refused_with_the_one_that_works():
    with pytest.raises(OptionError, match="agree only at 2; leave padding=None"):
        addable_padding(1, 5, 1, 2)


def test_the_last_norm_s_scale_starts_at_0_where_there_is_one():
    norm = nn.BatchNorm2d(4)
    zero_last_norm_(norm, "batch")
    assert not norm.weight.any()
    assert norm.weight.requires_grad
    with pytest.raises(OptionError, match="zero_init=True: scales the last norm, but norm='none'"):
        zero_last_norm_(nn.Identity(), "none")
