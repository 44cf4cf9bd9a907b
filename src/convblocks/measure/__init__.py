"""The stopwatch, and the machine it ran on.

latency.py  times of forward passes of several modules, interleaved
host.py     processor, memory, threads and versions
"""

from convblocks.measure.host import describe_host
from convblocks.measure.latency import latencies, threads_of

__all__ = ["describe_host", "latencies", "threads_of"]
