"""Inference time of several modules, interleaved so that a machine's drift meets all of them alike."""

from collections.abc import Mapping
from time import perf_counter_ns

import numpy as np
import torch
from torch import nn

WARMUP = 5


def latencies(
    modules: Mapping[str, nn.Module], x: torch.Tensor, *, repeats: int = 51, threads: int = 1
) -> dict[str, np.ndarray]:
    """Milliseconds of each of `repeats` forward passes on `x` (N, C, *spatial), by module name.

    In eval mode, without gradients, one pass of each module in turn, after WARMUP rounds.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    spent: dict[str, list[int]] = {name: [] for name in modules}
    try:
        for module in modules.values():
            module.eval()
        with torch.inference_mode():
            for _ in range(WARMUP + repeats):
                for name, module in modules.items():
                    spent[name].append(_once(module, x))
    finally:
        torch.set_num_threads(before)
    return {name: np.array(ns[WARMUP:]) / 1e6 for name, ns in spent.items()}


def _once(module: nn.Module, x: torch.Tensor) -> int:
    started = perf_counter_ns()
    module(x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return perf_counter_ns() - started
