"""A trace is the handle: readers take it or a module, and what several of them need is computed once."""

import sys
from collections import Counter

import pytest
import torch
from torch import nn

from convblocks import advise, analyze, largest_batch, step_memory, trace
from convblocks.analysis import count, receptive_field
from convblocks.analysis.fields.receptive_field import receptive_fields, states
from convblocks.analysis.trace import as_trace, once_per_trace, retrace
from convblocks.cli import main
from convblocks.deploy.code import module_code
from convblocks.drawing import outline
from convblocks.errors import OptionError, TraceError

SIZE = (3, 32, 32)


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = (
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
    )
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()


ONE, SEVERAL = ((1, *SIZE),), ((3, *SIZE),)
READERS = [analyze, advise, outline, count, receptive_field, step_memory, module_code]


@pytest.fixture
def runs(monkeypatch):
    """Forwards that are recorded, by the shapes of their inputs."""
    counted: Counter[tuple[tuple[int, ...], ...]] = Counter()
    tracing = sys.modules["convblocks.analysis.trace.trace"]
    observed = tracing._observed

    def counting(module, inputs, *args, **options):
        counted[tuple(tuple(x.shape) for x in inputs)] += 1
        return observed(module, inputs, *args, **options)

    monkeypatch.setattr(tracing, "_observed", counting)
    return counted


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_a_reader_says_the_same_of_a_module_and_of_its_trace(reader):
    module = network()
    traced = trace(module, SIZE)
    once, again = reader(traced), reader(traced)
    assert once == again == reader(module, SIZE)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_sizes_beside_a_trace_are_refused(reader):
    traced = trace(network(), SIZE)
    with pytest.raises(OptionError, match="input_sizes") as refused:
        reader(traced, SIZE)
    assert refused.value.option == "input_sizes"


def test_dtypes_and_axes_beside_a_trace_are_refused():
    traced = trace(network(), SIZE)
    for option, value in (("dtypes", [torch.float32]), ("axes", "channels,height,width")):
        with pytest.raises(OptionError) as refused:
            as_trace(traced, **{option: value})
        assert refused.value.option == option


def test_a_trace_of_several_examples_is_no_analysis_of_one():
    several = trace(network(), SIZE, batch=4)
    assert several.batch == 4
    assert several.input_size == SIZE
    with pytest.raises(OptionError, match="4 examples"):
        analyze(several)
    assert step_memory(several) == step_memory(network(), SIZE, batch=4)


def test_a_trace_knows_its_inputs_with_the_batch_anywhere():
    traced = trace(nn.LSTM(6, 4), (10, 6), axes="time,batch,features", batch=2)
    assert (traced.batch, traced.input.shape, traced.input_sizes) == (2, (10, 2, 6), ((10, 6),))
    again = retrace(traced, (12, 6))
    assert (again.batch, again.input.shape, again.axes) == (2, (12, 2, 6), traced.axes)
    one = trace(nn.Embedding(10, 4), (7,), dtypes=[torch.int64])
    assert retrace(one, batch=3).output.shape == (3, 7, 4)


def test_fields_are_computed_once_for_each_choice_of_options():
    traced = trace(network(), SIZE)
    assert receptive_fields(traced) is receptive_fields(traced, through_gates=True)
    assert receptive_fields(traced) is not receptive_fields(traced, through_gates=False)
    assert states(traced) is states(traced)
    assert states(traced) is not states(trace(network(), SIZE))


def test_a_result_is_kept_on_its_own_trace_and_an_error_is_not():
    calls = Counter()

    @once_per_trace
    def reader(trace, *, power=1):
        calls[power] += 1
        if power > 8:
            raise TraceError("too much")
        return len(trace.ops) ** power

    first, second = trace(network(), SIZE), trace(nn.ReLU(), SIZE)
    assert [reader(first), reader(first, power=1), reader(second), reader(first, power=2)] == [7, 7, 1, 49]
    assert calls == {1: 2, 2: 1}
    for _ in range(2):
        with pytest.raises(TraceError):
            reader(first, power=9)
    assert calls[9] == 2


def test_the_largest_batch_and_its_step_trace_each_batch_once(runs):
    traced = trace(network(), SIZE)
    batch = largest_batch(traced, memory_bytes=10**6)
    assert batch == largest_batch(network(), SIZE, memory_bytes=10**6) > 1
    before = sum(runs.values())
    assert step_memory(traced, batch=batch).peak_bytes <= 10**6
    assert sum(runs.values()) == before


@pytest.fixture
def target(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(
        "from torch import nn\n\n\ndef make():\n    first, second = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()\n"
        "    return nn.Sequential(first, second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))\n"
    )
    return ["model.py:make", "--input", "3x32x32"]


def test_analyze_traces_once(runs, target):
    main(["analyze", *target, "--json"])
    assert runs == {ONE: 1}


def test_the_page_of_an_analysis_traces_once(runs, target):
    """Its one forward besides that trace is CB501's, of several examples."""
    main(["analyze", *target, "--html", "page.html"])
    assert runs == {ONE: 1, SEVERAL: 1}


def test_the_page_of_an_analysis_and_its_step_trace_each_batch_once(runs, target):
    """Besides the trace of one example: CB501's forward of several, and one of each batch of a step."""
    main(["analyze", *target, "--html", "page.html", "--batch", "16"])
    assert runs == {ONE: 1, SEVERAL: 1, ((16, *SIZE),): 1}


def test_advise_traces_each_batch_once(runs, target):
    """CB501 compares one example with several, which is a second forward on purpose."""
    main(["advise", *target])
    assert runs == {ONE: 1, SEVERAL: 1}
