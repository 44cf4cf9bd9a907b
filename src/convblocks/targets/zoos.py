"""Networks of timm and torchvision by name, with random weights: nothing is downloaded."""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import torch

from convblocks.errors import MissingExtra, TargetError
from convblocks.targets.target import Kind, Target, built, hint
from convblocks.text import shown

Made = TypeVar("Made")

# an operator lives as long as the library that declares it
_operators: list[torch.library.Library] = []


def from_timm(text: str, name: str, on_meta: bool) -> Target:
    """Builds ``timm:NAME``; its input size is the one that timm states for its weights."""
    timm = _imported("timm", text)
    names = timm.list_models()
    # a name that timm would fetch from a hub is none of its models either
    if not timm.is_model(name):
        raise TargetError(f"{shown(text)}: timm has no model called {name!r}; {hint(name, names)}")
    module = built(lambda: timm.create_model(name, pretrained=False), on_meta)
    size = getattr(module, "pretrained_cfg", {}).get("input_size")
    return _target(text, module, "timm", tuple(size) if size else None)


def from_torchvision(text: str, name: str, on_meta: bool) -> Target:
    """Builds ``torchvision:NAME``; its input size is the crop that its published weights are for, if there is one."""
    models = _imported("torchvision", text).models
    names = models.list_models()
    if name not in names:
        raise TargetError(f"{shown(text)}: torchvision has no model called {name!r}; {hint(name, names)}")
    options = inspect.signature(models.get_model_builder(name)).parameters
    no_weights = {option: None for option in ("weights", "weights_backbone") if option in options}
    module = built(lambda: models.get_model(name, **no_weights), on_meta)
    transforms = models.get_model_weights(name).DEFAULT.transforms
    crop = getattr(transforms, "keywords", {}).get("crop_size")
    return _target(text, module, "torchvision", (3, crop, crop) if isinstance(crop, int) else None)


def _target(text: str, module: Any, kind: Kind, size: tuple[int, ...] | None) -> Target:
    channels, dims = (size[0], len(size) - 1) if size else (None, None)
    return Target(module=module, name=text, kind=kind, channels=channels, dims=dims, input_size=size)


def _imported(package: str, text: str) -> Any:
    try:
        return with_operators(lambda: import_module(package))
    except ModuleNotFoundError as error:
        if error.name not in ("timm", "torchvision"):
            raise TargetError(f"{shown(text)}: {package} cannot be imported: {error}") from error
        raise MissingExtra(package, "models", f"the target {shown(text)}") from error
    except Exception as error:  # a build for another torch may fail in any way
        reason = " ".join(str(error).split())
        raise TargetError(
            f"{shown(text)}: {package} cannot be imported: {reason}; reinstall it for torch {torch.__version__}"
        ) from error


def with_operators(load: Callable[[], Made]) -> Made:
    """Calls `load`, also where torchvision's compiled operators do not fit this torch.

    Only its detection networks need them; declared and without a kernel, they let all else work.
    """
    try:
        return load()
    except RuntimeError as error:
        if "torchvision::nms" not in str(error) or _operators:
            raise
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _operators.append(library)
        return load()
