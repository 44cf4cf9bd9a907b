"""Norms: what they keep beside their input, and the positions over which they run."""

import pytest
import torch.nn.functional as F

from tests.analysis.one_op import check_field, check_kept

KEEPS = {
    "normalised along two axes": lambda x: F.normalize(x, dim=(2, 3)),
    "normalised": lambda x: F.normalize(x, dim=1),
    "layer norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "rms norm": lambda x, w: F.rms_norm(x, x.shape[3:]) + F.rms_norm(x, x.shape[3:], w.expand(4, 1, 8)[0, 0]),
    "group norm": lambda x: F.group_norm(x, 2),
    "instance norm": lambda x: F.instance_norm(x),
    "instance norm with a weight": lambda x, w: F.instance_norm(x, weight=w.flatten(), bias=w.flatten()),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


FIELDS = {
    "local response norm": lambda x: F.local_response_norm(x, 3),
    "local response norm of the map": lambda x: F.local_response_norm(x.transpose(1, 2), 4).transpose(1, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_an_op_is_known_and_moves_a_field_as_nan_shows(name):
    check_field(FIELDS[name])
