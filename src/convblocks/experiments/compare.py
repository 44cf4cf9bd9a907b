"""The main job: list, match, train with paired seeds, time, judge. A killed compare goes on where it was."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convblocks.blocks import BlockSpec
from convblocks.data import Dataset, load_dataset
from convblocks.data.embedded import ALIASES, EMBEDDED
from convblocks.engine.local_processes import leave_if_imported, require_script
from convblocks.engine.run import train_designs
from convblocks.engine.watcher import Watcher
from convblocks.errors import OptionError, RunError
from convblocks.experiments.arguments import call_as_text
from convblocks.experiments.design import matched_designs
from convblocks.experiments.plan import default_folder, going_on, plan, resume
from convblocks.measure import threads_of
from convblocks.records import Task
from convblocks.runs.store import ANOTHER, RunFolder
from convblocks.text import shown
from convblocks.training import Placement, Recipe
from convblocks.training.loop import CHECKPOINT_EVERY_S


def compare(
    data: object = None,
    *,
    depths: int | Sequence[int] = (8, 56),
    families: str | BlockSpec | Sequence[str | BlockSpec] = ("simple", "residual", "bottleneck"),
    block_depths: int | Sequence[int] = (1, 2, 3, 4, 6),
    groups: int | Sequence[int] = (1,),
    stages: int | None = None,
    match: str = "macs",
    budget: int | None = None,
    seeds: int = 3,
    recipe: Recipe | None = None,
    out: str | Path | None = None,
    image_size: int | Sequence[int] | None = None,
    split_seed: int = 0,
    skip_broken: bool = False,
    layout: str | None = None,
    task: Task | None = None,
    head: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    watcher: Watcher | None = None,
    command: str | None = None,
) -> RunFolder:
    """Compare implementations of stacks of `depths` convolution layers on `data`; returns the run folder.

    data: as in load_dataset: a path, a name, arrays (x, y), a torch Dataset or a table of paths; None for the
    embedded digits, or canvases to segment; or a convblocks Dataset, which image_size, split_seed, skip_broken, layout
    and task come too late for. task: "classify" or "segment", which the data must be for; to segment,
    each design is the encoder of a U-Net, whose decoder is the same but for its widths, or with head="dilated" the
    backbone of a DeepLab, whose last stages dilate instead of striding.
    families: names, or with options as text or value: "residual(attention=eca)", BlockSpec("wide", kernels="B(3,1,3)").
    Where options fix the block depth, block_depths do not apply.
    budget: in units of `match` (MACs forward for one example, parameters, or
    activation elements); None for what the first implementation costs at 32 channels.
    out: the run folder; by default one that the question itself names, so that asking again goes on.
    A script calls it under ``if __name__ == "__main__":``, since the workers import the script.
    On KeyboardInterrupt the folder keeps a valid report of what is finished, and the interrupt goes on.
    Raises ConvblocksError for anything the caller can fix.
    """
    command = command or call_as_text(compare, locals())  # before anything else is local
    leave_if_imported()
    require_script()
    watcher, recipe = watcher or Watcher(), Recipe() if recipe is None else recipe
    if not isinstance(recipe, Recipe):
        raise OptionError("recipe", recipe, "expected a convblocks.Recipe, e.g. Recipe(epochs=5)")
    placement = Placement(device)
    if out is not None:
        if not os.fspath(out):
            raise OptionError("out", out, "expected a folder's name")
        _require_place(RunFolder(out), data)  # before the data are read, which may take minutes
    watcher.on_reading(shown(data) if isinstance(data, str | Path) else "the data")
    dataset = _dataset(
        data, image_size=image_size, split_seed=split_seed, skip_broken=skip_broken, layout=layout, task=task
    )
    study, frame, found = plan(
        dataset,
        depths=depths,
        families=families,
        block_depths=block_depths,
        groups=groups,
        stages=stages,
        match=match,
        budget=budget,
        seeds=seeds,
        recipe=recipe,
        workers=workers,
        threads=threads,
        placement=placement,
        command=command,
        head=head,
    )
    folder = default_folder(study) if out is None else RunFolder(out)
    _require_place(folder, data)
    going_on(folder, study)
    with threads_of(study.threads):  # the gradients at the start are taken here and must repeat too
        # from the question, never from the folder: a stranger's would name code to import and files to write
        designs = matched_designs(study, frame, found, dataset, placement)
        with folder.locked():
            study = resume(folder, study, designs)
            train_designs(
                folder,
                study,
                designs,
                dataset,
                placement=placement,
                watcher=watcher,
                checkpoint_every_s=checkpoint_every_s,
            )
    return folder


def _dataset(data: object, **options: Any) -> Dataset:
    """`data`, loaded with the options unless it is loaded already."""
    if not isinstance(data, Dataset):
        return load_dataset(data, **options)
    for name, value in options.items():
        if value:  # the defaults are None, 0 and False
            raise OptionError(name, value, "comes too late for a Dataset; give it to load_dataset")
    return data


def _require_place(folder: RunFolder, data: object) -> None:
    """Raise RunError for a place where no run folder can be: in use by others, or in a folder of data."""
    if isinstance(data, Dataset):
        data = data.card.loading.source if data.card.loading else None
    # isdir takes any text, too long or empty ones too, which are for load_dataset to refuse
    if isinstance(data, str | os.PathLike) and str(data) not in (*EMBEDDED, *ALIASES) and os.path.isdir(data):  # noqa: PTH112
        _require_outside(folder, Path(data))
    folder.check()


def _require_outside(folder: RunFolder, source: Path) -> None:
    """Raise RunError for a run folder inside a folder of data, where it would be taken for a class."""
    if folder.path.resolve().is_relative_to(source.resolve()):
        raise RunError(f"{folder.path} cannot be a run folder: it lies in the data, {source}", *ANOTHER)
