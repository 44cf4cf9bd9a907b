"""The predicted peak of a training step against what the allocator gives out, and the parts of the prediction."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from convblocks import (
    BlockSpec,
    Network,
    ReversibleBlock,
    Stage,
    Stem,
    largest_batch,
    load_target,
    step_memory,
)
from convblocks.analysis import trace
from convblocks.analysis.memory.timeline import Buffers, Timeline
from convblocks.analysis.trace.graph import Value
from convblocks.errors import OptionError
from convblocks.measure import threads_of
from tests.analysis.memory.allocator import OPTIMIZERS, check, predicted_bytes


@pytest.fixture(autouse=True)
def one_thread():
    """Kernels take scratch memory by threads."""
    with threads_of(1):
        yield


def stack(family, **options):
    stages = [
        Stage(block=BlockSpec(family, **options), blocks=4, out_channels=width, stride=s)
        for width, s in ((16, 1), (32, 2))
    ]
    return Network(in_channels=3, classes=10, stem=Stem(out_channels=16), stages=tuple(stages)).build()


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


class Chain(nn.Module):
    """Convolutions, in segments of three that may be checkpointed."""

    def __init__(self, run):
        super().__init__()
        self.segments = nn.ModuleList([self.segment(3 if i == 0 else 16) for i in range(4)])
        self.run = run

    def segment(self, channels):
        widths = (channels, 16, 16)
        return nn.Sequential(*[m for c in widths for m in (nn.Conv2d(c, 16, 3, padding=1), nn.GELU())])

    def forward(self, x):
        for segment in self.segments:
            x = self.run(segment, x)
        return x.mean((2, 3))


def again(segment, x):
    return checkpoint(segment, x, use_reentrant=False)


def plainly(segment, x):
    return segment(x)


def test_checkpointed_segments_run_twice_and_keep_their_inputs():
    check(Chain(again), (3, 32, 32), error=0.02)
    check(Chain(plainly), (3, 32, 32))
    both = [predicted_bytes(Chain(how), (3, 32, 32), batch=8, optimizer="sgd") for how in (again, plainly)]
    assert both[0] < 0.6 * both[1]


class Function(nn.Module):
    """A module, since what a module is given is held until it is done."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Through(nn.Module):
    """A function between two convolutions."""

    def __init__(self, function):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 4, 1)
        self.function = Function(function)

    def forward(self, x):
        return self.last(self.function(self.first(x)))


FUNCTIONS = {
    "temporaries die": lambda x: (((x + 1) * 2.0 + 1) * 2.0 + 1) * 2.0,
    "in place they are not made": lambda x: (x + 1).mul_(2.0).add_(1).relu_(),
    "views": lambda x: x.flatten(2).transpose(1, 2).reshape(x.shape[0], 32, 32, 16).permute(0, 3, 1, 2) + 1,
    "branches": lambda x: F.silu(x) + F.gelu(x) + F.relu(x) + x,
    "joined": lambda x: torch.cat([x, F.silu(x)], 1)[:, ::2] * 2.0,
    "gates": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "detached": lambda x: x + F.silu(x.detach()),
    "dropped": lambda x: F.dropout(x, 0.5) + 1,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_maps_live_until_their_last_reader(name):
    check(Through(FUNCTIONS[name]), (3, 32, 32), error=0.02)


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


@pytest.mark.parametrize("net", [stack("bottleneck", depth=3), Through(FUNCTIONS["dropped"]), Chain(again)])
def test_in_the_end_nothing_is_held_but_the_gradients(net):
    line = Timeline(trace(net, (3, 32, 32), batch=2), "AVX2")
    line.run()
    assert line.saved_bytes > 0
    assert (line.unseen, line.needed, line.maps, line.buffers.bytes) == (0, set(), set(), 0)
    assert line.gradients == sum(4 * p.numel() for p in net.parameters())


def test_two_gradients_that_others_hold_too_are_summed_in_a_third_buffer():
    """As in x + y where both come from one z unchanged: z's gradient is twice the sum's."""
    z = Value(0, (2, 3), torch.float32, 0)
    buffers = Buffers()
    given = buffers.new(z.bytes)
    assert not buffers.give(z, buffers.share(given))
    assert buffers.give(z, buffers.share(given))
    assert buffers.bytes == 2 * z.bytes
    buffers.drop(given)
    assert buffers.bytes == z.bytes
    assert not buffers.give(z, buffers.new(z.bytes))
    assert buffers.bytes == z.bytes


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
