"""DataCard: the description of a data set before training on it, and how it was loaded."""

from math import prod
from typing import Annotated, Literal

from msgspec import Struct

from convblocks.records.option import DATA, Option

Task = Literal["classify", "segment"]
METRICS: dict[Task, str] = {"classify": "accuracy", "segment": "mean IoU"}
"""The names of scores; a score is a part of one, and the higher the better."""


class Loading(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of load_dataset that gave a data set."""

    source: str  # as given: a name, or a path that may be relative to where the command ran
    image_size: Annotated[
        int | tuple[int, ...] | None,
        Option(
            "Resize examples to so many pixels along every axis, or to HEIGHTxWIDTH, e.g. 32x48.",
            DATA,
            "SIZE",
            default="as they are",
            reads="pixels",
        ),
    ] = None
    split_seed: Annotated[
        int, Option("Seed of the split into training, validation and test data.", DATA, "N")
    ] = 0
    skip_broken: Annotated[bool, Option("Leave out and count broken examples.", DATA)] = False
    layout: Annotated[
        str | None,
        Option(
            "Which axis of a .npz file counts the channels: channels-first, channels-last or none.",
            DATA,
            "AXIS",
            default="an axis of 1, 3 or 4",
        ),
    ] = None
    task: Annotated[
        Task | None,
        Option(
            "classify or segment: a class for each example, or for each of its pixels.",
            DATA,
            "TASK",
            default="what the data are for",
        ),
    ] = None


class DataCard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describes a data set before training on it."""

    name: str
    source: str  # the name or path the user gave
    classes: tuple[str, ...]
    shape: tuple[int, ...]  # of one example: channels, then 1, 2 or 3 spatial axes
    train: int  # examples in each part
    validation: int
    test: int
    split: str  # how the parts came about, in words, with the seed
    preparation: str  # what was done to the examples: resizing, channels, …
    skipped: int = 0  # broken files left out on request
    notes: tuple[str, ...] = ()  # how what may mean several things was read, e.g. masks of 0 and 255
    sha256: str = ""  # over all examples, labels and the split
    loading: Loading | None = None  # how to load it again; None for arrays that a script made
    task: Task = "classify"  # "segment": every position of an example has a class
    pixels: dict[str, tuple[int, ...]] = {}  # labelled positions of each class by part; {} to classify

    @property
    def metric(self) -> str:
        """Returns the name of what a trained network is scored by: "accuracy" or "mean IoU"."""
        return METRICS[self.task]

    @property
    def ignored(self) -> float:
        """Returns the part of all positions that has no class, to segment."""
        positions = (self.train + self.validation + self.test) * prod(self.shape[1:])
        return 1 - sum(map(sum, self.pixels.values())) / positions if self.pixels and positions else 0.0

    @property
    def unseen(self) -> dict[str, tuple[str, ...]]:
        """Returns the classes that have no position in a part, to segment: part → their names."""
        missing = {
            part: tuple(name for name, n in zip(self.classes, counts, strict=True) if not n)
            for part, counts in self.pixels.items()
        }
        return {part: names for part, names in missing.items() if names}
