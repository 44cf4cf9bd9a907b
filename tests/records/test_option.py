"""Fields of records as options."""

from typing import Annotated

import pytest
from msgspec import Struct

from convblocks import Question, Recipe
from convblocks.records.option import DATA, RUN, Option, fields, suggestion, updated


class Inner(Struct, frozen=True, kw_only=True):
    speed: Annotated[float | None, Option("How fast.", RUN, default="as it comes")] = None


class Outer(Struct, frozen=True, kw_only=True):
    """Has a field of its own, one that is no option, and a record."""

    many_sizes: Annotated[int, Option("How large.", DATA, "N", term="sizes")] = 3
    private: int = 1
    inner: Inner = Inner()


def test_fields_of_a_record_and_those_within_it():
    found = fields(Outer)
    assert list(found) == ["many_sizes", "speed"]
    sizes, speed = found.values()
    assert (sizes.flag, sizes.term, sizes.type, sizes.default_text) == ("--many-sizes", "sizes", int, "3")
    assert (speed.flag, speed.term, speed.type, speed.default_text) == (
        "--speed",
        "speed",
        float,
        "as it comes",
    )


def test_fields_of_several_values():
    found = fields(Question)
    assert [name for name, field in found.items() if field.several] == [
        "depths",
        "families",
        "block_depths",
        "groups",
    ]
    assert found["depths"].value_type is int
    assert found["families"].default_text == "simple,residual,bottleneck"


def test_values_reach_the_record_that_has_the_field():
    before = Outer(inner=Inner(speed=2.0))
    after = updated(before, {"speed": 5.0, "many_sizes": 4, "elsewhere": 1})
    assert after == Outer(many_sizes=4, inner=Inner(speed=5.0))
    assert updated(before, {"elsewhere": 1}) is before
    assert updated(Question(), {"recipe": Recipe(epochs=2), "augment": "flip"}).recipe == Recipe(
        epochs=2, augment="flip"
    )


@pytest.mark.parametrize(
    ("name", "said"), [("depth", "; did you mean 'depths'?"), ("xyz", "; expected one of depths, seeds")]
)
def test_suggestions(name, said):
    assert suggestion(name, {"depths": 1, "seeds": 2}) == said
