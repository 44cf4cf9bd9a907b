"""Weights that people have: state dicts of torchvision's and timm's ResNet, ResNeXt, Wide ResNet, VGG and AlexNet.

`key_map` states which of our keys is which of theirs; loading and giving back follow it and change no number.
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
CLASSIFIERS = {"fc", *(name for names in CLASSIFIER.values() for name in names)}
LOADING = "AlexNet, VGG, ResNet, ResNet-D, ResNeXt and Wide ResNet"


def key_map(network: Network, of: str = "torchvision") -> dict[str, str]:
    """Their key for each of ours; the standardisation of inputs, which theirs lack, is left out.

    Raises OptionError for a network that is neither a ResNet nor an AlexNet or VGG in structure.
    """
    return _names(network, one_of("of", of, SOURCES))


def _names(network: Network, of: str, left: str = "standardise.") -> dict[str, str]:
    """Theirs for each of ours but the standardisation's and those that begin with `left`."""
    with torch.device("meta"):
        module = network.build()
    rules = _sequential(module, network, of) if _is_sequential(network) else _resnet(network)
    return {
        key: _renamed(key, rules, network)
        for key in module.state_dict()
        if not key.startswith(("standardise.", left))
    }


def from_foreign(
    network: Network, state: State, of: str | None = None, *, strict: bool = True, classifier: bool = True
) -> State:
    """Our state dict from theirs. Raises WeightsError for what is missing, unexpected, no tensor or of another shape.

    of           torchvision or timm; the one whose keys they are if not given
    strict       if false, what does not fit is left out
    classifier   if false, the layer that gives the scores is left out, and all else has to fit: for other classes,
                 and for a network that scores each position

    A checkpoint's state dict and one prefix of all keys, as DistributedDataParallel, Lightning and detectors put it,
    are seen through. A norm's count of batches may be missing in any case, since older files do not have it.
    """
    state, left = plain(state, "the weights"), "standardise." if classifier else _scoring(network)
    sources = SOURCES if of is None else (one_of("of", of, SOURCES),)
    wanted = {name for source in sources for name in _names(network, source, left).values()}
    state = under_prefix(state, wanted, alone=strict)
    of = of or _source(network, state, left)
    ours, names = _shapes(network), _names(network, of, left)
    theirs = {name: _shape_there(ours[key], key, of, network) for key, name in names.items()}
    if strict:
        missing = [n for n in theirs if n not in state and not n.endswith("num_batches_tracked")]
        unneeded = set() if classifier else CLASSIFIERS
        unexpected = [key for key in state if key not in theirs and key.rpartition(".")[0] not in unneeded]
        scores = [n for key, n in names.items() if key.startswith("head.linear.")]
        other = [n for n in scores if n in state and not _fits(state, n, theirs)]
        about = f"{UNFIT}, or pass classifier=False to leave out the scores' layer" if other else UNFIT
        _refuse(about, missing=missing, unexpected=unexpected, **_misfits(state, theirs))
    return {key: state[name].reshape(ours[key]) for key, name in names.items() if _fits(state, name, theirs)}


def to_foreign(network: Network, state: State, of: str = "torchvision") -> State:
    """Their state dict from ours; the inverse of from_foreign. Raises WeightsError."""
    state = plain(state, "the weights")
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
    of: str | None = None,
    *,
    strict: bool = True,
    classifier: bool = True,
) -> None:
    """Fill `module`, built from `network`, with their weights: a state dict, or a .safetensors or .pth file.

    `of`, `strict` and `classifier` are those of from_foreign; what is left out stays as the module has it, and so does
    its standardisation: inputs are then what theirs are. Features take a file with or, without `strict`, without
    its classifier. Raises WeightsError, also for a module that is not of the network.
    """
    ours, found = _shapes(network), module.state_dict()
    if isinstance(module, Features):
        ours = {key: shape for key, shape in ours.items() if not key.startswith("head.")}
    _refuse(UNBUILT, **_differences(found, ours))
    state = read_weights(Path(source)) if isinstance(source, str | Path) else source
    loaded = from_foreign(network, state, of, strict=strict, classifier=classifier)
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


def _scoring(network: Network) -> str:
    """What the keys of the layer that gives the scores begin with; of a head that theirs have not, all its keys."""
    return "head.linear." if isinstance(network.head, MeanHead | GridHead) else "head."


def _source(network: Network, state: State, left: str) -> str:
    """The one with the most of its keys in `state`; torchvision where both have them."""
    return max(SOURCES, key=lambda of: len(state.keys() & {*_names(network, of, left).values()}))


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
    return (*rules, *zip(keys, named, strict=True)) if isinstance(network.head, GridHead) else tuple(rules)


def _renamed(key: str, rules: tuple[tuple[str, str], ...], network: Network) -> str:
    stem, _, leaf = key.rpartition(".")
    for pattern, named in rules:
        if found := re.fullmatch(pattern, stem):
            numbers = tuple(int(n) for n in found.groups())
            parts = re.split(r"{([^}]*)}", named)  # text and places in turn
            told = [str(_number(part, numbers)) if i % 2 else part for i, part in enumerate(parts)]
            return f"{''.join(told)}.{leaf}"
    families = sorted({stage.block.family for stage in network.stages})
    raise OptionError(
        "network",
        ", ".join(families),
        f"weights of such a network do not load, since no key of theirs answers to {key}; those of {LOADING} do",
    )


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
