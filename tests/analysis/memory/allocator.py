"""The predicted peak of a training step against PyTorch's own record of what its allocator gives out.

That record has oneDNN's scratch memory too, so it is the whole peak but for what the process holds anyway. It is this
machine's, and so is the prediction: on AVX2 and on AVX-512 other kernels run. On others the prediction leaves the
workspace of convolutions out, and the record may only be larger.
"""

import gc

import pytest
import torch

from convblocks import BlockSpec, Network, Stage, Stem, step_memory
from convblocks.analysis.memory.kernels import LANES
from convblocks.analysis.memory.processor import instruction_set

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.01),
    "momentum": lambda parameters: torch.optim.SGD(parameters, 0.01, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, 0.01),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 0.01),
}


def allocated_bytes(net, inputs, optimizer):
    """At most during a step, besides what is there before it."""
    learnt = [p for p in net.parameters() if p.requires_grad]
    updated = OPTIMIZERS[optimizer](learnt)

    def step():
        net(*inputs).sum().backward()
        updated.step()

    net.train()
    step()
    updated.zero_grad()
    gc.collect()  # what earlier tests left would be freed within the record, and counted against it
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        step()
    events = sorted(
        (e for e in profile.kineto_results.events() if e.name() == "[memory]"), key=lambda e: e.start_ns()
    )
    held = most = 0
    for event in events:
        held += event.nbytes()
        most = max(most, held)
    return most


def predicted_bytes(net, *sizes, batch, optimizer):
    """Of the same."""
    found = step_memory(net, *sizes, batch=batch, optimizer=optimizer)
    return (
        found.peak_bytes - found.param_bytes - found.buffer_bytes - found.input_bytes - found.optimizer_bytes
    )


def check(net, *sizes, batch=8, optimizer="momentum", error=0.01):
    net = net.train()
    real = allocated_bytes(net, [torch.randn(batch, *size) for size in sizes], optimizer)
    predicted = predicted_bytes(net, *sizes, batch=batch, optimizer=optimizer)
    if instruction_set() in LANES:
        assert predicted == pytest.approx(real, rel=error)
    else:
        assert predicted <= real * (1 + error)


def stack(family, **options):
    """Returns a network of two stages of four blocks."""
    stages = [
        Stage(block=BlockSpec(family, **options), blocks=4, out_channels=width, stride=s)
        for width, s in ((16, 1), (32, 2))
    ]
    return Network(in_channels=3, classes=10, stem=Stem(out_channels=16), stages=tuple(stages)).build()
