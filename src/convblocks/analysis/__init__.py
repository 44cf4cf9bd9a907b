"""What one forward pass tells of any module: without data its cost and receptive field, with data its signal.

    module ─→ trace/ ─→ cost.py, fields/, memory/ ─→ analyze.py, one record of all
                   └──→ advice/, rules that judge it
           ─→ signal/, on real tensors: norms, symptoms and mends, the effective field, probes

names.py and rules.py say what an op means; all but trace/ and signal/ are short functions of the trace.
"""

from convblocks.analysis.advice import advise
from convblocks.analysis.analyze import analyze
from convblocks.analysis.cost import Cost, count
from convblocks.analysis.fields.receptive_field import receptive_field
from convblocks.analysis.memory.step_memory import largest_batch, step_memory
from convblocks.analysis.signal.effective import effective_field
from convblocks.analysis.signal.mends import check_mends, mended
from convblocks.analysis.signal.probes import probe
from convblocks.analysis.signal.shattering import shattered_gradients
from convblocks.analysis.signal.signal import gradient_norms, signal, signal_along
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
