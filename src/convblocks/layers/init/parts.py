"""What an initialisation looks for in a module, ours or anyone's, and how it refuses one."""

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from convblocks.errors import OptionError

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d


def convolutions(module: nn.Module) -> dict[str, Conv]:
    """By path, in the order of the module tree: all but those that score positions, which start as linear layers do.

    A scoring convolution is a child called `scores`, as our segmentation heads have. It has as many outputs as there
    are classes, so its fan-out says nothing of the scale of what it puts out.
    """
    return {
        path: layer
        for path, layer in module.named_modules()
        if isinstance(layer, Conv) and path.rpartition(".")[2] != "scores"
    }


def classifiers(module: nn.Module) -> list[nn.Linear | Conv]:
    """What gives the scores: convolutions called `scores`, or else the last linear layer outside residual blocks."""
    last = [
        layer
        for path, layer in module.named_modules()
        if isinstance(layer, Conv) and path.rpartition(".")[2] == "scores"
    ]
    inside = {id(part) for block in residual_blocks(module).values() for part in block.modules()}
    linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear) and id(layer) not in inside]
    return [*last] or [*linear[-1:]]


def residual_blocks(module: nn.Module) -> dict[str, nn.Module]:
    """By path: the modules with a child called `shortcut`, as our residual families have, and convolutions beside."""
    return {
        path: part
        for path, part in module.named_modules()
        if isinstance(getattr(part, "shortcut", None), nn.Module) and branch(part)
    }


def branch(block: nn.Module) -> list[Conv]:
    """The convolutions of a residual block but those of its shortcut."""
    beside = {id(layer) for layer in convolutions(block.get_submodule("shortcut")).values()}
    return [layer for layer in convolutions(block).values() if id(layer) not in beside]


def refuse_norm(name: str, module: nn.Module) -> None:
    """Raise OptionError if a layer of the module normalises."""
    for path, layer in module.named_modules():
        if isinstance(layer, _NormBase | nn.GroupNorm | nn.LayerNorm | nn.RMSNorm):
            raise OptionError(
                "init",
                name,
                f"is made to do without norms, and {path or 'the module'} is a {type(layer).__name__}; "
                "build it with norm='none', or start it by he_normal",
            )
