"""``convblocks compare`` and ``convblocks report``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from convblocks.cli.parse import amount, names, number, numbers, pixels, whole
from convblocks.errors import OptionError, RunError, Setting

DESIGNS, BUDGET, TRAINING, DATA, RUN = (
    Group(title, sort_key=at)
    for at, title in enumerate(("Implementations", "Budget", "Training", "Data", "Run"), start=1)
)


KEPT = "; what is finished is kept, and the same command goes on from there"


def _option(group: Group, metavar: str | None = None, default: str | None = None) -> Parameter:
    """How an option looks in the help; `default` tells what stands in for None."""
    return Parameter(group=group, metavar=metavar, show_default=default, negative=())


def _whole(group: Group, default: str | None = None) -> Parameter:
    return Parameter(group=group, metavar="N", show_default=default, converter=whole)


def _budget_of(default: str) -> Parameter:
    return Parameter(group=BUDGET, metavar="N", show_default=default, allow_leading_hyphen=True)


def compare(
    data: str | None = None,
    /,
    *,
    depth: Annotated[list[str] | None, _option(DESIGNS, "D", "8 and 56")] = None,
    families: Annotated[str, _option(DESIGNS, "NAMES")] = "simple,residual,bottleneck",
    block_depths: Annotated[str, _option(DESIGNS, "NUMBERS")] = "1,2,3,4,6",
    groups: Annotated[str, _option(DESIGNS, "NUMBERS")] = "1",
    stages: Annotated[int | None, _whole(DESIGNS, "by the examples' size")] = None,
    match: Annotated[str, _option(BUDGET, "COST")] = "macs",
    budget_macs: Annotated[str | None, _budget_of("the first design's at 32 channels")] = None,
    budget_params: Annotated[str | None, _budget_of("likewise")] = None,
    budget_activations: Annotated[str | None, _budget_of("likewise")] = None,
    seeds: Annotated[int, _whole(TRAINING)] = 3,
    epochs: Annotated[int, _whole(TRAINING)] = 15,
    batch_size: Annotated[int, _whole(TRAINING)] = 32,
    optimizer: Annotated[str, _option(TRAINING, "NAME")] = "sgd",
    learning_rate: Annotated[float, Parameter(group=TRAINING, metavar="X", converter=number)] = 0.05,
    augment: Annotated[str, _option(TRAINING, "HOW")] = "none",
    init: Annotated[str, _option(TRAINING, "NAME")] = "he_normal",
    image_size: Annotated[str | None, _option(DATA, "SIZE", "as they are")] = None,
    split_seed: Annotated[int, _whole(DATA)] = 0,
    skip_broken: Annotated[bool, Parameter(group=DATA, show_default=False, negative=())] = False,
    layout: Annotated[str | None, _option(DATA, "AXIS", "an axis of 1, 3 or 4")] = None,
    task: Annotated[
        Literal["classify", "segment"] | None, _option(DATA, "TASK", "what the data are for")
    ] = None,
    head: Annotated[Literal["unet", "dilated"] | None, _option(DESIGNS, "HEAD", "unet to segment")] = None,
    out: Annotated[str | None, _option(RUN, "DIR", "runs/DATA-HASH")] = None,
    workers: Annotated[int | None, _whole(RUN, "one per core")] = None,
    threads: Annotated[int | None, _whole(RUN, "1")] = None,
    device: Annotated[str, _option(RUN, "NAME")] = "cpu",
) -> None:
    """Train all implementations of a stack at a matched budget; recommend one.

    Lists the implementations, solves their widths so that all cost the same,
    trains each with the same recipe and paired seeds, and recommends one. The
    run folder gets the records, the weights, report.html and report.md. The
    same command again goes on where it was stopped.

    Parameters
    ----------
    data
        Folder with a folder of images per class, or with images/ and masks/;
        .npz file; or embedded set: digits, faces, textures, canvases. [default: digits; canvases to segment]
    depth
        Stack depth: convolution layers of a network; repeat for several.
    families
        Families, or a class of your own as package.module:Class; with options,
        "residual(attention=eca)", "wide(kernels=B(3,1,3))".
    block_depths
        Convolution layers of a block, where its options fix none; those that fill a stage are used.
    groups
        Groups of the k×k convolutions.
    stages
        Stages, each at half the map of the one before.
    match
        What all designs cost alike: macs, params, activations or none.
    budget_macs
        MACs forward for one example, e.g. 5M.
    budget_params
        Parameters, e.g. 250k, with --match params.
    budget_activations
        Activations of one example, with --match activations.
    seeds
        Trainings of each design, paired by seed.
    epochs
        Passes over the training data.
    batch_size
        Examples in a step.
    optimizer
        sgd, with Nesterov momentum, or adamw.
    learning_rate
        Learning rate at its peak.
    augment
        none, shift, flip or shift+flip.
    init
        How weights start: he_normal, or without norms delta_orthogonal (plain tanh stacks), fixup or
        skipinit (residual families). Blocks are built as it needs them.
    image_size
        Resize examples to so many pixels along every axis, or to HEIGHTxWIDTH, e.g. 32x48.
    split_seed
        Seed of the split into training, validation and test data.
    skip_broken
        Leave out and count broken examples.
    layout
        Which axis of a .npz file counts the channels: channels-first, channels-last or none.
    task
        classify or segment: a class for each example, or for each of its pixels.
    head
        What scores the pixels: unet, or dilated for DeepLab's behind a backbone that dilates.
    out
        Run folder.
    workers
        Trainings at a time.
    threads
        Threads of each training; another number gives other bits.
    device
        cpu, cuda or cuda:N, e.g. cuda:1.
    """
    budgets = {"macs": budget_macs, "params": budget_params, "activations": budget_activations}
    budget = _budget(match, budgets)
    depths = [layers for text in depth or ["8", "56"] for layers in numbers("depths", text)]
    family_names = names("families", families)
    depths_of_blocks, group_numbers = numbers("block_depths", block_depths), numbers("groups", groups)

    from convblocks.cli.progress import ProgressWatcher
    from convblocks.cli.table import print_result
    from convblocks.experiments.compare import compare as run
    from convblocks.training import Recipe

    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        augment=augment,
        init=init,
    )
    watcher = ProgressWatcher()
    try:
        with watcher:
            folder = run(
                data,
                depths=depths,
                families=family_names,
                block_depths=depths_of_blocks,
                groups=group_numbers,
                stages=stages,
                match=match,
                budget=budget,
                seeds=seeds,
                recipe=recipe,
                out=out,
                image_size=pixels("image_size", image_size),
                split_seed=split_seed,
                skip_broken=skip_broken,
                layout=layout,
                task=task,
                head=head,
                workers=workers,
                threads=threads,
                device=device,
                watcher=watcher,
                command=shlex.join(["convblocks", *sys.argv[1:]]),
            )
        print_result(folder)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(*[KEPT] if watcher.trained else []) from interrupt
    except RunError as error:
        of_match = Setting(f"budget_{match}")
        raise RunError(
            *(of_match if part == Setting("budget") else part for part in error.parts())
        ) from error
    except OptionError as error:
        if error.option != "budget":
            raise
        given = budgets.get(match) or error.given  # as typed
        raise OptionError(f"budget_{match}", given, error.expected) from error


def report(run: Path, /) -> None:
    """Print a run folder's table and recommendation, and write its report.html anew.

    Parameters
    ----------
    run
        Folder of a convblocks compare, finished or not.
    """
    from convblocks.cli.table import print_result
    from convblocks.runs.store import RunFolder
    from convblocks.statistics.answer import write_report

    folder = RunFolder(run)
    write_report(folder)
    print_result(folder)


def _budget(match: str, budgets: dict[str, str | None]) -> int | None:
    for name, text in budgets.items():
        if text is not None and name != match:
            raise OptionError(f"budget_{name}", text, f"goes with --match {name}, but --match is {match}")
    given = budgets.get(match)
    return None if given is None else amount(f"budget_{match}", given)
