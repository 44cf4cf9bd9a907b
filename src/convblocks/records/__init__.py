"""What is written down: frozen records that go to JSON and back, and never import torch.

advice.py   what `advise` says of a module
analysis.py what `analyze` finds in a module
outline.py  what is drawn of a module
signal.py   what real tensors tell of a module
step.py     what a training step needs at most
study.py    what a `compare` leaves behind, one JSON object a line
"""

from convblocks.records.advice import SEVERITIES, Finding, Severity
from convblocks.records.analysis import Analysis, Layer, Part
from convblocks.records.outline import Outline
from convblocks.records.signal import (
    AxisFit,
    EffectiveField,
    FixCheck,
    LayerProbe,
    LayerSignal,
    Probes,
    Rate,
    Shattering,
    Signal,
    SignalAlong,
    SignalStep,
    Symptom,
)
from convblocks.records.step import StepMemory
from convblocks.records.study import (
    METRICS,
    TOLERANCE,
    Axis,
    DataCard,
    Design,
    Epoch,
    Host,
    Interval,
    Latency,
    Loading,
    Overlap,
    Paragraph,
    Row,
    Run,
    RunTiming,
    Study,
    Summary,
    Task,
    Verdict,
)

__all__ = [
    "METRICS",
    "SEVERITIES",
    "TOLERANCE",
    "Analysis",
    "Axis",
    "AxisFit",
    "DataCard",
    "Design",
    "EffectiveField",
    "Epoch",
    "Finding",
    "FixCheck",
    "Host",
    "Interval",
    "Latency",
    "Layer",
    "LayerProbe",
    "LayerSignal",
    "Loading",
    "Outline",
    "Overlap",
    "Paragraph",
    "Part",
    "Probes",
    "Rate",
    "Row",
    "Run",
    "RunTiming",
    "Severity",
    "Shattering",
    "Signal",
    "SignalAlong",
    "SignalStep",
    "StepMemory",
    "Study",
    "Summary",
    "Symptom",
    "Task",
    "Verdict",
]
