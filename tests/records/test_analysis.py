"""An analysis goes to JSON and back; what it derives from its axes and layers."""

import json

import pytest
from torch import nn

from convblocks import analyze
from convblocks.records import Analysis


@pytest.fixture
def record():
    return analyze(nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(5)]), (3, 7, 9))


def test_it_comes_back_equal(record):
    assert Analysis.from_json(record.to_json()) == record
    assert record.to_dict() == json.loads(record.to_json())


def test_a_record_of_before_axes_had_names_has_channels_first(record):
    table = record.to_dict()
    del table["axes"], table["axes_assumed"]
    before = Analysis.from_json(json.dumps(table))
    assert (before.channels, before.spatial_size) == (record.channels, record.spatial_size) == (3, (7, 9))


def test_axes_say_where_channels_are():
    record = analyze(nn.Linear(6, 4), (10, 6), axes="time,features")
    assert (record.channels, record.spatial_size) == (6, (10,))
    assert analyze(nn.Conv1d(1, 4, 3), (1, 10)).layers[0].intensity > 0


def test_unproductive_layers_are_those_whose_input_sees_the_whole_image(record):
    extents = [(2 * i + 1, layer) for i, layer in enumerate(record.layers)]
    assert record.unproductive == tuple(layer for seen, layer in extents if seen >= 9)
    assert not record.lower_bounds
