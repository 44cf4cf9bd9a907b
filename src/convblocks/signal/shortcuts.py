"""Additions around the layers of a module that has none, so that its signal has a way past them.

Two weight layers go under one shortcut, as in ResNet's basic block, where they stand together in a
Sequential and keep the shape; else one. The branch is scaled by 1 / √B, with B shortcuts, so that the sum
neither explodes nor needs a norm (the β of Balduzzi et al. 2017, arXiv:1702.08591, section 3.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from convblocks.analysis.ops import ADDITIONS
from convblocks.analysis.trace import trace
from convblocks.errors import TraceError
from convblocks.signal.observe import WEIGHT_LAYERS, run

PAIR = 2
Shapes = dict[int, tuple[torch.Size, torch.Size] | None]
"""By id of a module: the shapes of its input and output; None for one called twice, or with more than a tensor."""


class Shortcut(nn.Module):
    """x + scale · branch(x)."""

    def __init__(self, branch: nn.Module, scale: float = 1.0):
        super().__init__()
        self.branch, self.scale = branch, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Adds the scaled branch to its input, (N, …) each."""
        # cloned, since the branch may work in place
        return x + self.scale * self.branch(x.clone())


@dataclass(frozen=True, slots=True)
class Place:
    """Children `first` … of a module, in a row, that go under one shortcut."""

    parent: nn.Module
    children: tuple[str, ...]


def add_shortcuts_(module: nn.Module, x: torch.Tensor, layers: set[str]) -> str:
    """Puts shortcuts around `layers` wherever they fit, in place.

    Args:
        module: the module to change.
        x: a batch (N, C, *spatial).
        layers: module paths of weight layers.

    Returns:
        How many were added, as a text.

    Raises:
        TraceError: where none fits.
    """
    marked = {id(module.get_submodule(name)) for name in layers}
    places = _places(module, marked, _shapes(module, x), _adding(module, x))
    if not places:
        raise TraceError(
            "no layer without a shortcut keeps the shape of its input, so that none can be added"
        )
    for place in places:
        parts = [place.parent.get_submodule(name) for name in place.children]
        branch = parts[0] if len(parts) == 1 else nn.Sequential(*parts)
        setattr(place.parent, place.children[0], Shortcut(branch, len(places) ** -0.5))
        for name in place.children[1:]:  # not removed, so that indices stay
            setattr(place.parent, name, nn.Identity())
    return f"{len(places)} shortcuts, branches scaled by 1/√{len(places)}"


def _places(module: nn.Module, marked: set[int], shapes: Shapes, adding: set[int]) -> list[Place]:
    """Returns where shortcuts fit, from the outside in; never inside a module that adds already."""
    if id(module) in adding:
        return []
    places: list[Place] = []
    children = list(module.named_children())
    while children:
        row = _row(children if isinstance(module, nn.Sequential) else children[:1], marked, shapes, adding)
        if row:
            places.append(Place(module, tuple(name for name, _ in children[:row])))
        else:
            places += _places(children[0][1], marked, shapes, adding)
        children = children[row or 1 :]
    return places


def _row(
    children: Sequence[tuple[str, nn.Module]], marked: set[int], shapes: Shapes, adding: set[int]
) -> int:
    """Counts how many of the first children fit under one shortcut; 0 for none."""
    first, total, longest = shapes.get(id(children[0][1])), 0, 0
    if first is None or not _count(children[0][1], marked):
        return 0
    for place, (_, child) in enumerate(children, start=1):
        here = shapes.get(id(child))
        total += _count(child, marked)
        if here is None or total > PAIR or any(id(m) in adding for m in child.modules()):
            break
        if here[1] == first[0]:
            longest = place
    return longest


def _count(module: nn.Module, marked: set[int]) -> int:
    """Counts the weight layers within; those of side paths or the head make it too many to be touched."""
    layers = [m for m in module.modules() if isinstance(m, WEIGHT_LAYERS)]
    return len(layers) if all(id(m) in marked for m in layers) else PAIR + 1


def _shapes(module: nn.Module, x: torch.Tensor) -> Shapes:
    shapes: Shapes = {}

    def keep(part: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        plain = len(given) == 1 and isinstance(given[0], torch.Tensor) and isinstance(output, torch.Tensor)
        again = id(part) in shapes
        shapes[id(part)] = (given[0].shape, output.shape) if plain and not again else None

    handles = [part.register_forward_hook(keep) for part in module.modules()]
    try:
        run(module, x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def _adding(module: nn.Module, x: torch.Tensor) -> set[int]:
    """Returns the modules whose own forward adds two tensors; none where the module cannot be traced."""
    try:
        ops = trace(module, x.shape[1:]).ops
    except TraceError:
        return set()
    paths = {op.path for op in ops if op.name in ADDITIONS and len(op.inputs) > 1}
    return {id(module.get_submodule(path)) for path in paths}
