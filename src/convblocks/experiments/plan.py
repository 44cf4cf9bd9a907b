"""From what was asked to a Study, and whether a run folder already holds the same one."""

import inspect
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec.structs import replace

from convblocks.blocks.block_spec import BlockSpec, block_class
from convblocks.checks import one_of, whole
from convblocks.data import Dataset
from convblocks.errors import OptionError, RunError, Setting
from convblocks.experiments.arguments import families as families_asked
from convblocks.experiments.arguments import numbers
from convblocks.experiments.implementations import (
    MOST_LAYERS,
    Frame,
    Implementation,
    default_stages,
    implementations,
)
from convblocks.experiments.matching import MATCHES, default_budget
from convblocks.experiments.study_heads import HEADS, head_named, that_dilate
from convblocks.measure import describe_host
from convblocks.notation import parse
from convblocks.records import Design, Study
from convblocks.runs.store import ANOTHER, RunFolder
from convblocks.text import escaped, listed
from convblocks.training import Placement, Recipe

MOST_SEEDS = 1000
MOST_PER_CORE = 16  # workers or threads; thousands of them take the system down before they train
MOST_BUDGET = 10**15  # a petaMAC for one example is more than any machine would train
TERMS = {"depths": "stack depths", "torch": "torch version", "convblocks": "convblocks version"}


def plan(
    dataset: Dataset,
    *,
    depths: int | Sequence[int],
    families: str | BlockSpec | Sequence[str | BlockSpec],
    block_depths: int | Sequence[int],
    groups: int | Sequence[int],
    stages: int | None,
    match: str,
    budget: int | None,
    seeds: int,
    recipe: Recipe,
    workers: int | None,
    threads: int | None,
    placement: Placement,
    command: str,
    head: str | None = None,
) -> tuple[Study, Frame, list[Implementation]]:
    """The study, what its networks share, and every implementation it compares; arguments as in compare."""
    one_of("match", match, MATCHES)
    depths, families = numbers("depths", depths, at_most=MOST_LAYERS), families_asked(families)
    block_depths, groups = numbers("block_depths", block_depths), numbers("groups", groups)
    shape = dataset.card.shape
    grid = (families, block_depths, groups, recipe.init)
    if stages is None:
        stages = default_stages(shape[1:], depths, *grid)
    task, classes, head = dataset.card.task, len(dataset.card.classes), head_named(dataset.card.task, head)
    frame = Frame(shape[0], shape[1:], classes, whole("stages", stages, at_least=1), HEADS[task][head])
    found, notes = implementations(depths, stages, *grid)
    if head == "dilated":
        found, unfit = that_dilate(found)
        notes += unfit
    if not found:
        raise OptionError(
            "families", ",".join(families), f"no implementation is possible: {'; '.join(notes)}"
        )
    if match == "none":
        budget = None
    elif budget is None:
        budget = default_budget(frame, found[0], match)
    else:
        whole("budget", budget, at_least=1, at_most=MOST_BUDGET)
    workers, threads = _shares(workers, threads, placement)
    study = Study(
        name="",  # that of its folder, which going_on gives
        command=escaped(command),  # a record is UTF-8, a path may be any bytes
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        data=dataset.card,
        depths=depths,
        stages=stages,
        families=families,
        block_depths=block_depths,
        groups=groups,
        sources={name: _source(name) for name in (parse(family)[0] for family in families) if ":" in name},
        notes=tuple(notes),
        head=head,
        match=match,
        budget=budget,
        seeds=tuple(range(whole("seeds", seeds, at_least=1, at_most=MOST_SEEDS))),
        recipe=msgspec.to_builtins(recipe),
        threads=threads,
        workers=workers,
        host=describe_host(placement.device),
    )
    return study, frame, found


def default_folder(study: Study, parent: Path = Path("runs")) -> RunFolder:
    """The folder that data and question name.

    Earlier versions recorded torch's release without its build (+cu130): a folder of theirs is gone on with.
    Raises RunError where that cannot be read.
    """
    versions = study.host.versions
    released = {**versions, "torch": versions["torch"].partition("+")[0]}
    earlier = RunFolder(parent / _name(replace(study, host=replace(study.host, versions=released))))
    before = earlier.study()
    if before is not None and before.host.versions.get("torch") == released["torch"]:
        return earlier
    return RunFolder(parent / _name(study))


def _name(study: Study) -> str:
    return f"{Path(study.data.name).stem}-{study.digest[:8]}"


def going_on(folder: RunFolder, asked: Study) -> Study:
    """The study to go on with: the one in the folder, if it asks the same; more seeds may be added.

    Raises RunError if the folder holds another study.
    """
    before = folder.study()
    if before is None:
        return replace(asked, name=escaped(folder.path.name), folder=escaped(str(folder.path)))
    if others := _differences(before, asked):
        raise RunError(f"{folder.path} holds another study: {'; '.join(others)}", *ANOTHER)
    larger = max(before, asked, key=lambda study: len(study.seeds))
    # the same data; only how it was loaded may be new
    data = asked.data if asked.data.loading else before.data
    return replace(before, data=data, seeds=larger.seeds, command=larger.command, workers=asked.workers)


def resume(folder: RunFolder, asked: Study, designs: Sequence[Design]) -> Study:
    """Write the study to go on with, and its designs, which are those that its question gives.

    Raises RunError if the folder holds another study, or designs that are not the same networks.
    """
    study = going_on(folder, asked)
    networks = {design.name: _networks(design) for design in designs}
    for design in folder.designs():
        if networks.get(design.name) != _networks(design):
            raise RunError(
                f"{folder.path / 'designs.jsonl'}: {design.name} is not what the study's question gives; restore the "
                "file, or choose another ",
                Setting("out"),
            )
    folder.save_study(study)
    folder.save_designs(designs)
    return study


def _networks(design: Design) -> bytes:
    return msgspec.json.encode([design.network, design.deployed], order="sorted")


def _differences(before: Study, asked: Study) -> list[str]:
    """What tells two studies apart, in words: "stack depths 4 and 8, not 8 and 56"."""
    then, now = before.question, asked.question
    told = [
        f"{_term(field)} {_worded(field, then.get(field))}, not {_worded(field, now.get(field))}"
        for field in {**now, **then}
        if field != "data" and not _same(field, then.get(field), now.get(field))
    ]
    if then["data"] == now["data"]:
        return told
    if before.data.name == asked.data.name:
        return [f"another data set called {asked.data.name}, of other examples or split otherwise", *told]
    return [f"data set {before.data.name}, not {asked.data.name}", *told]


def _same(field: str, before: object, now: object) -> bool:
    """Whether both studies have one value; earlier versions recorded torch's release without its build (+cu130)."""
    if field == "torch" and "+" not in str(before):
        now = str(now).partition("+")[0]
    return before == now


def _term(field: str) -> str:
    """A field of the question in words; a class's name stays as it is spelled."""
    kind, _, name = field.partition(".")
    if kind == "sources":
        return f"source file of {name}"
    return TERMS.get(field, field.removeprefix("recipe.").replace("_", " "))


def _worded(field: str, value: object) -> str:
    if value is None:
        return "none"
    if field.startswith("sources."):
        return f"SHA-256 {str(value)[:12]}…"
    if isinstance(value, tuple):
        return listed([str(part) for part in value])
    return f"{value:,}" if isinstance(value, int) else str(value)


def _source(family: str) -> str:
    """SHA-256 of the file that defines a class of the user's own; what that file imports does not count."""
    try:
        source = Path(inspect.getsourcefile(block_class(family)) or "").read_bytes()
    except (TypeError, OSError) as error:
        raise OptionError(
            "families", family, "has no source file to read; define it in a .py file, which workers import"
        ) from error
    return sha256(source).hexdigest()


def _shares(workers: int | None, threads: int | None, placement: Placement) -> tuple[int, int]:
    """Workers, and threads of each: one thread each unless asked, which trains more (benchmarks/workers.json)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = MOST_PER_CORE * cores
    threads = 1 if threads is None else whole("threads", threads, at_least=1, at_most=most)
    if workers is None:
        return (1 if placement.device != "cpu" else max(1, cores // threads)), threads
    return whole("workers", workers, at_least=1, at_most=most), threads
