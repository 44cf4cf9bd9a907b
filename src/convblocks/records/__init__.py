"""What is written down: frozen records that go to JSON and back, and never import torch.

analysis.py what `analyze` finds in a module
study.py    what a `compare` leaves behind, one JSON object a line
"""

from convblocks.records.analysis import Analysis, Layer, Part
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
    "Analysis",
    "Axis",
    "DataCard",
    "Design",
    "Epoch",
    "Host",
    "Interval",
    "Latency",
    "Layer",
    "Loading",
    "Paragraph",
    "Part",
    "Row",
    "Run",
    "RunTiming",
    "Study",
    "Summary",
]
