"""One forward pass of any module without data: recorder.py watches it, graph.py is what it writes down."""

from convblocks.analysis.trace.failure import Failed
from convblocks.analysis.trace.graph import Call, OpCall, Parameter, Trace, Value
from convblocks.analysis.trace.handle import as_trace, check_alone, once_per_trace
from convblocks.analysis.trace.trace import attempt, retrace, trace

__all__ = [
    "Call",
    "Failed",
    "OpCall",
    "Parameter",
    "Trace",
    "Value",
    "as_trace",
    "attempt",
    "check_alone",
    "once_per_trace",
    "retrace",
    "trace",
]
