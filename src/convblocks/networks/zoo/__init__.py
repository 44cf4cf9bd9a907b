"""The papers' networks as values: ``zoo.resnet50(classes=10)``, or by name from ZOO."""

from collections.abc import Callable
from difflib import get_close_matches

from convblocks.errors import OptionError
from convblocks.networks.network_spec import Network
from convblocks.networks.zoo.cifar import (
    CIFAR,
    cifar_plain,
    cifar_preactivation,
    cifar_resnet,
    revnet,
    wide_resnet,
)
from convblocks.networks.zoo.classic import CLASSIC, alexnet, vgg
from convblocks.networks.zoo.mobilenet import mobilenet_v2
from convblocks.networks.zoo.modern import (
    convnext,
    convnext_base,
    convnext_large,
    convnext_small,
    convnext_tiny,
    repvgg,
    repvgg_a0,
    repvgg_a1,
    repvgg_a2,
    repvgg_b0,
)
from convblocks.networks.zoo.regnet import REGNETS, regnet_x
from convblocks.networks.zoo.resnet import (
    RESNETS,
    resnet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)

ZOO: dict[str, Callable[..., Network]] = {
    **CLASSIC,
    **RESNETS,
    **CIFAR,
    **REGNETS,
    "mobilenet_v2": mobilenet_v2,
    "convnext_tiny": convnext_tiny,
    "convnext_small": convnext_small,
    "convnext_base": convnext_base,
    "convnext_large": convnext_large,
    "repvgg_a0": repvgg_a0,
    "repvgg_a1": repvgg_a1,
    "repvgg_a2": repvgg_a2,
    "repvgg_b0": repvgg_b0,
}
"""Each takes ``classes``, by default its paper's."""

PIXELS = {name: 32 if name in CIFAR else 224 for name in ZOO}
"""A side of the images that each paper trains it on."""


def zoo_network(name: str, **options: int) -> Network:
    """Returns the network of that name. Raises OptionError for one that is not there."""
    if name not in ZOO:
        close = get_close_matches(name, ZOO, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(ZOO)}"
        raise OptionError("name", name, f"the zoo has no such network; {hint}")
    return ZOO[name](**options)


__all__ = [
    "PIXELS",
    "ZOO",
    "alexnet",
    "cifar_plain",
    "cifar_preactivation",
    "cifar_resnet",
    "convnext",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
    "mobilenet_v2",
    "regnet_x",
    "repvgg",
    "repvgg_a0",
    "repvgg_a1",
    "repvgg_a2",
    "repvgg_b0",
    "resnet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "revnet",
    "vgg",
    "wide_resnet",
    "zoo_network",
]
