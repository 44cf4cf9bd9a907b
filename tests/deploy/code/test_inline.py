"""Methods rewritten once a class's fixed attributes and left-out children are known."""

from convblocks.deploy.code.inline import inlined, passed_through, stored

METHOD = """def forward(self, x):
    x = self.drop(x)
    self.count = self.scale + 1
    return self.conv(x) * self.scale"""


def test_values_stand_for_attributes_and_calls_that_pass_on_are_left_out():
    assert inlined(METHOD, {"scale": 2}, ["drop"]) == (
        "def forward(self, x):\n    self.count = 2 + 1\n    return self.conv(x) * 2"
    )


def test_a_child_may_be_left_out_if_it_is_only_ever_called_with_one_argument():
    methods = {"forward": METHOD, "f": "def f(self, x):\n    return run(self.drop, x)"}
    assert passed_through({"forward": METHOD}, ["drop", "conv"]) == ["drop", "conv"]
    assert passed_through(methods, ["drop", "conv"]) == ["conv"]


def test_stored_attributes():
    assert stored({"forward": METHOD}) == {"count"}
