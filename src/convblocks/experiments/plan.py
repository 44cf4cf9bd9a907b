"""Planning: makes a study of a question and a data set, and decides what the question leaves open."""

import inspect
import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import asdict, replace

from convblocks.blocks.block_spec import block_class
from convblocks.checks import whole
from convblocks.data import Dataset
from convblocks.errors import OptionError
from convblocks.experiments.implementations import Frame, Implementation, default_stages, implementations
from convblocks.experiments.matching import default_budget
from convblocks.experiments.study_heads import HEADS, head_named, that_dilate
from convblocks.measure import describe_host
from convblocks.records import Machine, Question, Study
from convblocks.text import escaped
from convblocks.training import Placement

MOST_PER_CORE = 16  # workers or threads; thousands of them take the system down before they train


class Plan(NamedTuple):
    """A study that is not trained yet, what its networks share, and every implementation it compares."""

    study: Study
    frame: Frame
    implementations: list[Implementation]


def plan(dataset: Dataset, question: Question, machine: Machine, command: str) -> Plan:
    """Returns the study that the question is for these data on this machine.

    Args:
        dataset: the examples.
        question: what it leaves open, as None, is decided by the data.
        machine: where it runs.
        command: how the study can be repeated; it is recorded.

    Raises:
        OptionError: for a question without any implementation, and for a machine without the device.
    """
    placement = Placement(machine.device)
    card, head = dataset.card, head_named(dataset.card.task, question.head)
    if question.stages is None:
        question = replace(question, stages=default_stages(question, card.shape[1:]))
    assert question.stages is not None
    frame = Frame(card.shape[0], card.shape[1:], len(card.classes), question.stages, HEADS[card.task][head])
    grid, notes = implementations(question)
    if head == "dilated":
        grid, unfit = that_dilate(grid)
        notes += unfit
    if not grid:
        families = ",".join(map(str, question.families))
        raise OptionError("families", families, f"no implementation is possible: {'; '.join(notes)}")
    if question.budget is None and question.match != "none":
        question = replace(question, budget=default_budget(frame, grid[0], question.match))
    workers, threads = shares(machine, placement)
    study = Study(
        name="",  # that of its folder, which going_on gives
        command=escaped(command),  # a record is UTF-8, a path may be any bytes
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        data=card,
        **_recorded(question),  # type: ignore[arg-type]  # whose types the question has checked
        head=head,
        sources=_sources(question),
        notes=tuple(notes),
        threads=threads,
        workers=workers,
        host=describe_host(placement.device),
    )
    return Plan(study, frame, grid)


def _recorded(question: Question) -> dict[str, object]:
    """Returns the question as fields of a study, and what has no field there, where it is not the default."""
    values = {name: value for name, value in asdict(question).items() if name != "head"}
    values |= {
        "families": tuple(map(str, question.families)),
        "seeds": tuple(range(question.seeds)),
        "recipe": msgspec.to_builtins(question.recipe),
    }
    own = {name: value for name, value in values.items() if name in Study.__struct_fields__}
    defaults = {field.name: field.default for field in msgspec.structs.fields(question)}
    later = {n: v for n, v in values.items() if n not in own and v != defaults[n]}
    return {**own, "options": msgspec.to_builtins(later)}


def _sources(question: Question) -> dict[str, str]:
    """Returns SHA-256 of the file that defines each class of the user's own; what that file imports does not count."""
    return {family.name: _source(family.name) for family in question.families if ":" in family.name}


def _source(family: str) -> str:
    try:
        source = Path(inspect.getsourcefile(block_class(family)) or "").read_bytes()
    except (TypeError, OSError) as error:
        raise OptionError(
            "families", family, "has no source file to read; define it in a .py file, which workers import"
        ) from error
    return sha256(source).hexdigest()


def shares(machine: Machine, placement: Placement) -> tuple[int, int]:
    """Returns the workers and the threads of each.

    One thread each unless the machine says otherwise, which trains more (benchmarks/workers.json).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = MOST_PER_CORE * cores
    threads = 1 if machine.threads is None else whole("threads", machine.threads, at_least=1, at_most=most)
    if machine.workers is None:
        return (1 if placement.device != "cpu" else max(1, cores // threads)), threads
    return whole("workers", machine.workers, at_least=1, at_most=most), threads
