"""Going on with a run folder: it holds the same study, or a message says how the two differ."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from convblocks.errors import RunError, Setting
from convblocks.records import Design, Machine, Question, Study
from convblocks.records.option import fields
from convblocks.runs.store import ANOTHER, RunFolder
from convblocks.text import escaped, listed

OPTIONS = fields(Question, Machine)
TERMS = {"torch": "torch version", "convblocks": "convblocks version"}
"""Names in prose of the parts of a study's identity that are no options."""


def default_folder(study: Study, parent: Path = Path("runs")) -> RunFolder:
    """Returns the folder that data and question name.

    A folder of an earlier version is gone on with. Its name is of the processor too, and perhaps of torch's release
    without its build (+cu130).

    Raises:
        RunError: where that cannot be read.
    """
    versions = study.host.versions
    released = {**versions, "torch": versions["torch"].partition("+")[0]}
    without_build = replace(study, host=replace(study.host, versions=released))
    for recorded, digest in (
        (released, without_build.first_digest),
        (versions, study.first_digest),
    ):
        earlier = RunFolder(parent / _name(study, digest))
        before = earlier.study()
        if before is not None and before.host.versions.get("torch") == recorded["torch"]:
            return earlier
    return RunFolder(parent / _name(study, study.digest))


def _name(study: Study, digest: str) -> str:
    return f"{Path(study.data.name).stem}-{digest[:8]}"


def going_on(folder: RunFolder, planned: Study) -> Study:
    """Returns the study to go on with: the one in the folder, if its question is the same; seeds may be added.

    Raises:
        RunError: if the folder holds another study.
    """
    before = folder.study()
    if before is None:
        return replace(planned, name=escaped(folder.path.name), folder=escaped(str(folder.path)))
    if differences := _differences(before, planned):
        raise RunError(f"{folder.path} holds another study: {'; '.join(differences)}", *ANOTHER)
    larger = max(before, planned, key=lambda study: len(study.seeds))
    # the same data; only how it was loaded may be new
    data = planned.data if planned.data.loading else before.data
    return replace(before, data=data, seeds=larger.seeds, command=larger.command, workers=planned.workers)


def resume(folder: RunFolder, planned: Study, designs: Sequence[Design]) -> Study:
    """Writes the study to go on with, and its designs, which are those that its question gives.

    Raises:
        RunError: if the folder holds another study, or designs that are not the same networks.
    """
    study = going_on(folder, planned)
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


def _differences(before: Study, planned: Study) -> list[str]:
    """Returns how two studies differ, one difference a text: "stack depths 4 and 8, not 8 and 56"."""
    then, now = before.question, planned.question
    parts = [key for key in {**now, **then} if key != "data"]
    values = {key: (_value(then, key), _value(now, key)) for key in parts}
    differences = [
        f"{_term(key)} {_text(key, old)}, not {_text(key, new)}"
        for key, (old, new) in values.items()
        if not _same(key, old, new)
    ]
    if then["data"] == now["data"]:
        return differences
    if before.data.name == planned.data.name:
        of_data = f"another data set called {planned.data.name}, of other examples or split otherwise"
    else:
        of_data = f"data set {before.data.name}, not {planned.data.name}"
    return [of_data, *differences]


def _value(question: dict[str, object], key: str) -> object:
    """Returns a part of a study's identity, which leaves an option at its default out."""
    option = OPTIONS.get(key.removeprefix("recipe."))
    return question.get(key, option.default if option else None)


def _same(key: str, before: object, now: object) -> bool:
    """Returns whether both studies have one value; torch's build (+cu130) counts where both recorded it."""
    if key == "torch" and "+" not in str(before):
        now = str(now).partition("+")[0]
    return before == now


def _term(key: str) -> str:
    """Returns a part of a study's identity in prose; a class's name stays as it is spelled."""
    kind, _, name = key.partition(".")
    if kind == "sources":
        return f"source file of {name}"
    option = OPTIONS.get(key.removeprefix("recipe."))
    return option.term if option else TERMS.get(key, key.replace("_", " "))


def _text(key: str, value: object) -> str:
    if value is None:
        return "none"
    if key.startswith("sources."):
        return f"SHA-256 {str(value)[:12]}…"
    if isinstance(value, tuple):
        return listed(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
