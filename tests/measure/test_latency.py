"""The stopwatch against sleeps of known length, and the host against the system."""

import time

import torch
from torch import nn

from convblocks.measure import latencies, latency


def test_latencies_are_milliseconds_and_interleaved():
    order = []

    class Sleeps(nn.Module):
        def __init__(self, ms):
            super().__init__()
            self.ms = ms

        def forward(self, x):
            order.append(self.ms)
            time.sleep(self.ms / 1000)
            return x

    before = torch.get_num_threads()
    measured = latencies({"a": Sleeps(2), "b": Sleeps(6)}, torch.zeros(1), repeats=7, threads=1)
    assert torch.get_num_threads() == before
    assert order == [2, 6] * (len(order) // 2)
    for name, ms in (("a", 2), ("b", 6)):
        assert measured[name].shape == (7,)
        assert ms <= measured[name].min()
        assert sorted(measured[name])[3] < ms + 20


def test_the_first_rounds_are_not_measured(monkeypatch):
    """On a clock that only the module moves: 1 s in each of its first passes, then 2 ms."""
    now, passes = [0], []

    class Warms(nn.Module):
        def forward(self, x):
            passes.append(x)
            now[0] += 10**9 if len(passes) <= latency.WARMUP else 2 * 10**6
            return x

    monkeypatch.setattr(latency, "perf_counter_ns", lambda: now[0])
    measured = latencies({"a": Warms()}, torch.zeros(1), repeats=7)
    assert len(passes) == 12
    assert measured["a"].tolist() == [2.0] * 7


def test_latencies_are_of_inference():
    seen = []

    class Watches(nn.Module):
        def forward(self, x):
            seen.append((self.training, torch.is_inference_mode_enabled()))
            return x

    latencies({"a": Watches().train()}, torch.zeros(1), repeats=1)
    assert set(seen) == {(False, True)}
