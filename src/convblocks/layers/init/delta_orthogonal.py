"""Delta-orthogonal initialisation: a plain stack that keeps a signal's norm, forwards and backwards."""

import torch
from torch import nn

from convblocks.errors import OptionError
from convblocks.layers.activation import ACTIVATIONS
from convblocks.layers.init.module_parts import Conv, convolutions, refuse_norm, residual_blocks
from convblocks.text import listed

NAME = "delta_orthogonal"
GAINS: dict[type[nn.Module], float] = {
    # σ_w = 1, σ_b = 0 is critical, and the derivative at 0 is 1
    nn.Tanh: 1.0,
    # σ_w² = 2 is critical: half of the squares pass
    nn.ReLU: 2**0.5,
}
"""By activation: the gain at which a signal neither dies nor explodes on average, with biases of 0."""
ACTIVATION_TYPES = tuple({type(make()) for make in ACTIVATIONS.values()} - {nn.Identity})


@torch.no_grad()
def delta_orthogonal_(module: nn.Module) -> None:
    """Sets kernels orthogonal at their centre and zero elsewhere, times the activation's critical gain; biases 0.

    Xiao et al. 2018, arXiv:1806.05393, section 3 and algorithm 2. A convolution then maps each position by a matrix
    with orthonormal columns and keeps the norm of its input, at stride 1 and any padding. With tanh that holds nearly
    through any depth; with ReLU on average only, since no ReLU network has dynamical isometry (Pennington et al.
    2017, arXiv:1711.04735). Grouped convolutions are orthogonal in each group. Linear layers keep PyTorch's start.

    For plain stacks. Raises OptionError for a norm, for a block that adds or concatenates (one with a child called
    `shortcut`, or whose class says ``plain = False``), an activation other than tanh and ReLU, a convolution
    with fewer output than input channels (columns can then not be orthogonal) and an even kernel (without a centre).
    """
    refuse_norm(NAME, module)
    joined = [path for path, part in module.named_modules() if not getattr(part, "plain", True)]
    if joined := [*residual_blocks(module), *joined]:
        raise OptionError(
            "init",
            NAME,
            f"is made for plain stacks, and {joined[0] or 'the module'} joins what it keeps to what it makes of it; "
            "use a family without, e.g. simple, or start it by fixup, skipinit or he_normal",
        )
    gain = critical_gain(module)
    convs = convolutions(module)
    for path, conv in convs.items():
        _check(path, conv)
    for conv in convs.values():
        centre = tuple(slice(k // 2, k // 2 + 1) for k in conv.kernel_size)
        conv.weight.zero_()
        for group in conv.weight.chunk(conv.groups):
            nn.init.orthogonal_(group[(slice(None), slice(None), *centre)], gain)
        if conv.bias is not None:
            conv.bias.zero_()


def critical_gain(module: nn.Module) -> float:
    """Returns the gain of the one activation that the module uses; 1 without any. Raises OptionError."""
    used = {type(layer) for layer in module.modules() if isinstance(layer, ACTIVATION_TYPES)}
    if not used:
        return 1.0
    if len(used) > 1 or not used <= set(GAINS):
        names = listed(sorted(kind.__name__ for kind in used))
        raise OptionError(
            "init", NAME, f"knows the critical gain of tanh or of ReLU, not of {names}; use activation='tanh'"
        )
    return GAINS[used.pop()]


def _check(path: str, conv: Conv) -> None:
    place = path or "the module"
    if conv.out_channels < conv.in_channels:
        raise OptionError(
            "init",
            NAME,
            f"keeps the norm only where channels do not fall, and {place} has {conv.in_channels} in and "
            f"{conv.out_channels} out; give it {conv.in_channels} or more, or start it by he_normal",
        )
    if any(k % 2 == 0 for k in conv.kernel_size):
        raise OptionError(
            "init",
            NAME,
            f"needs a kernel's centre, and {place} has {conv.kernel_size}; use an odd kernel_size",
        )
