"""Recipe: how to train, as one frozen value that every design of a study shares."""

from msgspec import Struct

from convblocks.errors import OptionError

AUGMENTATIONS = ("none", "shift", "flip", "shift+flip")


class Recipe(Struct, frozen=True, kw_only=True):
    """SGD with Nesterov momentum; the rate rises over `warmup` of all steps, then falls to 0.

    Smith & Topin 2018, arXiv:1708.07120.

    augment: ``shift`` moves each example by up to an eighth of each axis, edges repeated;
        ``flip`` mirrors the last axis of half of them.
    """

    epochs: int = 15
    batch_size: int = 32
    learning_rate: float = 0.05  # at its peak
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.3
    augment: str = "none"

    def __post_init__(self) -> None:
        for option in ("epochs", "batch_size"):
            if getattr(self, option) < 1:
                raise OptionError(option, getattr(self, option), "expected at least 1")
        if not 0 < self.learning_rate < float("inf"):
            raise OptionError("learning_rate", self.learning_rate, "expected a positive number, e.g. 0.05")
        if not 0 < self.warmup < 1:
            raise OptionError("warmup", self.warmup, "expected a part of the steps between 0 and 1")
        if self.augment not in AUGMENTATIONS:
            raise OptionError("augment", self.augment, f"expected one of {', '.join(AUGMENTATIONS)}")

    def rate(self, progress: float) -> float:
        """Learning rate after `progress` (0 to 1) of all steps."""
        rising = progress / self.warmup
        falling = (1 - progress) / (1 - self.warmup)
        return self.learning_rate * min(rising, falling)
