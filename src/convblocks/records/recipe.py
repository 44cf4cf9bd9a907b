"""Recipe: how to train, as one frozen value that every design of a study shares."""

from collections.abc import Callable
from math import inf
from typing import Annotated

from msgspec import Struct

from convblocks.checks import one_of, whole
from convblocks.errors import OptionError
from convblocks.records.option import TRAINING, Option

OPTIMIZERS = ("sgd", "adamw")
"""The keys of training.optimizers.OPTIMIZERS."""
AUGMENTATIONS = ("none", "shift", "flip", "shift+flip")
INITIALISATIONS = ("he_normal", "delta_orthogonal", "fixup", "skipinit")
"""The keys of layers.init.INITIALISATIONS."""


class Recipe(Struct, frozen=True, kw_only=True):
    """The training that all designs of a study share; the rate rises over `warmup` of all steps, then falls to 0.

    Smith & Topin 2018, arXiv:1708.07120.

    Args:
        epochs: passes over the training data.
        batch_size: examples in a step.
        optimizer: ``sgd``, with Nesterov momentum, or ``adamw``, whose β1 is `momentum`.
        learning_rate: at its peak.
        momentum: from 0 up to, but not including, 1.
        weight_decay: at least 0; sgd adds it to the gradient, adamw takes it off the weights.
        warmup: the part of the steps in which the rate rises, between 0 and 1.
        augment: ``shift`` moves each example by up to an eighth of each axis, edges repeated;
            ``flip`` mirrors the last axis of half of them.
        init: how the weights start, a name in INITIALISATIONS. compare builds stem and blocks with the norm,
            activation and branch_scale that it is made for; all but he_normal do without norms.

    Raises:
        OptionError: for a value that cannot work.
    """

    epochs: Annotated[int, Option("Passes over the training data.", TRAINING, "N")] = 15
    batch_size: Annotated[int, Option("Examples in a step.", TRAINING, "N")] = 32
    optimizer: Annotated[str, Option("sgd, with Nesterov momentum, or adamw.", TRAINING, "NAME")] = "sgd"
    learning_rate: Annotated[float, Option("Learning rate at its peak.", TRAINING, "X")] = 0.05
    momentum: Annotated[float, Option("Momentum of sgd, β1 of adamw.", TRAINING, "X")] = 0.9
    weight_decay: Annotated[float, Option("Weight decay.", TRAINING, "X")] = 5e-4
    warmup: Annotated[float, Option("Part of the steps in which the rate rises.", TRAINING, "X")] = 0.3
    augment: Annotated[str, Option("none, shift, flip or shift+flip.", TRAINING, "HOW")] = "none"
    init: Annotated[
        str,
        Option(
            "How weights start: he_normal, or without norms delta_orthogonal (plain tanh stacks), fixup or "
            "skipinit (residual families). Blocks are built as it needs them.",
            TRAINING,
            "NAME",
        ),
    ] = "he_normal"

    def __post_init__(self) -> None:
        whole("epochs", self.epochs, at_least=1)
        whole("batch_size", self.batch_size, at_least=1)
        self._number("learning_rate", "a positive number, e.g. 0.05", lambda rate: 0 < rate < inf)
        self._number("momentum", "a number from 0 up to, but not including, 1", lambda part: 0 <= part < 1)
        self._number("weight_decay", "a number of at least 0, e.g. 5e-4", lambda decay: 0 <= decay < inf)
        self._number("warmup", "a part of the steps between 0 and 1", lambda part: 0 < part < 1)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        one_of("augment", self.augment, AUGMENTATIONS)
        one_of("init", self.init, INITIALISATIONS)

    def _number(self, option: str, expected: str, fits: Callable[[float], bool]) -> None:
        value = getattr(self, option)
        if not isinstance(value, int | float) or isinstance(value, bool) or not fits(value):
            raise OptionError(option, value, f"expected {expected}")

    def rate(self, progress: float) -> float:
        """Returns the learning rate after `progress` (0 to 1) of all steps."""
        rising = progress / self.warmup
        falling = (1 - progress) / (1 - self.warmup)
        return self.learning_rate * min(rising, falling)
