"""The dropout of an attention that a forward in eval mode hides: ``dropout_p=self.p if self.training else 0.0``."""

from typing import Any

from torch import nn


def dropout_in_training(module: nn.Module, given: float) -> float | None:
    """The `dropout_p` that `module` gives in training, where it gives `given` in eval; None if that is unknown.

    A module that never asks whether it trains gives the same. Of another, the numbers and dropout layers decide that it
    holds under a name with “drop” in it, and of these those of attention where some are named so; they must agree on
    whether anything is dropped.
    """
    if given or not _asks(type(module)):
        return given
    held: dict[str, Any] = {**vars(module), **module._modules}
    given_rates = [
        (name.lower(), _probability(value)) for name, value in held.items() if "drop" in name.lower()
    ]
    rates = [(name, rate) for name, rate in given_rates if rate is not None]
    of_attention = [(name, rate) for name, rate in rates if "att" in name]
    chosen = [rate for _, rate in of_attention or rates]
    if not chosen or min(chosen) == 0 < max(chosen):
        return None
    return max(chosen)


def _asks(kind: type[nn.Module]) -> bool:
    """Returns whether one of its own methods reads ``training``."""
    own = [base for base in kind.__mro__ if base not in nn.Module.__mro__]
    methods = [method for base in own for method in vars(base).values()]
    return any("training" in code.co_names for m in methods if (code := getattr(m, "__code__", None)))


def _probability(value: Any) -> float | None:
    rate = getattr(value, "p", value)
    return float(rate) if isinstance(rate, int | float) and not isinstance(rate, bool) else None
