"""What is written down: frozen records that go to JSON and back, and never import torch.

study.py    what a `compare` leaves behind, one JSON object a line
    signal.py   what real tensors tell of a module
"""

from convblocks.records.signal import (
    AxisFit,
    EffectiveField,
    LayerProbe,
    LayerSignal,
    MendCheck,
    Probes,
    Rate,
    Shattering,
    Signal,
    SignalAlong,
    SignalStep,
    Symptom,
)
from convblocks.records.study import (
    Axis,
    DataCard,
    Design,
    Epoch,
    Host,
    Interval,
    Latency,
    Loading,
    Paragraph,
    Row,
    Run,
    RunTiming,
    Study,
    Summary,
)

__all__ = [
    "Axis",
    "AxisFit",
    "DataCard",
    "Design",
    "EffectiveField",
    "Epoch",
    "Host",
    "Interval",
    "Latency",
    "LayerProbe",
    "LayerSignal",
    "Loading",
    "MendCheck",
    "Paragraph",
    "Probes",
    "Rate",
    "Row",
    "Run",
    "RunTiming",
    "Shattering",
    "Signal",
    "SignalAlong",
    "SignalStep",
    "Study",
    "Summary",
    "Symptom",
]
