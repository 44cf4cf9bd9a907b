"""The heads behind the stages of every design, by task and name."""

from collections.abc import Sequence

from convblocks.blocks.block_spec import block_options
from convblocks.checks import one_of
from convblocks.errors import OptionError
from convblocks.experiments.implementations import Implementation
from convblocks.networks.heads import Head, MeanHead
from convblocks.networks.segmentation import DilatedHead, UNetHead
from convblocks.records import Task

HEADS: dict[Task, dict[str, Head]] = {
    "classify": {"": MeanHead()},
    "segment": {"unet": UNetHead(), "dilated": DilatedHead()},
}
"""The first of each task is the default."""


def head_named(task: Task, name: str | None) -> str:
    """Returns the head's name as a study records it, "" to classify.

    Raises:
        OptionError: for a head that the task does not have.
    """
    if name is None:
        return next(iter(HEADS[task]))
    if task == "classify":
        raise OptionError("head", name, "scores every pixel, and the data are to classify; leave it out")
    return one_of("head", name, HEADS[task])


def that_dilate(grid: Sequence[Implementation]) -> tuple[list[Implementation], list[str]]:
    """Returns the implementations that can stand in front of a dilated head, and a note on each family that cannot."""
    unfit = {i.family.text for i in grid if "dilation" not in block_options(i.block.family)}
    notes = [
        f"{family}: has no option dilation, which a dilated head's last stages take"
        for family in sorted(unfit)
    ]
    return [i for i in grid if i.family.text not in unfit], notes
