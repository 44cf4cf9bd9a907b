"""What one forward pass without data tells of any module: cost and receptive field.

    module ─→ trace ─→ cost, memory, receptive_field ─→ analyze, one record of all

recorder.py stands between the module and torch, graph.py is what it writes down, shapes.py and rules.py say what an
op means, and the rest are short functions of the trace.
"""

from convblocks.analysis.analyze import analyze
from convblocks.analysis.cost import Cost, count
from convblocks.analysis.receptive_field import receptive_field
from convblocks.analysis.signal import gradient_norms
from convblocks.analysis.trace import Op, Trace, trace

__all__ = ["Cost", "Op", "Trace", "analyze", "count", "gradient_norms", "receptive_field", "trace"]
