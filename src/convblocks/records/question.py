"""Question and Machine: what a compare shall answer, and where it runs, each as one frozen value.

A field is written once, here, with its type, its default and an `Option`; see option.py for what is made of it.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr

from convblocks.checks import one_of, whole
from convblocks.errors import OptionError
from convblocks.records.family import Family, HasOptions, families_from
from convblocks.records.option import BUDGET, IMPLEMENTATIONS, RUN, TRAINING, Option, Several
from convblocks.records.recipe import Recipe

T = TypeVar("T")

MATCHES = ("macs", "params", "activations", "none")
HEADS = ("unet", "dilated")
MOST_STACK_LAYERS = 2000
"""Matching 1,000 layers takes 20 s, and the deepest published ResNet has 1,202."""
MOST_SEEDS = 1000
MOST_BUDGET = 10**15
"""A petaMAC for one example is more than any machine would train."""


def _several(*values: object) -> Any:
    """A default of a field of type Several."""
    return values


class Question(Struct, frozen=True, kw_only=True):
    """A comparison: the implementations of a stack, their budget, and how they are trained.

    A field of several values takes one too: ``Question(depths=8, families="residual")``.

    Args:
        depths: stack depths, in convolution layers of a network.
        families: families of blocks, as text, ``residual(attention=eca)``, or as BlockSpec.
        block_depths: convolution layers of a block, where the family's options fix none.
        groups: groups of the k×k convolutions.
        stages: stages of a network; None for a number that suits the examples' size and the depths.
        head: what scores the pixels, "unet" or "dilated"; None for the U-Net, and to classify.
        match: what all designs cost alike: "macs", "params", "activations" or "none".
        budget: how much that is, for one example; None for what the first design costs at 32 channels.
        seeds: trainings of each design; more of them are the same question.
        recipe: how each is trained.

    Raises:
        OptionError: for a value that cannot work, whatever the data.
    """

    depths: Annotated[
        Several[int, int],
        Option(
            "Stack depth: convolution layers of a network; repeat for several.",
            IMPLEMENTATIONS,
            "D",
            default="8 and 56",
            flag="--depth",
            term="stack depths",
        ),
    ] = _several(8, 56)
    families: Annotated[
        Several[str | Family | HasOptions, Family],
        Option(
            "Families, or a class of your own as package.module:Class; with options, "
            '"residual(attention=eca)", "wide(kernels=B(3,1,3))".',
            IMPLEMENTATIONS,
            "NAMES",
        ),
    ] = _several(Family("simple"), Family("residual"), Family("bottleneck"))
    block_depths: Annotated[
        Several[int, int],
        Option(
            "Convolution layers of a block, where its options fix none; those that fill a stage are used.",
            IMPLEMENTATIONS,
            "NUMBERS",
        ),
    ] = _several(1, 2, 3, 4, 6)
    groups: Annotated[
        Several[int, int], Option("Groups of the k×k convolutions.", IMPLEMENTATIONS, "NUMBERS")
    ] = _several(1)
    stages: Annotated[
        int | None,
        Option(
            "Stages, each at half the map of the one before.",
            IMPLEMENTATIONS,
            "N",
            default="by the examples' size",
        ),
    ] = None
    head: Annotated[
        str | None,
        Option(
            "What scores the pixels: unet, or dilated for DeepLab's behind a backbone that dilates.",
            IMPLEMENTATIONS,
            "HEAD",
            default="unet to segment",
        ),
    ] = None
    match: Annotated[
        str,
        Option("What all designs cost alike: macs, params, activations or none.", BUDGET, "COST"),
    ] = "macs"
    budget: Annotated[
        int | None,
        Option(
            "How much that is, for one example: MACs forward, parameters or activations, e.g. 5M or 250k.",
            BUDGET,
            "N",
            default="the first design's at 32 channels",
            reads="amount",
        ),
    ] = None
    seeds: Annotated[
        int, Option("Trainings of each design, paired by seed.", TRAINING, "N", identity=False)
    ] = 3
    recipe: Recipe = Recipe()

    def __post_init__(self) -> None:
        if not isinstance(self.recipe, Recipe):
            raise OptionError("recipe", self.recipe, "expected a convblocks.Recipe, e.g. Recipe(epochs=5)")
        self._several("depths", lambda given: _numbers("depths", given, MOST_STACK_LAYERS))
        self._several("families", families_from)
        self._several("block_depths", lambda given: _numbers("block_depths", given))
        self._several("groups", lambda given: _numbers("groups", given))
        whole("seeds", self.seeds, at_least=1, at_most=MOST_SEEDS)
        one_of("match", self.match, MATCHES)
        if self.head is not None:
            one_of("head", self.head, HEADS)
        if self.stages is not None:
            whole("stages", self.stages, at_least=1)
        if self.budget is not None:
            whole("budget", self.budget, at_least=1, at_most=MOST_BUDGET)
            if self.match == "none":
                raise OptionError("budget", self.budget, "with match none there is no budget; leave it out")

    def _several(self, name: str, read: Callable[[Any], tuple[Any, ...]]) -> None:
        """Makes a field a tuple of at least one value, none of them twice."""
        given = getattr(self, name)
        values = read(given)
        if not values:
            raise OptionError(name, given, "expected at least one")
        texts = [str(value) for value in values]
        repeated = [text for at, text in enumerate(texts) if text in texts[:at]]
        if repeated:
            raise OptionError(name, given, f"{repeated[0]} is given twice; once is enough")
        force_setattr(self, name, values)


def _numbers(option: str, given: object, at_most: int = 2**31 - 1) -> tuple[int, ...]:
    several = given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    return tuple(whole(option, number, at_least=1, at_most=at_most) for number in several)


class Machine(Struct, frozen=True, kw_only=True):
    """The place where a compare runs.

    Args:
        workers: trainings at a time; None for one per core, or one on a GPU.
        threads: threads of each training, 1 for None; another number gives other bits.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        OptionError: for a value that works on no machine.
    """

    workers: Annotated[
        int | None, Option("Trainings at a time.", RUN, "N", default="one per core", identity=False)
    ] = None
    threads: Annotated[
        int | None,
        Option("Threads of each training; another number gives other bits.", RUN, "N", default="1"),
    ] = None
    device: Annotated[str, Option("cpu, cuda or cuda:N, e.g. cuda:1.", RUN, "NAME")] = "cpu"

    def __post_init__(self) -> None:
        for name in ("workers", "threads"):
            if (number := getattr(self, name)) is not None:
                whole(name, number, at_least=1)
