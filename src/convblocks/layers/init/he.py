"""He's initialisation, for rectifiers."""

from torch import nn

from convblocks.layers.init.parts import convolutions


def he_normal_(module: nn.Module) -> None:
    """Convolutions from N(0, 2 / fan_out), biases 0, so that ReLU keeps the gradient's scale.

    He et al. 2015, arXiv:1502.01852, section 2.2. Norms, linear layers and
    convolutions that score each position keep PyTorch's own start.
    """
    for layer in convolutions(module).values():
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
