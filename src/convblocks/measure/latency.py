"""Measures the inference time of several modules, interleaved so that a machine's drift meets all of them alike."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter_ns

import numpy as np
import torch
from torch import nn

from convblocks.analysis.trace.duplicate import copy_of
from convblocks.analysis.trace.restore import restored

WARMUP = 5


def latencies(
    modules: Mapping[str, nn.Module], x: torch.Tensor, *, repeats: int = 51, threads: int = 1
) -> dict[str, np.ndarray]:
    """Returns milliseconds of each of `repeats` forward passes on `x` (N, C, *spatial), by module name.

    In eval mode, without gradients, one pass of each module in turn, after WARMUP rounds. The modules stay what they
    are: copies of them run.
    """
    spent: dict[str, list[int]] = {name: [] for name in modules}
    copies = {name: copy_of(module).eval() for name, module in modules.items()}
    parts = [part for module in modules.values() for part in module.modules()]
    with threads_of(threads), torch.inference_mode(), restored(parts):
        for _ in range(WARMUP + repeats):
            for name, copy in copies.items():
                spent[name].append(_once(copy, x))
    return {name: np.array(ns[WARMUP:]) / 1e6 for name, ns in spent.items()}


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """Lets torch compute with `count` threads inside the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _once(module: nn.Module, x: torch.Tensor) -> int:
    started = perf_counter_ns()
    module(x)
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return perf_counter_ns() - started
