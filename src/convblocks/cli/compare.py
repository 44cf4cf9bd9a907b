"""``convblocks compare`` and ``convblocks report``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from convblocks.cli.parse import amount, names, numbers, whole

Whole = Annotated[int, Parameter(converter=whole)]


def compare(
    data: str | None = None,
    /,
    *,
    depth: Annotated[list[str] | None, Parameter(negative=())] = None,
    families: str = "simple,residual,bottleneck",
    block_depths: str = "1,2,3,4,6",
    groups: str = "1",
    stages: Whole | None = None,
    match: str = "macs",
    budget_macs: str | None = None,
    budget_params: str | None = None,
    budget_activations: str | None = None,
    seeds: Whole = 3,
    epochs: Whole = 15,
    batch_size: Whole = 32,
    learning_rate: float = 0.05,
    augment: str = "none",
    image_size: Whole | None = None,
    split_seed: Whole = 0,
    skip_broken: Annotated[bool, Parameter(negative=())] = False,
    layout: str | None = None,
    out: Path | None = None,
    workers: Whole | None = None,
    threads: Whole | None = None,
    device: str = "cpu",
) -> None:
    """Train every implementation of a stack of convolutions at a matched budget, and recommend one.

    The run folder gets the records, the weights and report.html. Without DATA it runs on
    scikit-learn's embedded digits. The same command again goes on where it was stopped.

    Parameters
    ----------
    data
        Folder of images with one folder per class, .npz file, or the name of an embedded set.
    depth
        Stack depth; repeat for several (8 and 56 if not given).
    families
        Families, or your own package.module:Class.
    block_depths
        Convolutions in a block; those that share a stage out evenly are used.
    groups
        Groups of the k×k convolutions.
    stages
        Stages, each at half the map of the one before; from the image size if not given.
    match
        What all designs cost alike: macs, params, activations or none.
    budget_macs
        The budget, e.g. 5M; if not given, what the first design costs at 32 channels.
    budget_params
        The same with --match params.
    budget_activations
        The same with --match activations.
    seeds
        Trainings of each design, paired by seed.
    epochs
        Passes over the training data.
    batch_size
        Examples in a step.
    learning_rate
        At its peak.
    augment
        none, shift, flip or shift+flip.
    image_size
        Resize examples to this many pixels.
    split_seed
        Of the split into training, validation and test data.
    skip_broken
        Leave out and count broken examples.
    layout
        Channels of a .npz file: channels-first, channels-last or none; an axis of 1, 3 or 4 if not given.
    out
        Run folder; runs/DATA-HASH if not given.
    workers
        Trainings at a time; one per core if not given.
    threads
        Threads of each training; another number gives other bits.
    device
        cpu or cuda.
    """
    budgets = {"macs": budget_macs, "params": budget_params, "activations": budget_activations}
    budget = _budget(match, budgets)
    depths = [number for text in depth or ["8", "56"] for number in numbers("--depth", text)]
    family_names = names("--families", families)
    depths_of_blocks, group_numbers = numbers("--block-depths", block_depths), numbers("--groups", groups)

    from convblocks.cli.progress import ProgressWatcher
    from convblocks.cli.table import print_result
    from convblocks.experiments.compare import compare as run
    from convblocks.training import Recipe

    recipe = Recipe(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, augment=augment)
    with ProgressWatcher() as watcher:
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
            image_size=image_size,
            split_seed=split_seed,
            skip_broken=skip_broken,
            layout=layout,
            workers=workers,
            threads=threads,
            device=device,
            watcher=watcher,
            command=shlex.join(["convblocks", *sys.argv[1:]]),
        )
    print_result(folder)


def report(run: Path, /) -> None:
    """Print a run folder's table and recommendation, and write its report.html anew.

    Parameters
    ----------
    run
        Folder of a convblocks compare, finished or not.
    """
    from convblocks.cli.table import print_result
    from convblocks.experiments.compare import write_report
    from convblocks.experiments.store import RunFolder

    folder = RunFolder(run)
    write_report(folder)
    print_result(folder)


def _budget(match: str, budgets: dict[str, str | None]) -> int | None:
    from convblocks.errors import OptionError

    for name, text in budgets.items():
        if text is not None and name != match:
            raise OptionError(f"--budget-{name}", text, f"goes with --match {name}, but --match is {match}")
    given = budgets.get(match)
    return None if given is None else amount(f"--budget-{match}", given)
