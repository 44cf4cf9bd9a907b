"""Weights of PyTorch's modules that start at zero, which no constructor writes: the last norm of a branch, for one."""

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from convblocks.deploy.code.definitions import is_identifier
from convblocks.deploy.code.leaves import torch_class


class ZeroInit:
    """The weights that start at zero and that no class of the file initialises yet."""

    def __init__(self, modules: Iterable[nn.Module]):
        torchs = (m for m in modules if torch_class(type(m)) is not nn.Module)  # or derived from them
        weights = (m._parameters.get("weight") for m in torchs)
        self._left = {id(w) for w in weights if w is not None and _is_zero(w)}

    def lines(self, members: Sequence[nn.Module], owner: str) -> list[str]:
        """Returns ``nn.init.zeros_(self.main[1].norm.weight)`` for each that all `members` have, and strikes it off.

        Empty where the members differ in theirs.
        """
        names = [[n for n, p in m.named_parameters() if id(p) in self._left] for m in members]
        if any(names[0] != other for other in names):
            return []
        self._left -= {id(p) for m in members for p in m.parameters()}
        return [f"nn.init.zeros_({_place(members[0], name, owner)})" for name in names[0]]


def _is_zero(weight: torch.Tensor) -> bool:
    return not weight.is_meta and weight.numel() > 0 and not weight.detach().any()


def _place(module: nn.Module, name: str, owner: str) -> str:
    """Returns the expression for ``main.1.norm.weight``: ``owner.main[1].norm.weight``."""
    for part in name.split("."):
        if isinstance(module, nn.Sequential | nn.ModuleList):
            owner += f"[{list(module._modules).index(part)}]"
        elif isinstance(module, nn.ModuleDict):
            owner += f"[{part!r}]"
        else:
            owner = f"{owner}.{part}" if is_identifier(part) else f"getattr({owner}, {part!r})"
        module = getattr(module, part)
    return owner
