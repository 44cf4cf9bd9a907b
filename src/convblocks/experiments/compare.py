"""compare, the main job: list, match, train with paired seeds, time, report. A killed one goes on where it was."""

import os
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from convblocks.data import Dataset, load_dataset
from convblocks.data.embedded import ALIASES, EMBEDDED
from convblocks.engine.caller_script import leave_if_imported, require_script
from convblocks.engine.grid import Grid
from convblocks.engine.run import run_study
from convblocks.engine.watcher import Watcher
from convblocks.errors import OptionError, RunError
from convblocks.experiments.arguments import arguments, call_as_text
from convblocks.experiments.design import matched_designs
from convblocks.experiments.plan import plan
from convblocks.experiments.resume import default_folder, going_on, resume
from convblocks.measure import threads_of
from convblocks.records import Loading, Machine, Question
from convblocks.runs.store import ANOTHER, RunFolder
from convblocks.text import shown
from convblocks.training import Placement
from convblocks.training.loop import CHECKPOINT_EVERY_S


def compare(
    data: object = None,
    question: Question | None = None,
    machine: Machine | None = None,
    *,
    out: str | Path | None = None,
    watcher: Watcher | None = None,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    command: str | None = None,
    **keywords: Any,
) -> RunFolder:
    """Compares implementations of stacks of convolution layers, each trained on `data` at the same budget.

    ``compare("digits", depths=8, families="residual", workers=2)`` is short for
    ``compare("digits", Question(depths=8, families="residual"), Machine(workers=2))``.

    A script calls it under ``if __name__ == "__main__":``, since the workers import the script. On KeyboardInterrupt
    the folder keeps a valid report of what is finished, and the interrupt goes on.

    Args:
        data: as in load_dataset: a path, a name, arrays (x, y), a torch Dataset or a table of paths; None for the
            embedded digits, or canvases to segment; or a convblocks Dataset, which is loaded already.
        question: what is compared, and how it is trained. To segment, each design is the encoder of a U-Net, whose
            decoder is the same but for its widths, or with head="dilated" the backbone of a DeepLab, whose last
            stages dilate instead of striding.
        machine: where it runs.
        out: the run folder; by default one that the question itself names, so that the same call goes on.
        watcher: follows the trainings, epoch by epoch.
        checkpoint_every_s: seconds between checkpoints of a training.
        command: how the study can be repeated, as it is recorded; by default this call.
        **keywords: fields of Question, Recipe and Machine, which replace those of the records, and of Loading:
            image_size, split_seed, skip_broken, layout and task, as in load_dataset.

    Returns:
        The run folder.

    Raises:
        ConvblocksError: for anything the caller can fix.
        TypeError: for a keyword that is none of these.
    """
    leave_if_imported()
    require_script()
    if command is None:
        seconds = None if checkpoint_every_s == CHECKPOINT_EVERY_S else checkpoint_every_s
        command = call_as_text(data, question, machine, out=out, **keywords, checkpoint_every_s=seconds)
    question, machine, loading = arguments(question, machine, keywords)
    watcher, placement = watcher or Watcher(), Placement(machine.device)
    if out is not None:
        if not os.fspath(out):
            raise OptionError("out", out, "expected a folder's name")
        _require_place(RunFolder(out), data)  # before the data are read, which may take minutes
    watcher.on_reading(shown(data) if isinstance(data, str | Path) else "the data")
    dataset = _dataset(data, loading)
    study, frame, grid = plan(dataset, question, machine, command)
    folder = default_folder(study) if out is None else RunFolder(out)
    _require_place(folder, data)
    going_on(folder, study)
    with threads_of(study.threads):  # the gradients at the start are taken here and must repeat too
        # from the question, never from the folder: a stranger's would name code to import and files to write
        designs = matched_designs(study, frame, grid, dataset, placement)
        with folder.locked():
            study = resume(folder, study, designs)
            run_study(
                Grid(designs, study.seeds),
                folder,
                dataset,
                placement=placement,
                watcher=watcher,
                checkpoint_every_s=checkpoint_every_s,
            )
    return folder


def _dataset(data: object, loading: Loading) -> Dataset:
    """Returns the data set, loaded unless it is loaded already."""
    options = {name: value for name, value in asdict(loading).items() if name != "source"}
    if not isinstance(data, Dataset):
        return load_dataset(data, **options)
    for name, value in options.items():
        if value:  # the defaults are None, 0 and False
            raise OptionError(name, value, "comes too late for a Dataset; give it to load_dataset")
    return data


def _require_place(folder: RunFolder, data: object) -> None:
    """Raises RunError for a place where no run folder can be: in use by another process, or in a folder of data."""
    if isinstance(data, Dataset):
        data = data.card.loading.source if data.card.loading else None
    # isdir takes any text, too long or empty ones too, which are for load_dataset to refuse
    if isinstance(data, str | os.PathLike) and str(data) not in (*EMBEDDED, *ALIASES) and os.path.isdir(data):  # noqa: PTH112
        _require_outside(folder, Path(data))
    folder.check()


def _require_outside(folder: RunFolder, source: Path) -> None:
    """Raises RunError for a run folder inside a folder of data, where it would be taken for a class."""
    if folder.path.resolve().is_relative_to(source.resolve()):
        raise RunError(f"{folder.path} cannot be a run folder: it lies in the data, {source}", *ANOTHER)
