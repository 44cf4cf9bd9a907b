"""The shape of a convolution, as the choice of its kernel depends on it."""

from math import prod

from msgspec import Struct


class Convolution(Struct, frozen=True):
    """The shape of a convolution, with an entry for each spatial axis, at least two: a signal is a map of one row.

    A transposed convolution has the shape of the one whose input's gradient it computes.
    """

    batch: int
    in_channels: int
    out_channels: int
    groups: int
    in_sizes: tuple[int, ...]
    out_sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    paddings: tuple[int, ...]
    dilations: tuple[int, ...]
    itemsize: int
    channels_last: bool = False  # whether PyTorch computes it with the channels of maps last
    copied_bytes: int = 0  # of input and weight, where that is another layout than theirs

    @property
    def depthwise(self) -> bool:
        """Returns whether each group has one channel, of input and of output."""
        return 1 < self.groups == self.in_channels == self.out_channels

    @property
    def point(self) -> bool:
        """Returns whether the kernel is 1×1 and nothing is padded."""
        return prod(self.kernel) == 1 and not any(self.paddings)

    @property
    def spans(self) -> list[int]:
        """Returns what the kernel covers along each axis."""
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]

    @property
    def ends(self) -> list[int]:
        """Padding behind that is used, along each axis; negative where the window ends before the map does."""
        axes = zip(self.in_sizes, self.out_sizes, self.strides, self.paddings, self.spans, strict=True)
        return [(o - 1) * s + span - i - p for i, o, s, p, span in axes]

    @property
    def outside(self) -> bool:
        """Returns whether a window can lie in the padding as a whole."""
        return any(span <= max(p, e) for span, p, e in zip(self.spans, self.paddings, self.ends, strict=True))

    @property
    def steps_over(self) -> bool:
        """Returns whether an axis has both a stride and a dilation, which blocked kernels' gradients refuse."""
        return any(s > 1 and d > 1 for s, d in zip(self.strides, self.dilations, strict=True))

    @property
    def in_bytes(self) -> int:
        """The bytes of the input."""
        return self.batch * self.in_channels * prod(self.in_sizes) * self.itemsize

    @property
    def out_bytes(self) -> int:
        """The bytes of the output."""
        return self.batch * self.out_channels * prod(self.out_sizes) * self.itemsize

    @property
    def weight_bytes(self) -> int:
        """The bytes of the weight."""
        return self.in_channels // self.groups * self.out_channels * prod(self.kernel) * self.itemsize

    def block(self, lanes: int) -> int:
        """Channels of a block, 0 if a group's channels do not fill blocks; without groups they are padded."""
        if self.groups == 1:
            return lanes
        per_group = self.in_channels // self.groups, self.out_channels // self.groups
        sizes = (8,) if lanes == 8 else (16, 8, 4)
        return next((size for size in sizes if not any(n % size for n in per_group)), 0)

    def channels(self, lanes: int) -> tuple[int, int]:
        """Returns the channels of input and output, rounded up to whole vectors."""
        return -(-self.in_channels // lanes) * lanes, -(-self.out_channels // lanes) * lanes
