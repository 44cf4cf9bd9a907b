"""Latency of designs: one record each, with the machine that timed it."""

from convblocks import load_dataset
from convblocks.engine.design_latency import time_designs
from convblocks.engine.design_record import describe
from convblocks.measure import describe_host
from convblocks.training import Placement
from tests.engine.test_trial import NETWORK


def test_each_design_is_timed_and_the_machine_recorded():
    digits = load_dataset("digits")
    network = NETWORK.to_dict() | {"in_channels": 1, "classes": 10}
    design = describe(type(NETWORK).from_dict(network), digits)
    (latency,) = time_designs([design], digits, 1, Placement())
    assert latency.design == design.name
    assert 0 < latency.lower_ms <= latency.median_ms <= latency.upper_ms
    assert latency.host == describe_host("cpu")
