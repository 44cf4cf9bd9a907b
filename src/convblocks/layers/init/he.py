"""He's initialisation, for rectifiers."""

from torch import nn

from convblocks.layers.init.module_parts import convolutions


def he_normal_(module: nn.Module) -> None:
    """Draws convolutions from N(0, 2 / fan_out), biases 0, so that ReLU keeps the gradient's scale.

    He et al. 2015, arXiv:1502.01852, section 2.2. Norms and linear layers keep PyTorch's own start. A convolution that
    scores each position is started like the others, though by the fan-out of a few classes its first loss is high:
    begun as small as a linear layer, the U-Nets of ``compare(task="segment")`` trained more slowly.
    """
    for layer in convolutions(module).values():
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
