"""The stopwatch, and the machine it ran on."""

from convblocks.measure.host import describe_host
from convblocks.measure.latency import latencies, threads_of

__all__ = ["describe_host", "latencies", "threads_of"]
