"""Targets: on the meta device, and hints for names that are not there."""

import pytest

from convblocks import load_target
from convblocks.targets.target import hint


def test_on_meta_where_the_constructor_allows_it(folder):
    def device(name):
        return next(load_target(f"code/my_model.py:{name}", on_meta=True).module.parameters()).device.type

    assert device("make_model") == "meta"
    assert device("small") == "cpu"  # exists already
    assert device("reads_itself") == "cpu"
    assert next(load_target("code/my_model.py:make_model").module.parameters()).device.type == "cpu"


@pytest.mark.parametrize(
    ("name", "names", "text"),
    [
        ("resnt50", ["resnet50", "vgg"], "did you mean 'resnet50'?"),
        ("VGG", ["resnet50", "vgg"], "did you mean 'vgg'?"),
        ("x", ["resnet50", "vgg"], "it has resnet50 and vgg"),
        ("x", [], "it has none"),
    ],
)
def test_a_hint_names_the_closest_or_all(name, names, text):
    assert hint(name, names) == text
