"""Cost, receptive field and memory of any module, from one forward pass without data.

    module ─→ trace/ ─→ cost.py, fields/, memory/ ─→ analyze.py, one record of all

ops/ has an entry for each op, with the rule for every figure; the rest are short functions of the trace. The packages
advice, signal and drawing read it too.
"""

from convblocks.analysis.analyze import analyze
from convblocks.analysis.cost import Cost, count
from convblocks.analysis.fields.receptive_field import receptive_field
from convblocks.analysis.memory.step_memory import largest_batch, step_memory
from convblocks.analysis.ops.op import Op, Window
from convblocks.analysis.ops.register import register_op
from convblocks.analysis.trace import OpCall, Trace, trace

__all__ = [
    "Cost",
    "Op",
    "OpCall",
    "Trace",
    "Window",
    "analyze",
    "count",
    "largest_batch",
    "receptive_field",
    "register_op",
    "step_memory",
    "trace",
]
