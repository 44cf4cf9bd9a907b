"""Pools that halve a map: (N, C, *n) → (N, C, *ceil(n / 2)); max3_unpadded gives one position less."""

from collections.abc import Callable
from functools import reduce

import torch
import torch.nn.functional as F
from torch import nn

from convblocks.checks import one_of

MAX_POOL: dict[int, Callable[..., torch.Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOL: dict[int, Callable[..., torch.Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_POOL: dict[int, Callable[..., torch.Tensor]] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}
CONVOLVE: dict[int, Callable[..., torch.Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class Pool(nn.Module):
    """Maximum or mean over windows of `stride`, cut at the edge; (N, C, *n) → (N, C, *ceil(n / stride))."""

    def __init__(self, how: str, stride: tuple[int, ...]):
        super().__init__()
        self.how, self.stride = how, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # PyTorch's 3d pools refuse a window larger than the map
        windows = tuple(min(n, s) for n, s in zip(x.shape[2:], self.stride, strict=True))
        dims = len(self.stride)
        if self.how == "max":
            return MAX_POOL[dims](x, windows, self.stride, ceil_mode=True)
        return AVERAGE_POOL[dims](x, windows, self.stride, ceil_mode=True, count_include_pad=False)

    def extra_repr(self) -> str:
        """Returns what `repr` shows between the brackets."""
        return f"{self.how}, stride={self.stride}"


class BlurPool(nn.Module):
    """Binomial blur, then every second pixel: no aliasing (Zhang 2019, arXiv:1904.11486)."""

    blur: torch.Tensor

    def __init__(self, dims: int):
        super().__init__()
        self.dims = dims
        line = torch.tensor([0.25, 0.5, 0.25])
        kernel = reduce(lambda k, _: k.unsqueeze(-1) * line, range(dims - 1), line)
        self.register_buffer("blur", kernel[None, None], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels = x.shape[1]
        # replicate, not the paper's reflect, which a map of one pixel cannot have
        x = F.pad(x, (1, 1) * self.dims, mode="replicate")
        blur = self.blur.to(x.dtype).expand(channels, *self.blur.shape[1:])
        return CONVOLVE[self.dims](x, blur, stride=2, groups=channels)


MAX_POOL_LAYER: dict[int, Callable[..., nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}

POOLS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda dims: nn.Identity(),
    "max": lambda dims: Pool("max", (2,) * dims),
    # windows that overlap: ResNet's keeps the edge, AlexNet's (Krizhevsky et al. 2012, section 3.4) leaves it out
    "max3": lambda dims: MAX_POOL_LAYER[dims](3, 2, 1),
    "max3_unpadded": lambda dims: MAX_POOL_LAYER[dims](3, 2),
    "average": lambda dims: Pool("average", (2,) * dims),
    "blur": BlurPool,
}


def make_pool(name: str, dims: int = 2) -> nn.Module:
    """Returns the pool of that name; (N, C, *n) → (N, C, *ceil(n / 2))."""
    return POOLS[one_of("pool", name, POOLS)](dims)
