"""Initialisations that start a deep residual network without norms at its shortcuts."""

import torch
from torch import nn

from convblocks.errors import OptionError
from convblocks.layers.branch_scale import BranchScale
from convblocks.layers.init.he import he_normal_
from convblocks.layers.init.module_parts import branches, classifiers, refuse_norm, residual_blocks


@torch.no_grad()
def fixup_(module: nn.Module) -> None:
    """Sets He normal, and scales the convolutions of each residual branch by their number (Fixup).

    In each of L branches of m convolutions the first m − 1 are multiplied by L^(−1 / (2m − 2)), and the last is 0:
    Zhang et al. 2019, arXiv:1901.09321, section 3. The classifier (the last linear layer outside the blocks, or what
    scores each position) starts at 0 too, and a branch's learnt scale at 1, as far as the block has one
    (branch_scale="one"). Attention is no part of a branch's m convolutions: it gates what they give. In a reversible
    block each function is a branch, so that the block starts as an exchange of its halves. The paper's scalar biases
    are not added: convolutions without a norm have a bias for each channel behind them, 0 at the start.

    For residual blocks, which are known by a child called `shortcut`, without a norm. Raises OptionError otherwise.
    """
    refuse_norm("fixup", module)
    blocks = residual_blocks(module)
    if not blocks:
        raise OptionError(
            "init", "fixup", f"is made for residual blocks, and {_lack_of_shortcuts(module)}; {OTHERWISE}"
        )
    he_normal_(module)
    all_branches = [convs for block in blocks.values() for convs in branches(block)]
    for *first, last in all_branches:
        for conv in first:
            conv.weight.mul_(len(all_branches) ** (-1 / (2 * len(first))))
        last.weight.zero_()
    for block in blocks.values():
        for part in _scales(block):
            part.scale.fill_(1)
    for classifier in classifiers(module):
        classifier.weight.zero_()
        if classifier.bias is not None:
            classifier.bias.zero_()


@torch.no_grad()
def skipinit_(module: nn.Module) -> None:
    """Sets He normal, and the learnt scale of each residual branch to 0: every block starts as its shortcut.

    SkipInit (De & Smith 2020, arXiv:2002.10444, section 3), which ReZero (Bachlechner et al. 2020, arXiv:2003.04887)
    is too. For residual blocks with branch_scale="zero" or "one"; raises OptionError for one without.
    """
    blocks = residual_blocks(module)
    if not blocks:
        raise OptionError(
            "init", "skipinit", f"is made for residual blocks, and {_lack_of_shortcuts(module)}; {OTHERWISE}"
        )
    for path, block in blocks.items():
        if not _scales(block):
            raise OptionError(
                "init",
                "skipinit",
                f"needs a learnt scale on each branch, and {path or type(block).__name__} has none; "
                "build it with branch_scale='zero', or start it by fixup or he_normal",
            )
    he_normal_(module)
    for block in blocks.values():
        for part in _scales(block):
            part.scale.zero_()


OTHERWISE = "use a family with a shortcut, e.g. residual, or start it by delta_orthogonal or he_normal"


def _lack_of_shortcuts(module: nn.Module) -> str:
    return f"{type(module).__name__} has no module with a shortcut"


def _scales(block: nn.Module) -> list[BranchScale]:
    return [part for part in block.modules() if isinstance(part, BranchScale)]
