"""Values of the question go through the experiments as one value, not one by one."""

import inspect
from importlib import import_module
from pkgutil import iter_modules

from convblocks import experiments
from convblocks.records import Loading, Machine, Question
from convblocks.records.option import fields

MOST = 6


def functions():
    for module in iter_modules(experiments.__path__, "convblocks.experiments."):
        found = vars(import_module(module.name)).values()
        own = [each for each in found if getattr(each, "__module__", "") == module.name]
        classes = [each for each in own if inspect.isclass(each)]
        yield from filter(inspect.isfunction, own)
        for each in classes:
            yield from filter(inspect.isfunction, vars(each).values())


def test_no_function_takes_more_than_six_fields_of_the_question():
    names = {"recipe", *fields(Question, Machine, Loading)}
    taken = {
        f"{function.__module__}.{function.__qualname__}": names & set(inspect.signature(function).parameters)
        for function in functions()
    }
    assert len(taken) > 50
    assert {name: of for name, of in taken.items() if len(of) > MOST} == {}
