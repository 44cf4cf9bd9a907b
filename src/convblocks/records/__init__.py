"""What is written down: frozen records that go to JSON and back, and never import torch.

study.py    what a `compare` leaves behind, one JSON object a line
"""

from convblocks.records.study import (
    Axis,
    DataCard,
    Design,
    Epoch,
    Host,
    Interval,
    Latency,
    Paragraph,
    Row,
    Run,
    RunTiming,
    Study,
    Summary,
)

__all__ = [
    "Axis",
    "DataCard",
    "Design",
    "Epoch",
    "Host",
    "Interval",
    "Latency",
    "Paragraph",
    "Row",
    "Run",
    "RunTiming",
    "Study",
    "Summary",
]
