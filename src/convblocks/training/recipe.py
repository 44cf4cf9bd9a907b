"""Recipe: how to train, as one frozen value that every design of a study shares."""

from collections.abc import Callable
from math import inf

from msgspec import Struct

from convblocks.checks import one_of, whole
from convblocks.errors import OptionError
from convblocks.layers.init import INITIALISATIONS
from convblocks.training.optimizers import OPTIMIZERS

AUGMENTATIONS = ("none", "shift", "flip", "shift+flip")


class Recipe(Struct, frozen=True, kw_only=True):
    """The training that all designs of a study share; the rate rises over `warmup` of all steps, then falls to 0.

    Smith & Topin 2018, arXiv:1708.07120.

    Args:
        epochs: passes over the training examples.
        batch_size: examples of a step.
        optimizer: ``sgd``, with Nesterov momentum, or ``adamw``, whose β1 is `momentum`.
        learning_rate: the rate at its peak.
        momentum: that of the optimizer.
        weight_decay: that of the optimizer.
        warmup: the part of all steps over which the rate rises.
        augment: ``shift`` moves each example by up to an eighth of each axis, edges repeated; ``flip`` mirrors the last
            axis of half of them.
        init: the initialisation of the weights, a name in INITIALISATIONS. compare builds stem and blocks with the
            norm, activation and branch_scale that it is made for; all but he_normal do without norms.
    """

    epochs: int = 15
    batch_size: int = 32
    optimizer: str = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.3
    augment: str = "none"
    init: str = "he_normal"

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
