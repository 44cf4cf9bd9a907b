"""Frozen values that go to JSON and back, and never import torch.

question.py the question of a `compare`, and its machine; recipe.py how it trains, family.py a family of blocks
option.py   all that a user reads of one field of those: help, flag, group, default
study.py    what a `compare` leaves behind, one JSON object a line; data_card.py its data
analysis.py what `analyze` reports of a module
advice.py   what `advise` reports of a module
signal.py   what real tensors show of a module
step.py     what a training step needs at most
outline.py  what is drawn of a module
"""

from convblocks.records.advice import SEVERITIES, Finding, Severity
from convblocks.records.analysis import Analysis, Layer, Part
from convblocks.records.data_card import METRICS, DataCard, Loading, Task
from convblocks.records.family import Family
from convblocks.records.outline import Outline
from convblocks.records.question import Machine, Question
from convblocks.records.recipe import Recipe
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
    TOLERANCE,
    Axis,
    Design,
    Epoch,
    Host,
    Interval,
    Latency,
    Overlap,
    Paragraph,
    Row,
    Run,
    RunTiming,
    Study,
    Summary,
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
    "Family",
    "Finding",
    "FixCheck",
    "Host",
    "Interval",
    "Latency",
    "Layer",
    "LayerProbe",
    "LayerSignal",
    "Loading",
    "Machine",
    "Outline",
    "Overlap",
    "Paragraph",
    "Part",
    "Probes",
    "Question",
    "Rate",
    "Recipe",
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
