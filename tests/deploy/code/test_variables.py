"""Values that instances share, and the signature that they make."""

import pytest

from convblocks.deploy.code.variables import ABSENT, Parameters, Variable, annotation, declared, same


@pytest.mark.parametrize(
    ("values", "default", "text"),
    [
        ([1, 2], 1, "x: int = 1"),
        ([1, (2, 2)], ..., "x: int | tuple[int, int]"),
        ([0.1, ABSENT], None, "x: float | None = None"),
        (["a", "b"], ..., "x: str"),
        ([True, False], True, "x: bool = True"),
    ],
)
def test_declarations(values, default, text):
    assert declared(Variable(values, [("p", "x")], "x", default=default)) == text


def test_an_absent_value_agrees_with_any():
    variable = Variable([1, ABSENT], [("a", "x")])
    assert variable.agrees([ABSENT, 5])
    assert not variable.agrees([2, ABSENT])
    variable.take(("b", "x"), [1, 5])
    assert variable.values == [1, 5]
    assert annotation(variable) == "int"


def test_one_is_neither_true_nor_a_float():
    assert same(1, 1)
    assert not same(1, True)
    assert not same(1, 1.0)


def test_a_signature_has_parameters_without_a_default_first():
    a, b = Variable([1, 2], [("p", "a")], "a", default=1), Variable([3, ABSENT], [("p", "b")], "b")
    c = Variable([6, 6], [("p", "c")], "c", derived="2 * b")
    parameters = Parameters([a, b, c])
    assert [v.name for v in parameters.signature] == ["b", "a"]
    assert parameters.arguments(1) == ({"b": None, "a": 2}, {"a": 1})
