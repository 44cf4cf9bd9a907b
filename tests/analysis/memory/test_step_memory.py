"""The predicted peak of a training step against what the allocator gives out, and the parts of the prediction."""

import json
from pathlib import Path

import pytest
from torch import nn

from convblocks import (
    ReversibleBlock,
    largest_batch,
    load_target,
    step_memory,
)
from convblocks.errors import OptionError
from tests.analysis.memory.allocator import OPTIMIZERS, check, stack


@pytest.mark.parametrize(
    "options", [{}, {"norm": "group", "activation": "silu"}, {"activation": "gelu"}], ids=str
)
@pytest.mark.parametrize("family", ["simple", "residual", "bottleneck"])
def test_stacks_of_our_families(family, options):
    check(stack(family, depth=4, **options), (3, 32, 32), batch=16)


@pytest.mark.parametrize(("depth", "error"), [(4, 0.01), (64, 0.05)])
def test_a_reversible_chain_holds_its_output_and_a_pair_to_work_on(depth, error):
    """To 5 % where the chain is deep: it hands over all its parameters' gradients at once, when it is done."""
    check(ReversibleBlock(32, 32, depth=depth), (32, 32, 32), batch=16, error=error)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_where_weights_are_most_of_it(optimizer):
    """Adam's step needs two tensors of the largest parameter's size at a time."""
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(192, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.Linear(1024, 10)
    )
    check(net, (3, 8, 8), optimizer=optimizer)
    assert step_memory(net, (3, 8, 8), optimizer=optimizer).peak_phase == (
        "step" if "adam" in optimizer else "backward"
    )


def test_frozen_parts_have_neither_gradient_nor_state():
    net = stack("residual", depth=2)
    for p in net.stages[0].parameters():
        p.requires_grad_(False)
    check(net, (3, 32, 32), batch=16)
    found = step_memory(net, (3, 32, 32), optimizer="adam")
    learnt = sum(4 * p.numel() for p in net.parameters() if p.requires_grad)
    assert (found.gradient_bytes, found.optimizer_bytes) == (learnt, 2 * learnt)


def test_where_nothing_is_kept_forward_is_the_peak():
    widths = ((16, 64), (64, 16), (16, 16))
    convs = [nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU()) for a, b in widths]
    net = nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    net[:3].requires_grad_(False)
    check(net, (16, 32, 32))
    assert step_memory(net, (16, 32, 32), batch=8).peak_phase == "forward"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "convnext_tiny", "densenet121", "mobilenet_v2", "swin_t"]
)
def test_published_networks(name):
    check(load_target(f"torchvision:{name}").module, (3, 64, 64), batch=4, error=0.03)


def test_the_parts_add_up_and_the_record_is_plain():
    net = stack("residual", depth=2)
    found = step_memory(net, (3, 32, 32), batch=4, optimizer="momentum")
    always = found.param_bytes + found.buffer_bytes + found.input_bytes + found.optimizer_bytes
    then = (
        found.peak_gradient_bytes
        + found.peak_saved_bytes
        + found.peak_transient_bytes
        + found.peak_workspace_bytes
    )
    assert found.peak_bytes == always + then
    assert found.param_bytes == found.optimizer_bytes == sum(4 * p.numel() for p in net.parameters())
    assert found.buffer_bytes == sum(b.nbytes for b in net.buffers())
    assert found.input_bytes == 4 * 3 * 32 * 32 * 4
    assert found.peak_at in dict(net.named_modules())
    assert json.loads(json.dumps(found.to_dict()))["batch"] == 4


def test_the_largest_batch_fits_and_the_next_does_not():
    net = stack("bottleneck", depth=3)
    for megabytes in (1, 10, 77, 1000):
        batch = largest_batch(net, (3, 32, 32), memory_bytes=megabytes * 10**6, optimizer="adam")
        if batch:
            peak = step_memory(net, (3, 32, 32), batch=batch, optimizer="adam").peak_bytes
            assert peak <= megabytes * 10**6
        assert step_memory(net, (3, 32, 32), batch=batch + 1, optimizer="adam").peak_bytes > megabytes * 10**6
    assert largest_batch(net, (3, 32, 32), memory_bytes=10_000) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch=0: expected at least 1 example"),
        ({"batch": 2.5}, "batch=2.5: expected a whole number of examples"),
        ({"batch": True}, "batch=True: expected a whole number of examples"),
        ({"optimizer": "lion"}, "optimizer='lion': expected one of sgd, momentum, adam, adamw"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(OptionError, match=message):
        step_memory(nn.Conv2d(3, 4, 3), (3, 8, 8), **options)
    for given in (0, float("inf"), float("nan"), "8GB"):
        with pytest.raises(OptionError, match=f"memory_bytes={given!r}: expected"):
            largest_batch(nn.Conv2d(3, 4, 3), (3, 8, 8), memory_bytes=given)


def test_an_amount_of_memory_may_be_a_float():
    net = stack("simple", depth=2)
    assert largest_batch(net, (3, 32, 32), memory_bytes=1e7) == largest_batch(
        net, (3, 32, 32), memory_bytes=10**7
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="resident memory is read from /proc")
def test_resident_memory_of_a_process_that_trains():
    from benchmarks.memory import EXACT, built, measured

    predicted = step_memory(built("residual-8"), (3, 32, 32), batch=128, optimizer="momentum").peak_bytes
    assert predicted == pytest.approx(measured("residual-8@32x128", EXACT), rel=0.1)
