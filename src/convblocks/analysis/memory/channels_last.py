"""The kernels for maps whose channels lie side by side, which oneDNN reads and writes where they are.

Weights are still copied into blocks, of as many channels as a vector has lanes, for the inputs and for the outputs of
each group. A depthwise convolution, whose groups have one channel, thus gets lanes² times its weight, unless a kernel
of its own computes it.
"""

from math import prod

from convblocks.analysis.memory.convolution_shape import Convolution
from convblocks.analysis.memory.kernels import (
    Kernel,
    columns,
    depthwise_sums,
    some_columns,
    sums,
    sums_fit,
)

MATRICES = 8 * 1024  # bytes of scratch for each thread, of kernels that multiply matrices in blocks


def forward_kernel(c: Convolution, lanes: int, threads: int) -> Kernel:
    """Returns the kernel that computes the output."""
    if c.depthwise and not c.outside:
        return _in_place("depthwise", _rounded(c.in_channels, lanes) * prod(c.kernel) * c.itemsize)
    if c.depthwise and lanes == 8:
        return _in_place("general", c.weight_bytes, some_columns(c, lanes, threads))
    return _in_place("blocked", _blocks(c, lanes), 0 if c.depthwise else MATRICES * threads)


def input_gradient_kernel(c: Convolution, lanes: int, threads: int) -> Kernel:
    """Returns the kernel that computes the gradient of the input."""
    if c.depthwise and len(c.kernel) == 2 and max(c.dilations) == 1:
        return _in_place("depthwise", _rounded(c.in_channels, lanes) * prod(c.kernel) * c.itemsize)
    if c.steps_over or (c.depthwise and lanes == 8 and max(c.strides) > 1):
        return _in_place("general", c.weight_bytes, columns(c, lanes, threads))
    return _in_place("blocked", _blocks(c, lanes), 0 if c.depthwise else MATRICES * threads)


def weight_gradient_kernel(c: Convolution, lanes: int, threads: int) -> Kernel:
    """Returns the kernel that computes the gradient of the weight."""
    if c.depthwise and depthwise_sums(c):
        return _in_place("depthwise", _rounded(c.in_channels, lanes) * prod(c.kernel) * c.itemsize)
    if (c.point and c.groups == 1) or sums_fit(c, lanes):
        return _in_place("blocked", _blocks(c, lanes))
    return _in_place("general", c.weight_bytes, sums(c, threads))


def _in_place(name: str, weight: int, scratch: int = 0) -> Kernel:
    return Kernel(name, 0, weight, 0, scratch, copies=0)


def _blocks(c: Convolution, lanes: int) -> int:
    """Bytes of a weight whose channels fill blocks in each group; without groups, few inputs are left as they are."""
    few = c.groups == 1 and c.in_channels < lanes
    ic = c.in_channels if few else _rounded(c.in_channels // c.groups, lanes)
    oc = _rounded(c.out_channels // c.groups, lanes)
    return c.groups * ic * oc * prod(c.kernel) * c.itemsize


def _rounded(channels: int, lanes: int) -> int:
    return -(-channels // lanes) * lanes
