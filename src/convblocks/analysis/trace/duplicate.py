"""A copy of a whole module, for what would change it: a forward on real tensors, new weights, hooks."""

from copy import deepcopy
from typing import Any

from torch import nn

from convblocks.analysis.trace.walk import tensors
from convblocks.errors import TraceError


def copy_of(module: nn.Module) -> nn.Module:
    """Returns a deep copy in which every floating-point parameter takes a gradient. Raises TraceError.

    Tensors that were computed, as an old-style weight norm's weight, are copied without their history; what cannot be
    copied, as a lock or an open file, is shared.
    """
    computed = {id(t): t for m in module.modules() for t in tensors(vars(m)) if not t.is_leaf}
    memo: dict[int, Any] = {key: t.detach().clone() for key, t in computed.items()}
    try:
        try:
            copy = deepcopy(module, dict(memo))
        except Exception:  # a module may hold anything
            copy = deepcopy(module, memo | _shared(module, memo))
    except Exception as error:
        reason = " ".join(str(error).split())
        raise TraceError(
            f"{type(module).__name__} cannot be copied, and is not measured in place: {reason}"
        ) from error
    for parameter in copy.parameters():
        parameter.requires_grad_(parameter.is_floating_point() or parameter.is_complex())
    copy.zero_grad(set_to_none=True)
    return copy


def _shared(module: nn.Module, memo: dict[int, Any]) -> dict[int, Any]:
    """Returns the attributes that cannot be copied, by their ids."""
    shared = {}
    for part in module.modules():
        for name, value in vars(part).items():
            if name == "_modules":
                continue
            try:
                deepcopy(value, dict(memo))
            except Exception:
                shared[id(value)] = value
    return shared
