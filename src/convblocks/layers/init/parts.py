"""What an initialisation looks for in a module, ours or anyone's, and how it refuses one."""

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from convblocks.errors import OptionError

Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d


def convolutions(module: nn.Module) -> Iterator[Conv]:
    """In the order of the module tree."""
    return (layer for layer in module.modules() if isinstance(layer, Conv))


def residual_blocks(module: nn.Module) -> dict[str, nn.Module]:
    """By path: the modules with a child called `shortcut`, as our residual families have, and convolutions beside."""
    return {
        path: part
        for path, part in module.named_modules()
        if isinstance(getattr(part, "shortcut", None), nn.Module) and branch(part)
    }


def branch(block: nn.Module) -> list[Conv]:
    """The convolutions of a residual block but those of its shortcut."""
    beside = {id(layer) for layer in convolutions(block.get_submodule("shortcut"))}
    return [layer for layer in convolutions(block) if id(layer) not in beside]


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
