"""Scratch memory of single ops on a processor: what a kernel takes while it runs and gives back.

oneDNN's convolutions work on maps and weights in blocks of channels, into which and out of which they copy.
Measured with PyTorch's profiler over 40 shapes of convolution; padding of channels to whole blocks is left out.
"""

from collections.abc import Set

import torch

from convblocks.analysis.rules import CONVOLUTIONS, TRANSPOSED, argument
from convblocks.analysis.trace.graph import Op

PRODUCTS = {"mul", "mul_", "__mul__", "__imul__", "__rmul__", "div", "div_", "__truediv__"}
LARGEST_KERNEL = 14  # that oneDNN compiles a kernel for
COPIES = 4  # of the weight's gradient, summed by the general way, which larger kernels and tiny maps take


def forward_workspace_bytes(op: Op) -> int:
    """Besides the output: input and weight in blocks, or the output in blocks when it is copied out."""
    if not _in_blocks(op):
        return 0
    x, weight = op.inputs[:2]
    return max(x.bytes + weight.bytes, op.outputs[0].bytes)


def backward_workspace_bytes(op: Op, needs: Set[int]) -> int:
    """Besides the gradients: input and output's gradient in blocks, or the weight's gradient in blocks.

    A factor that was stretched gets the sum of a product as large as the output.
    """
    if op.name in PRODUCTS:
        out = op.outputs[0]
        return out.bytes if any(v.bytes < out.bytes and v.number in needs for v in op.inputs) else 0
    if not _in_blocks(op):
        return 0
    x, weight = op.inputs[:2]
    general = any(k > min(n, LARGEST_KERNEL) for k, n in zip(weight.shape[2:], x.shape[2:], strict=True))
    return max(x.bytes + op.outputs[0].bytes, weight.bytes * (COPIES if general else 1))


def _in_blocks(op: Op) -> bool:
    """PyTorch multiplies matrices itself where one thread has a 1×1 convolution of fewer than 16 examples."""
    if op.name in TRANSPOSED:
        return True
    if op.name not in CONVOLUTIONS:
        return False
    x, weight = op.inputs[:2]
    stride = argument(op, 3, "stride", 1)
    plain = max(weight.shape[2:]) == 1 and (stride == 1 or set(stride) == {1})
    return not plain or x.shape[0] >= 16 or torch.get_num_threads() > 1
