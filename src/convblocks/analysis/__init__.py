"""What one forward pass tells of any module: without data its cost and receptive field, with data its signal.

    module ─→ trace ─→ cost, memory, receptive_field ─→ analyze, one record of all
                 └──→ advice, rules that judge it
           ─→ signal, effective_field, probe, on real tensors

recorder.py stands between the module and torch, graph.py is what it writes down, shapes.py and rules.py say what an
op means, and the rest are short functions of the trace.
"""

from convblocks.analysis.advice import advise
from convblocks.analysis.analyze import analyze
from convblocks.analysis.cost import Cost, count
from convblocks.analysis.effective import effective_field
from convblocks.analysis.mends import check_mends, mended
from convblocks.analysis.probes import probe
from convblocks.analysis.receptive_field import receptive_field
from convblocks.analysis.shattering import shattered_gradients
from convblocks.analysis.signal import gradient_norms, signal, signal_along
from convblocks.analysis.step_memory import largest_batch, step_memory
from convblocks.analysis.trace import Op, Trace, trace

__all__ = [
    "Cost",
    "Op",
    "Trace",
    "advise",
    "analyze",
    "check_mends",
    "count",
    "effective_field",
    "gradient_norms",
    "largest_batch",
    "mended",
    "probe",
    "receptive_field",
    "shattered_gradients",
    "signal",
    "signal_along",
    "step_memory",
    "trace",
]
