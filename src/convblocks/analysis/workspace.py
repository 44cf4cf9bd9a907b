"""Scratch memory of single ops on a processor: what a kernel takes while it runs and gives back.

oneDNN's convolutions work on maps and weights in blocks of channels, into which and out of which they copy.
Measured with PyTorch's profiler over 30 shapes of convolution. Padding of channels to whole blocks is left out; so is
that PyTorch itself runs 1×1 convolutions of fewer than 16 examples where it has one thread, without scratch.
"""

from convblocks.analysis.graph import Op
from convblocks.analysis.rules import CONVOLUTIONS, TRANSPOSED

LARGEST_KERNEL = 14  # that oneDNN compiles a kernel for
COPIES = 4  # of the weight's gradient, summed by the general way, which larger kernels and tiny maps take


def forward_workspace_bytes(op: Op) -> int:
    """Besides the output: input and weight in blocks, or the output in blocks when it is copied out."""
    if op.name not in CONVOLUTIONS and op.name not in TRANSPOSED:
        return 0
    x, weight = op.inputs[:2]
    return max(x.bytes + weight.bytes, op.outputs[0].bytes)


def backward_workspace_bytes(op: Op) -> int:
    """Besides the gradients: input and output's gradient in blocks, or the weight's gradient in blocks."""
    if op.name not in CONVOLUTIONS and op.name not in TRANSPOSED:
        return 0
    x, weight = op.inputs[:2]
    general = any(k > min(n, LARGEST_KERNEL) for k, n in zip(weight.shape[2:], x.shape[2:], strict=True))
    return max(x.bytes + op.outputs[0].bytes, weight.bytes * (COPIES if general else 1))
