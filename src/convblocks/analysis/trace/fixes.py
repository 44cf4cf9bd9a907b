"""The change that lets a forward pass, computed from the shapes of the op that failed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd, prod
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from convblocks.analysis.trace.fitting import GetsPast, Sizes, multiple_that_fits, projection
from convblocks.text import listed, times

if TYPE_CHECKING:
    from convblocks.analysis.ops.op import Op

NEAR = (0, 1, -1, 2, -2, 3, -3, 4, -4)  # positions by which rounding in the layers before may be off
COMMON = (224, 32, 28, 64, 96, 128, 192, 256, 299, 384, 512)  # sizes of images that networks are made for
LARGEST = 4096  # positions that are added to an input in search of one that is large enough


@dataclass(frozen=True)
class Broken:
    """The op at which a forward failed, and what it was given."""

    op: "Op"
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    layer: nn.Module | None  # the module that called it
    place: str  # the same by name
    depths: tuple[int, ...]  # of its tensors: how many layers each has passed
    sizes: Sizes  # of the module's inputs, without the batch axis
    gets_past: GetsPast
    succeeds: Callable[[Sizes], bool]  # whether it comes to its end

    @property
    def first(self) -> bool:
        """Returns whether no layer stands before it."""
        return not any(self.depths)

    def __getitem__(self, name: str) -> Any:
        """Returns an argument by its name, as the op's entry has it."""
        position, default = self.op.parameters[name]
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def option(self, name: str, value: Any, otherwise: str) -> str:
        """``in_features=400 in fc``, where the layer has such an option; `otherwise` if it has none."""
        at = f" in {self.place}" if self.place else ""
        return f"{name}={value}{at}" if hasattr(self.layer, name) else f"{otherwise}{at}"


def fix_of(broken: Broken) -> str:
    """Returns what to change as text; empty where the shapes do not say it."""
    rule = broken.op.fix
    return rule(broken) if rule else ""


def fix_convolution(broken: Broken) -> str:
    """Returns the fix of a convolution: its channels, groups, axes or type, or a larger input."""
    x, weight = broken["input"], broken["weight"]
    dims, transposed = weight.ndim - 2, "output_padding" in broken.op.parameters
    groups = broken["groups"]
    takes = weight.shape[0] if transposed else weight.shape[1] * groups
    if other := _other_dtype(broken, x, weight):
        return other
    if x.ndim != dims + 2:
        return _other_axes(broken, x, dims, takes)
    if x.shape[1] != takes:
        return _other_channels(broken, x, takes, groups)
    if weight.shape[0] % groups:
        return f"groups={gcd(groups, weight.shape[0])}, which divides its {weight.shape[0]} output channels"
    return "" if transposed else _larger_than_map(broken, x, weight.shape[2:])


def _other_dtype(broken: Broken, x: torch.Tensor, weight: torch.Tensor) -> str:
    if x.dtype == weight.dtype or broken.first:
        return ""
    before = f" before {broken.place}" if broken.place else ""
    return f"convert the tensor{before} by .to({weight.dtype}), or the module to {x.dtype}"


def _other_axes(broken: Broken, x: torch.Tensor, dims: int, takes: int) -> str:
    if broken.first:
        spatial = [*x.shape[1:]][-dims:] or [32]
        example = "x".join(map(str, [takes, *[spatial[0]] * (dims - len(spatial)), *spatial]))
        return (
            f"give the channels that this layer takes first and then its {_axes(dims)}, e.g. {example}"
            + _instead(x, dims)
        )
    if x.ndim == dims + 1:
        return f"give {broken.place} a batch: x.unsqueeze(0) in front of it where x is one example"
    came = f"it takes (batch, {takes}) and {_axes(dims)}, and gets {times(x.shape)}"
    return f"{came}: unflatten it first{_instead(x, dims)}"


def _axes(dims: int) -> str:
    return f"{dims} spatial {'axis' if dims == 1 else 'axes'}"


def _instead(x: torch.Tensor, dims: int) -> str:
    return f", or use Conv{x.ndim - 2}d" if 3 <= x.ndim <= 5 and x.ndim != dims + 2 else ""


def _other_channels(broken: Broken, x: torch.Tensor, takes: int, groups: int) -> str:
    came = x.shape[1]
    change = broken.option("in_channels", came, f"a weight for {came} channels")
    if came % groups:
        change += f" and groups={gcd(came, groups)}"
    if x.shape[-1] == takes:
        order = ", ".join(map(str, (0, x.ndim - 1, *range(1, x.ndim - 1))))
        change += f", or move the channels to the second axis: x.permute({order})"
    if not broken.first:
        return change
    example = "x".join(map(str, (takes, *x.shape[2:])))
    return f"give the channels that this layer takes first and then the spatial axes, e.g. {example}; or {change}"


def fix_pool(broken: Broken) -> str:
    """Returns the fix of a pool that is larger than its map."""
    x, kernel, dims = broken["input"], broken["kernel_size"], broken.op.axes
    kernel = (
        (kernel,) * dims if isinstance(kernel, int) else tuple(kernel) * (dims if len(kernel) == 1 else 1)
    )
    return _larger_than_map(broken, x, kernel)


def _larger_than_map(broken: Broken, x: torch.Tensor, kernel: Sequence[int]) -> str:
    """A larger input, the smallest that gets past; or the padding that lets the kernel fit."""
    dims = len(kernel)
    conv, padding = broken.op.layer, broken["padding"]
    dilation = broken["dilation"] if "dilation" in broken.op.parameters else 1
    pads, steps = (
        [v] * dims if isinstance(v, int) else [*v] * (dims if len(v) == 1 else 1) for v in (padding, dilation)
    )
    map_ = x.shape[-dims:]
    lacking = [d * (k - 1) + 1 - n - 2 * p for n, k, p, d in zip(map_, kernel, pads, steps, strict=True)]
    if max(lacking) <= 0:
        return ""
    wider = max(p + -(-n // 2) for p, n in zip(pads, lacking, strict=True))
    change = f", or {broken.option('padding', wider, f'pad by {wider}')}" if conv else ""
    return f"give a larger input{_smallest(broken)}{change}"


def _smallest(broken: Broken) -> str:
    """``, of at least 3×32×32``: the same number of positions more along each axis."""

    def grown(more: int) -> Sizes:
        return [(size[0], *(n + more for n in size[1:])) for size in broken.sizes]

    if not any(len(size) > 1 for size in broken.sizes):
        return ""
    fails, passes = 0, 1
    while not broken.gets_past(grown(passes)):
        fails, passes = passes, 2 * passes
        if passes > LARGEST:
            return ""
    while passes - fails > 1:
        middle = (fails + passes) // 2
        fails, passes = (fails, middle) if broken.gets_past(grown(middle)) else (middle, passes)
    return f", of at least {listed(map(times, grown(passes)))}"


def fix_pad(broken: Broken) -> str:
    """Reflected and circular paddings are smaller than the map."""
    return f"give a larger input{_smallest(broken)}"


def fix_linear(broken: Broken) -> str:
    """Returns the fix of a linear layer: its features, the order of the axes, or an input that it is made for."""
    x, weight = broken["input"], broken["weight"]
    if other := _other_dtype(broken, x, weight):
        return other
    takes, flat = weight.shape[1], prod(x.shape[1:])
    if x.shape[-1] == takes:
        return ""
    if x.ndim > 2 and flat == takes:
        return f"flatten the map in front of it: x.flatten(1) gives its {takes} features"
    if x.ndim > 2 and x.shape[1] == takes:
        axes = ", ".join(map(str, range(2, x.ndim)))
        return (
            f"put the channels last (x.movedim(1, -1)) or take their mean over positions (x.mean(({axes})))"
        )
    came = flat if x.ndim > 3 else x.shape[-1]
    first = "flatten the map in front of it, and " if x.ndim > 3 else ""
    change = broken.option("in_features", came, f"a weight for {came} features")
    return first + change + _made_for(broken, takes / came)


def _made_for(broken: Broken, ratio: float) -> str:
    """``, or an input of 3×224×224``: a size with which the layer fits, common or of `ratio` times the positions."""
    if not all(len(size) > 1 for size in broken.sizes):
        return ""
    rank = len(broken.sizes[0]) - 1
    scaled = [
        [(s[0], *(round(n * ratio ** (1 / rank)) + more for n in s[1:])) for s in broken.sizes]
        for more in NEAR
    ]
    common = [[(s[0], *[n] * (len(s) - 1)) for s in broken.sizes] for n in COMMON]
    for sizes in (*scaled, *common):
        if min(map(min, sizes)) > 0 and broken.succeeds(sizes):
            return f", or an input of {listed(map(times, sizes))}"
    return ""


def fix_batch_norm(broken: Broken) -> str:
    """Returns the fix of a batch or instance norm: its number of channels."""
    return broken.option("num_features", came := broken.args[0].shape[1], f"statistics of {came} channels")


def fix_layer_norm(broken: Broken) -> str:
    """Returns the fix of a layer norm: its shape, or the order of the axes."""
    x, shape = broken.args[0], tuple(broken["normalized_shape"])
    if len(shape) == 1 and x.ndim > 2 and x.shape[1] == shape[0]:
        return f"put the channels last (x.movedim(1, -1)), or use GroupNorm(1, {shape[0]})"
    last = tuple(x.shape[-len(shape) :])
    return broken.option("normalized_shape", last if len(last) > 1 else last[0], f"a norm over {times(last)}")


def fix_group_norm(broken: Broken) -> str:
    """Returns the fix of a group norm: its groups, and its number of channels."""
    came, groups = broken.args[0].shape[1], broken["num_groups"]
    change = broken.option("num_channels", came, f"weights of {came} channels")
    return f"num_groups={gcd(came, groups)} and {change}" if came % groups else change


def fix_prelu(broken: Broken) -> str:
    """Returns the fix of a PReLU: its number of slopes."""
    return broken.option("num_parameters", broken.args[0].shape[1], "a slope for each channel")


def fix_pixel_shuffle(broken: Broken) -> str:
    """Returns the fix of a pixel shuffle: channels that its factor divides."""
    came, factor = broken.args[0].shape[-3], broken["upscale_factor"]
    fits = max(1, round(came / factor**2)) * factor**2
    return f"give it a multiple of {factor}² = {factor**2} channels, e.g. {fits} in place of {came}"


def fix_product(broken: Broken) -> str:
    """Returns the fix of a product of matrices whose sizes differ."""
    a, b = broken.args[:2]
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] == b.shape[-2]:
        return ""
    if a.shape[-1] == b.shape[-1]:
        return "transpose the second: transpose(-2, -1)"
    return f"the second needs {a.shape[-1]} rows where it has {b.shape[-2]}"


def fix_view(broken: Broken) -> str:
    """Returns the fix of a view or reshape."""
    x = broken.args[0]
    given = broken["shape"] if broken["shape"] is not None else broken.kwargs.get("size")
    sizes = [int(n) for n in (given if isinstance(given, tuple | list) else broken.args[1:])]
    known = prod(n for n in sizes if n >= 0)
    if known == x.numel() or (-1 in sizes and known and x.numel() % known == 0):
        return "its elements do not lie side by side: use reshape in place of view"
    batch = x.shape[0]
    each = x.numel() // max(batch, 1)
    if -1 not in sizes and len(sizes) > 1 and prod(sizes[1:]) == each:
        return f"the batch of {sizes[0]} is fixed: use x.shape[0] in its place"
    return f"an example has {each} values here: x.flatten(1), and {each} features in the layer behind it"


def fix_sum(broken: Broken) -> str:
    """Returns the fix of an operation on two maps: input sizes, or a projection of one of them."""
    a, b = (t if isinstance(t, torch.Tensor) else None for t in broken.args[:2])
    if a is None or b is None or a.ndim != b.ndim or a.ndim < 2:
        return ""
    if a.shape[2:] != b.shape[2:] and (multiple := multiple_that_fits(broken.sizes, broken.gets_past)):
        return multiple
    short, long = (a, b) if broken.depths[0] <= broken.depths[-1] else (b, a)
    change = projection(tuple(short.shape), tuple(long.shape))
    return f"{change} on the side of {times(short.shape[1:])}" if change else ""


def fix_joined(broken: Broken) -> str:
    """Returns the fix of a concatenation: input sizes at which the maps fit."""
    return multiple_that_fits(broken.sizes, broken.gets_past)
