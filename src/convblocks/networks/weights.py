"""Weights that people have: state dicts of torchvision's and timm's ResNet, ResNeXt, Wide ResNet, VGG and AlexNet.

`key_map` states which of our keys is which of theirs; loading and giving back follow it and change no number.
"""

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from convblocks.errors import OptionError, WeightsError
from convblocks.layers.check import one_of, per_axis
from convblocks.networks.features import Features
from convblocks.networks.heads import GridHead
from convblocks.networks.spec import Network

State = Mapping[str, torch.Tensor]
SOURCES = ("torchvision", "timm")
UNFIT = "the weights do not fit the network"
UNBUILT = "the module is not of the network: expected network.build(), or that with features=True"
NAMED = 3  # keys of a kind that an error names

RESNET = (
    (r"stem\.layers\.conv", "conv1"),
    (r"stem\.layers\.norm", "bn1"),
    (r"stem\.layers\.2\.norm", "bn1"),  # a deep stem's layers stand in conv1 but for the last norm
    (r"stem\.layers\.(\d)\.conv", "conv1.{0*3}"),
    (r"stem\.layers\.(\d)\.norm", "conv1.{0*3+1}"),
    (r"stages\.(\d+)\.(\d+)\.main\.(\d+)\.conv", "layer{0+1}.{1}.conv{2+1}"),
    (r"stages\.(\d+)\.(\d+)\.main\.(\d+)\.norm", "layer{0+1}.{1}.bn{2+1}"),
    (r"stages\.(\d+)\.(\d+)\.reduce\.conv", "layer{0+1}.{1}.conv1"),
    (r"stages\.(\d+)\.(\d+)\.reduce\.norm", "layer{0+1}.{1}.bn1"),
    (r"stages\.(\d+)\.(\d+)\.spatial\.0\.conv", "layer{0+1}.{1}.conv2"),
    (r"stages\.(\d+)\.(\d+)\.spatial\.0\.norm", "layer{0+1}.{1}.bn2"),
    (r"stages\.(\d+)\.(\d+)\.expand\.conv", "layer{0+1}.{1}.conv3"),
    (r"stages\.(\d+)\.(\d+)\.expand\.norm", "layer{0+1}.{1}.bn3"),
    (r"head\.linear", "fc"),
)
PROJECTION = (
    (r"stages\.(STAGE)\.(\d+)\.shortcut\.conv", "layer{0+1}.{1}.downsample.0"),
    (r"stages\.(STAGE)\.(\d+)\.shortcut\.norm", "layer{0+1}.{1}.downsample.1"),
)
POOLED_PROJECTION = (  # ResNet-D's has a pool before it, or a place for one
    (r"stages\.(STAGE)\.(\d+)\.shortcut\.(?:1\.)?conv", "layer{0+1}.{1}.downsample.1"),
    (r"stages\.(STAGE)\.(\d+)\.shortcut\.(?:1\.)?norm", "layer{0+1}.{1}.downsample.2"),
)
CLASSIFIER = {
    "alexnet": ("classifier.1", "classifier.4", "classifier.6"),
    "vgg": ("classifier.0", "classifier.3", "classifier.6"),
    "timm": ("pre_logits.fc1", "pre_logits.fc2", "head.fc"),
}
"""Two hidden layers and the last one."""


def key_map(network: Network, of: str = "torchvision") -> dict[str, str]:
    """Their key for each of ours; the standardisation of inputs, which theirs lack, is left out.

    Raises OptionError for a network that is neither a ResNet nor an AlexNet or VGG in structure.
    """
    one_of("of", of, SOURCES)
    with torch.device("meta"):
        module = network.build()
    rules = _sequential(module, network, of) if _is_sequential(network) else _resnet(network)
    return {
        key: _renamed(key, rules, network)
        for key in module.state_dict()
        if not key.startswith("standardise.")
    }


def from_foreign(network: Network, state: State, of: str = "torchvision", *, strict: bool = True) -> State:
    """Our state dict from theirs. Raises WeightsError for what is missing, unexpected, no tensor or of another shape.

    Without `strict` what does not fit is left out. A norm's count of batches may be missing in any case, since
    older files do not have it.
    """
    ours, names = _shapes(network), key_map(network, of)
    theirs = {name: _shape_there(ours[key], key, of, network) for key, name in names.items()}
    if strict:
        missing = [n for n in theirs if n not in state and not n.endswith("num_batches_tracked")]
        unexpected = [key for key in state if key not in theirs]
        _refuse(UNFIT, missing=missing, unexpected=unexpected, **_misfits(state, theirs))
    return {key: state[name].reshape(ours[key]) for key, name in names.items() if _fits(state, name, theirs)}


def to_foreign(network: Network, state: State, of: str = "torchvision") -> State:
    """Their state dict from ours; the inverse of from_foreign. Raises WeightsError."""
    ours, names = _shapes(network), key_map(network, of)
    wanted = {key: ours[key] for key in names}
    _refuse(UNFIT, missing=[key for key in names if key not in state], **_misfits(state, wanted))
    return {
        name: state[key].reshape(_shape_there(ours[key], key, of, network)) for key, name in names.items()
    }


def load_foreign(
    module: nn.Module,
    network: Network,
    source: State | str | Path,
    of: str = "torchvision",
    *,
    strict: bool = True,
) -> None:
    """Fill `module`, built from `network`, with their weights: a state dict, or a .safetensors or .pth file.

    Inputs are then what theirs are: the module's standardisation is left as it is. Features take a file with or,
    without `strict`, without its classifier. Raises WeightsError, also for a module that is not of the network.
    """
    ours, found = _shapes(network), module.state_dict()
    if isinstance(module, Features):
        ours = {key: shape for key, shape in ours.items() if not key.startswith("head.")}
    _refuse(UNBUILT, **_differences(found, ours))
    state = source if isinstance(source, Mapping) else read_weights(Path(source))
    loaded = from_foreign(network, state, of, strict=strict)
    module.load_state_dict({key: value for key, value in loaded.items() if key in ours}, strict=False)


def fitting(network: Network, state: State) -> None:
    """Raise WeightsError unless `state` has exactly the keys and shapes of the network's own state dict.

    Its dtypes may be narrower or wider, but what counts is whole and what is weighed is not.
    """
    ours = _own(network)
    kinds = [
        f"{key} is {state[key].dtype}, expected {value.dtype} or another of its kind"
        for key, value in ours.items()
        if key in state and state[key].is_floating_point() != value.is_floating_point()
    ]
    shapes = {key: value.shape for key, value in ours.items()}
    _refuse(UNFIT, **_differences(state, shapes), **{"of another kind of number": kinds})


def read_weights(path: Path) -> State:
    """The tensors of a file that cannot run code: .safetensors, else torch's with ``weights_only``."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: there is no such file") from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path}: cannot be read as weights: {reason}") from error
    except Exception as error:  # torch names its unpickler's error elsewhere in each version
        raise WeightsError(
            f"{path}: holds more than tensors, and opening it could run code; expected a state dict"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError(f"{path}: holds a {type(state).__name__}; expected a state dict of tensors alone")
    return state


def _shapes(network: Network) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in _own(network).items()}


def _own(network: Network) -> State:
    """Our state dict, on the meta device."""
    with torch.device("meta"):
        return network.build().state_dict()


def _differences(state: State, shapes: Mapping[str, torch.Size]) -> dict[str, list[str]]:
    """What makes `state` another than one of those keys and shapes, by kinds, as _refuse takes them."""
    missing = [key for key in shapes if key not in state]
    unexpected = [key for key in state if key not in shapes]
    return {"missing": missing, "unexpected": unexpected, **_misfits(state, shapes)}


def _misfits(state: Mapping[str, object], shapes: Mapping[str, torch.Size]) -> dict[str, list[str]]:
    """What stands at a wanted key and cannot be used."""
    others, wrong = [], []
    for key in (key for key in shapes if key in state):
        value = state[key]
        if not isinstance(value, torch.Tensor):
            others.append(f"{key} is a {type(value).__name__}, expected a torch.Tensor")
        elif not _fits(state, key, shapes):
            wrong.append(f"{key} is {tuple(value.shape)}, expected {tuple(shapes[key])}")
    return {"not a tensor": others, "of another shape": wrong}


def _fits(state: Mapping[str, object], key: str, shapes: Mapping[str, torch.Size]) -> bool:
    value = state.get(key)
    return isinstance(value, torch.Tensor) and value.shape == shapes[key]


def _refuse(about: str, **kinds: list[str]) -> None:
    told = [
        f"{len(keys)} {kind}: {', '.join(keys[:NAMED])}{', …' if len(keys) > NAMED else ''}"
        for kind, keys in kinds.items()
        if keys
    ]
    if told:
        raise WeightsError(f"{about}; {'; '.join(told)}")


def _is_sequential(network: Network) -> bool:
    return all(stage.block.family == "simple" for stage in network.stages)


def _resnet(network: Network) -> tuple[tuple[str, str], ...]:
    """The shortcuts' names differ from stage to stage where their kinds do."""
    shortcuts = []
    for i, stage in enumerate(network.stages):
        pooled = stage.block.option("shortcut") == "average"
        for pattern, named in POOLED_PROJECTION if pooled else PROJECTION:
            shortcuts.append((pattern.replace("STAGE", str(i)), named))
    return (*RESNET, *shortcuts)


def _sequential(module: nn.Module, network: Network, of: str) -> tuple[tuple[str, str], ...]:
    """Convolutions, norms, activations and pools in one numbered row, and the classifier."""
    rules, place = [], 0
    for name, part in module.named_modules():
        if name.startswith("head"):
            continue
        kind = name.rpartition(".")[2]
        if kind in ("conv", "norm", "activation", "pool") and not isinstance(part, nn.Identity):
            rules.append((re.escape(name), f"features.{place}"))
            place += 1
    named = CLASSIFIER["timm" if of == "timm" else "alexnet" if network.stem else "vgg"]
    keys = (r"head\.hidden\.0\.0", r"head\.hidden\.1\.0", r"head\.linear")
    return (*rules, *zip(keys, named, strict=True))


def _renamed(key: str, rules: tuple[tuple[str, str], ...], network: Network) -> str:
    stem, _, leaf = key.rpartition(".")
    for pattern, named in rules:
        if found := re.fullmatch(pattern, stem):
            numbers = tuple(int(n) for n in found.groups())
            parts = re.split(r"{([^}]*)}", named)  # text and places in turn
            told = [str(_number(part, numbers)) if i % 2 else part for i, part in enumerate(parts)]
            return f"{''.join(told)}.{leaf}"
    families = sorted({stage.block.family for stage in network.stages})
    raise OptionError("network", ", ".join(families), f"no key of torchvision's or timm's answers to {key}")


def _number(text: str, numbers: tuple[int, ...]) -> int:
    """``0+1``: the first number and 1; ``0*3+1``: thrice the first, and 1."""
    found = re.fullmatch(r"(\d)(?:\*(\d))?(?:\+(\d))?", text)
    assert found
    place, factor, more = found.groups()
    return numbers[int(place)] * int(factor or 1) + int(more or 0)


def _shape_there(shape: torch.Size, key: str, of: str, network: Network) -> torch.Size:
    """Theirs of our key: timm's VGG has its hidden layers as convolutions, the first over the whole grid."""
    layer = re.fullmatch(r"head\.hidden\.(\d)\.0\.weight", key)
    if of != "timm" or not layer or not isinstance(network.head, GridHead):
        return shape
    grid = per_axis("grid", network.head.grid if layer[1] == "0" else 1, network.dims, at_least=1)
    return torch.Size((shape[0], shape[1] // prod(grid), *grid))
