"""Scratch memory of single ops on a processor: what a kernel takes while it runs and gives back."""

from collections.abc import Set
from math import prod

import torch

from convblocks.analysis.memory import channels_last, kernels
from convblocks.analysis.memory.convolution import Convolution, convolution
from convblocks.analysis.memory.kernels import LANES, Kernel
from convblocks.analysis.rules import CONVOLUTIONS, TRANSPOSED, weight_of
from convblocks.analysis.trace.graph import Op

PRODUCTS = {"mul", "mul_", "__mul__", "__imul__", "__rmul__", "div", "div_", "__truediv__"}
SMALL_EXAMPLE = 20480  # elements of a single example, up to which PyTorch multiplies matrices itself

# The rules for a convolution's kernels, by whether the channels of its maps come last.
FORWARD_KERNEL = {False: kernels.forward_kernel, True: channels_last.forward_kernel}
INPUT_GRADIENT_KERNEL = {False: kernels.input_gradient_kernel, True: channels_last.input_gradient_kernel}
WEIGHT_GRADIENT_KERNEL = {False: kernels.weight_gradient_kernel, True: channels_last.weight_gradient_kernel}


class Workspace:
    """The workspace of ops on processors that have an instruction set, which may be one that is not modelled."""

    def __init__(self, instruction_set: str) -> None:
        self.lanes = LANES.get(instruction_set, 0)
        self.threads = torch.get_num_threads()
        self.modelled = True  # until a convolution is met whose kernels are not known

    def forward_bytes(self, op: Op) -> int:
        """Returns what an op holds at most besides its inputs and its output."""
        c = self._convolution(op)
        if c is None:
            return 0
        if not self._by_onednn(op, c):
            return _unfolded_bytes(c)
        made = op.outputs[0].bytes - c.copied_bytes
        if op.name not in TRANSPOSED:
            return _output_bytes(c, FORWARD_KERNEL[c.channels_last](c, self.lanes, self.threads)) - made
        kernel = INPUT_GRADIENT_KERNEL[c.channels_last](c, self.lanes, self.threads)
        biased = (kernel.x or made) if len(op.inputs) > 2 and kernel.copies == 1 else 0
        return _input_bytes(c, kernel, biased) - made

    def backward_bytes(self, op: Op, needs: Set[int]) -> int:
        """Returns what an op's backward pass holds at most besides the gradients that it is given and returns.

        A factor that was stretched gets the sum of a product as large as the output.
        """
        if op.name in PRODUCTS:
            out = op.outputs[0]
            return out.bytes if any(v.bytes < out.bytes and v.number in needs for v in op.inputs) else 0
        c = self._convolution(op)
        if c is None:
            return 0
        if not self._by_onednn(op, c):
            return _unfolded_bytes(c)
        given = op.inputs[0].bytes if op.inputs[0].number in needs else 0
        learnt = c.weight_bytes if weight_of(op).number in needs else 0
        held = [given + learnt]
        if given and op.name in TRANSPOSED:
            held.append(_output_bytes(c, FORWARD_KERNEL[c.channels_last](c, self.lanes, self.threads)))
        elif given:
            held.append(_input_bytes(c, INPUT_GRADIENT_KERNEL[c.channels_last](c, self.lanes, self.threads)))
        if learnt:
            kernel: Kernel = WEIGHT_GRADIENT_KERNEL[c.channels_last](c, self.lanes, self.threads)
            made = given + (kernel.weight or c.weight_bytes)
            copies = 2 if c.channels_last else 1
            held += [made + kernel.x + kernel.y + kernel.scratch, made + copies * learnt]
        return max(held) - given - learnt + c.copied_bytes

    def _convolution(self, op: Op) -> Convolution | None:
        """The op's shape; nothing where it is no convolution, or where the kernels for it are not known."""
        if op.name not in TRANSPOSED and op.name not in CONVOLUTIONS:
            return None
        c = convolution(op)
        if not self.lanes and self._by_onednn(op, c):
            self.modelled = False
            return None
        return c

    def _by_onednn(self, op: Op, c: Convolution) -> bool:
        """Whether PyTorch leaves the convolution to oneDNN (use_mkldnn in ATen's Convolution.cpp)."""
        if op.inputs[0].dtype != torch.float32 or not torch.backends.mkldnn.is_available():
            return False
        shape = op.inputs[0].shape
        example = prod(((1,) if len(shape) == 3 else ()) + tuple(shape[1:4]))
        window = c.kernel[-2:]
        worth = max(c.strides) > 1 or max(c.dilations) > 1 or c.batch >= 16 or max(window) > 1
        return (worth or self.threads > 1) and (
            c.groups > 1 or min(window) > 3 or c.batch > 1 or c.batch * example > SMALL_EXAMPLE
        )


def _output_bytes(c: Convolution, kernel: Kernel) -> int:
    """What is held while a kernel computes the output and while that is copied, with the output."""
    own = kernel.y or c.out_bytes
    return max(kernel.x + kernel.weight + kernel.scratch + own, own + kernel.copies * c.out_bytes)


def _input_bytes(c: Convolution, kernel: Kernel, scratch: int = 0) -> int:
    """What is held while a kernel computes the input's gradient and while that is copied, with the gradient."""
    own = kernel.x or c.in_bytes
    return max(kernel.y + kernel.weight + kernel.scratch + scratch + own, own + kernel.copies * c.in_bytes)


def _unfolded_bytes(c: Convolution) -> int:
    """PyTorch's own way unfolds every window of the batch, and multiplies matrices."""
    if c.point and max(c.strides) == 1:
        return 0
    window = c.in_channels * prod(c.kernel) * c.itemsize
    return c.batch * window * prod(c.out_sizes)
