"""The parts of a module that an initialisation acts on, in ours and in anyone's, and refusals of a module."""

from collections.abc import Iterable

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from convblocks.errors import OptionError
from convblocks.layers.attention_gates import CBAM, EfficientChannelAttention, SqueezeExcite

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d
GATES = (SqueezeExcite, EfficientChannelAttention, CBAM)


def convolutions(module: nn.Module) -> dict[str, Conv]:
    """Returns the convolutions by path, in the order of the module tree."""
    return {path: layer for path, layer in module.named_modules() if isinstance(layer, Conv)}


def classifiers(module: nn.Module) -> list[nn.Linear | Conv]:
    """Returns the layers that give the scores.

    They are the convolutions called `scores`, or else the last linear layer outside residual blocks.
    """
    last = [conv for path, conv in convolutions(module).items() if path.rpartition(".")[2] == "scores"]
    inside = {id(part) for block in residual_blocks(module).values() for part in block.modules()}
    linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear) and id(layer) not in inside]
    return [*last] or [*linear[-1:]]


def residual_blocks(module: nn.Module) -> dict[str, nn.Module]:
    """Returns, by path, the modules with a child called `shortcut`, as our residual families have, and convolutions."""
    return {
        path: part
        for path, part in module.named_modules()
        if isinstance(getattr(part, "shortcut", None), nn.Module) and branches(part)
    }


def branches(block: nn.Module) -> list[list[Conv]]:
    """Returns the main path's convolutions of each branch that a residual block adds to what it keeps.

    Each module in a child called `functions`, as our reversible family has, is a branch of its own; all else is one.
    Neither the shortcut nor an attention of ours, which gates a map, is of the main path.
    """
    functions = getattr(block, "functions", None)
    several = list(functions) if isinstance(functions, nn.ModuleList) else []
    beside = _ids([block.get_submodule("shortcut"), *several])
    outside = [conv for conv in _main_path(block) if id(conv) not in beside]
    return [convs for convs in (outside, *map(_main_path, several)) if convs]


def _main_path(module: nn.Module) -> list[Conv]:
    gating = _ids(part for part in module.modules() if isinstance(part, GATES))
    return [conv for conv in convolutions(module).values() if id(conv) not in gating]


def _ids(parts: Iterable[nn.Module]) -> set[int]:
    return {id(conv) for part in parts for conv in convolutions(part).values()}


def refuse_norm(name: str, module: nn.Module) -> None:
    """Raises OptionError if a layer of the module normalises."""
    for path, layer in module.named_modules():
        if isinstance(layer, _NormBase | nn.GroupNorm | nn.LayerNorm | nn.RMSNorm):
            raise OptionError(
                "init",
                name,
                f"is made to do without norms, and {path or 'the module'} is a {type(layer).__name__}; "
                "build it with norm='none', or start it by he_normal",
            )
