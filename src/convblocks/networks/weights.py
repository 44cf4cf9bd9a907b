"""Loads and gives state dicts of torchvision's and timm's ResNet, ResNeXt, Wide ResNet, VGG and AlexNet.

`key_map` maps our keys to theirs; loading and giving back follow it and change no number.
"""

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path

import torch
from torch import nn

from convblocks.checks import one_of, per_axis
from convblocks.errors import OptionError, WeightsError
from convblocks.networks.feature_maps import Features
from convblocks.networks.heads import GridHead, MeanHead
from convblocks.networks.network_spec import Network
from convblocks.networks.weight_files import State, plain, read_weights, under_prefix

SOURCES = ("torchvision", "timm")
UNFIT = "the weights do not fit the network"
UNBUILT = "the module is not of the network: expected network.build() or features(network)"
MOST_NAMED = 3
"""Keys of one kind that an error names."""

RESNET = (
    (r"stem\.layers\.conv", "conv1"),
    (r"stem\.layers\.norm", "bn1"),
    # a deep stem's layers stand in conv1 but for the last norm
    (r"stem\.layers\.2\.norm", "bn1"),
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
# ResNet-D's has a pool before it, or a place for one
POOLED_PROJECTION = (
    (r"stages\.(STAGE)\.(\d+)\.shortcut\.(?:1\.)?conv", "layer{0+1}.{1}.downsample.1"),
    (r"stages\.(STAGE)\.(\d+)\.shortcut\.(?:1\.)?norm", "layer{0+1}.{1}.downsample.2"),
)
CLASSIFIER = {
    "alexnet": ("classifier.1", "classifier.4", "classifier.6"),
    "vgg": ("classifier.0", "classifier.3", "classifier.6"),
    "timm": ("pre_logits.fc1", "pre_logits.fc2", "head.fc"),
}
"""Two hidden layers and the last one."""
CLASSIFIERS = {"fc", *(name for names in CLASSIFIER.values() for name in names)}
LOADING = "AlexNet, VGG, ResNet, ResNet-D, ResNeXt and Wide ResNet"


def key_map(network: Network, of: str = "torchvision") -> dict[str, str]:
    """Returns their key for each of ours; the standardisation of inputs, which theirs lack, is left out.

    Raises OptionError for a network that is neither a ResNet nor an AlexNet or VGG in structure.
    """
    return _names(network, one_of("of", of, SOURCES))


def _names(network: Network, of: str, left_out: str = "standardise.") -> dict[str, str]:
    """Returns their key for each of ours but the standardisation's and those that begin with `left_out`."""
    with torch.device("meta"):
        module = network.build()
    rules = _sequential(module, network, of) if _is_sequential(network) else _resnet(network)
    return {
        key: _renamed(key, rules, network)
        for key in module.state_dict()
        if not key.startswith(("standardise.", left_out))
    }


def from_foreign(
    network: Network, state: State, of: str | None = None, *, strict: bool = True, classifier: bool = True
) -> State:
    """Returns our state dict from theirs.

    It may be a checkpoint that contains the state dict, and all keys may have one prefix, as those of
    DistributedDataParallel, Lightning and detectors. A norm's count of batches may be missing in any case, since older
    files do not have it.

    Args:
        network: the network that the weights are for.
        state: their state dict.
        of: torchvision or timm; by default the one whose keys they are.
        strict: if false, what does not fit is left out.
        classifier: if false, the layer that gives the scores is left out, and all else has to fit: for other
            classes, and for a network that scores each position.

    Raises:
        WeightsError: a tensor that is missing, unexpected, no tensor or of another shape.
    """
    state, left_out = plain(state, "the weights"), "standardise." if classifier else _scoring(network)
    sources = SOURCES if of is None else (one_of("of", of, SOURCES),)
    names_of_all = {name for source in sources for name in _names(network, source, left_out).values()}
    state = under_prefix(state, names_of_all, alone=strict)
    of = of or _source(network, state, left_out)
    shapes, names = _shapes(network), _names(network, of, left_out)
    foreign_shapes = {name: _foreign_shape(shapes[key], key, of, network) for key, name in names.items()}
    if strict:
        missing = [n for n in foreign_shapes if n not in state and not n.endswith("num_batches_tracked")]
        unneeded = set() if classifier else CLASSIFIERS
        unexpected = [
            key for key in state if key not in foreign_shapes and key.rpartition(".")[0] not in unneeded
        ]
        scores = [n for key, n in names.items() if key.startswith("head.linear.")]
        other = [n for n in scores if n in state and not _fits(state, n, foreign_shapes)]
        about = f"{UNFIT}, or pass classifier=False to leave out the scores' layer" if other else UNFIT
        _refuse(about, missing=missing, unexpected=unexpected, **_misfits(state, foreign_shapes))
    return {
        key: state[name].reshape(shapes[key])
        for key, name in names.items()
        if _fits(state, name, foreign_shapes)
    }


def to_foreign(network: Network, state: State, of: str = "torchvision") -> State:
    """Returns their state dict from ours; the inverse of from_foreign. Raises WeightsError."""
    state = plain(state, "the weights")
    shapes, names = _shapes(network), key_map(network, of)
    expected = {key: shapes[key] for key in names}
    _refuse(UNFIT, missing=[key for key in names if key not in state], **_misfits(state, expected))
    return {
        name: state[key].reshape(_foreign_shape(shapes[key], key, of, network)) for key, name in names.items()
    }


def load_foreign(
    module: nn.Module,
    network: Network,
    source: State | str | Path,
    of: str | None = None,
    *,
    strict: bool = True,
    classifier: bool = True,
) -> None:
    """Fills a module with weights of torchvision or timm.

    What is left out stays as the module has it, and so does its standardisation: inputs are then what theirs are.
    Features take a file with or, without `strict`, without its classifier.

    Args:
        module: a module of the network, or its `features`.
        network: the network that the module was built from.
        source: their state dict, or the path of a .safetensors or .pth file.
        of: as in from_foreign, like `strict` and `classifier`.
        strict: see from_foreign.
        classifier: see from_foreign.

    Raises:
        WeightsError: weights that do not fit, or a module that is not of the network.
    """
    shapes, present = _shapes(network), module.state_dict()
    if isinstance(module, Features):
        shapes = {key: shape for key, shape in shapes.items() if not key.startswith("head.")}
    _refuse(UNBUILT, **_differences(present, shapes))
    state = read_weights(Path(source)) if isinstance(source, str | Path) else source
    loaded = from_foreign(network, state, of, strict=strict, classifier=classifier)
    module.load_state_dict({key: value for key, value in loaded.items() if key in shapes}, strict=False)


def fitting(network: Network, state: State) -> None:
    """Raises WeightsError unless `state` has exactly the keys and shapes of the network's own state dict.

    Its dtypes may be narrower or wider, but what counts is whole and what is weighed is not.
    """
    expected = _state_of(network)
    wrong_kinds = [
        f"{key} is {state[key].dtype}, expected {value.dtype} or another of its kind"
        for key, value in expected.items()
        if key in state and state[key].is_floating_point() != value.is_floating_point()
    ]
    shapes = {key: value.shape for key, value in expected.items()}
    _refuse(UNFIT, **_differences(state, shapes), **{"of another kind of number": wrong_kinds})


def _shapes(network: Network) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in _state_of(network).items()}


def _state_of(network: Network) -> State:
    """Returns our state dict, on the meta device."""
    with torch.device("meta"):
        return network.build().state_dict()


def _differences(state: State, shapes: Mapping[str, torch.Size]) -> dict[str, list[str]]:
    """Returns how `state` differs from those keys and shapes, by kinds, as _refuse takes them."""
    missing = [key for key in shapes if key not in state]
    unexpected = [key for key in state if key not in shapes]
    return {"missing": missing, "unexpected": unexpected, **_misfits(state, shapes)}


def _misfits(state: Mapping[str, object], shapes: Mapping[str, torch.Size]) -> dict[str, list[str]]:
    """Returns the values at expected keys that cannot be used, by kinds."""
    not_tensors, misshapen = [], []
    for key in (key for key in shapes if key in state):
        value = state[key]
        if not isinstance(value, torch.Tensor):
            not_tensors.append(f"{key} is a {type(value).__name__}, expected a torch.Tensor")
        elif not _fits(state, key, shapes):
            misshapen.append(f"{key} is {tuple(value.shape)}, expected {tuple(shapes[key])}")
    return {"not a tensor": not_tensors, "of another shape": misshapen}


def _fits(state: Mapping[str, object], key: str, shapes: Mapping[str, torch.Size]) -> bool:
    value = state.get(key)
    return isinstance(value, torch.Tensor) and value.shape == shapes[key]


def _refuse(about: str, **kinds: list[str]) -> None:
    problems = [
        f"{len(keys)} {kind}: {', '.join(keys[:MOST_NAMED])}{', …' if len(keys) > MOST_NAMED else ''}"
        for kind, keys in kinds.items()
        if keys
    ]
    if problems:
        raise WeightsError(f"{about}; {'; '.join(problems)}")


def _scoring(network: Network) -> str:
    """Returns how the keys of the scores' layer begin; of a head that theirs lack, how all its keys begin."""
    return "head.linear." if isinstance(network.head, MeanHead | GridHead) else "head."


def _source(network: Network, state: State, left_out: str) -> str:
    """Returns the source with the most of its keys in `state`; torchvision where both have them."""
    return max(SOURCES, key=lambda of: len(state.keys() & {*_names(network, of, left_out).values()}))


def _is_sequential(network: Network) -> bool:
    return all(stage.block.family == "simple" for stage in network.stages)


def _resnet(network: Network) -> tuple[tuple[str, str], ...]:
    """Returns the rules of a ResNet: the shortcuts' names differ from stage to stage where their kinds do."""
    shortcuts = []
    for i, stage in enumerate(network.stages):
        pooled = stage.block.option("shortcut") == "average"
        for pattern, name in POOLED_PROJECTION if pooled else PROJECTION:
            shortcuts.append((pattern.replace("STAGE", str(i)), name))
    return (*RESNET, *shortcuts)


def _sequential(module: nn.Module, network: Network, of: str) -> tuple[tuple[str, str], ...]:
    """Returns the rules of AlexNet and VGG: their layers are numbered in one row, before the classifier."""
    rules, place = [], 0
    for name, part in module.named_modules():
        if name.startswith("head"):
            continue
        kind = name.rpartition(".")[2]
        if kind in ("conv", "norm", "activation", "pool") and not isinstance(part, nn.Identity):
            rules.append((re.escape(name), f"features.{place}"))
            place += 1
    names = CLASSIFIER["timm" if of == "timm" else "alexnet" if network.stem else "vgg"]
    keys = (r"head\.hidden\.0\.0", r"head\.hidden\.1\.0", r"head\.linear")
    return (*rules, *zip(keys, names, strict=True)) if isinstance(network.head, GridHead) else tuple(rules)


def _renamed(key: str, rules: tuple[tuple[str, str], ...], network: Network) -> str:
    stem, _, leaf = key.rpartition(".")
    for pattern, name in rules:
        if match := re.fullmatch(pattern, stem):
            numbers = tuple(int(n) for n in match.groups())
            # text and places in turn
            parts = re.split(r"{([^}]*)}", name)
            pieces = [str(_number(part, numbers)) if i % 2 else part for i, part in enumerate(parts)]
            return f"{''.join(pieces)}.{leaf}"
    families = sorted({stage.block.family for stage in network.stages})
    raise OptionError(
        "network",
        ", ".join(families),
        f"weights of such a network do not load, since no key of theirs answers to {key}; those of {LOADING} do",
    )


def _number(text: str, numbers: tuple[int, ...]) -> int:
    """Evaluates ``0+1``, the first number and 1, or ``0*3+1``, thrice the first and 1."""
    match = re.fullmatch(r"(\d)(?:\*(\d))?(?:\+(\d))?", text)
    assert match
    place, factor, more = match.groups()
    return numbers[int(place)] * int(factor or 1) + int(more or 0)


def _foreign_shape(shape: torch.Size, key: str, of: str, network: Network) -> torch.Size:
    """Returns their shape of our key: timm's VGG has hidden layers as convolutions, the first over the whole grid."""
    layer = re.fullmatch(r"head\.hidden\.(\d)\.0\.weight", key)
    if of != "timm" or not layer or not isinstance(network.head, GridHead):
        return shape
    grid = per_axis("grid", network.head.grid if layer[1] == "0" else 1, network.dims, at_least=1)
    return torch.Size((shape[0], shape[1] // prod(grid), *grid))
