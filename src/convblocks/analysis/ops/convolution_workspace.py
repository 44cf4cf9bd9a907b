"""Scratch memory of a convolution on a processor: what its kernels take while they run and give back."""

from collections.abc import Set
from math import prod

import torch

from convblocks.analysis.memory import channels_last, kernels
from convblocks.analysis.memory.convolution_shape import Convolution
from convblocks.analysis.memory.kernels import Kernel
from convblocks.analysis.memory.workspace import Workspace
from convblocks.analysis.ops.op import WorkspaceRule
from convblocks.analysis.ops.window import weight_of, windows
from convblocks.analysis.trace.graph import OpCall
from convblocks.analysis.trace.layouts import channels_last as lies_channels_last
from convblocks.analysis.trace.layouts import dense_channels_last

SMALL_EXAMPLE = 20480  # elements of a single example, up to which PyTorch multiplies matrices itself

# The rules for a convolution's kernels, by whether the channels of its maps come last.
FORWARD_KERNEL = {False: kernels.forward_kernel, True: channels_last.forward_kernel}
INPUT_GRADIENT_KERNEL = {False: kernels.input_gradient_kernel, True: channels_last.input_gradient_kernel}
WEIGHT_GRADIENT_KERNEL = {False: kernels.weight_gradient_kernel, True: channels_last.weight_gradient_kernel}


def convolution(call: OpCall) -> Convolution:
    """Returns the shape of a call that is a convolution, transposed or not."""
    weight, given, result = weight_of(call), call.inputs[0], call.outputs[0]
    x, y = (result, given) if _transposed(call) else (given, result)
    axes = len(weight.shape) - 2
    row = (1,) if axes == 1 else ()
    along = windows(call)
    last = lies_channels_last(weight.shape, weight.stride) or (
        len(given.shape) == axes + 2 and lies_channels_last(given.shape, given.stride)
    )
    copied = [v for v in (given, weight) if last and not dense_channels_last(v.shape, v.stride)]
    return Convolution(
        batch=prod(x.shape[: -axes - 1]),
        in_channels=x.shape[-axes - 1],
        out_channels=y.shape[-axes - 1],
        groups=x.shape[-axes - 1] // weight.shape[1],
        in_sizes=row + tuple(x.shape[-axes:]),
        out_sizes=row + tuple(y.shape[-axes:]),
        kernel=row + tuple(weight.shape[2:]),
        strides=row + tuple([each.stride for each in along]),
        paddings=tuple(0 for _ in row) + tuple([each.padding for each in along]),
        dilations=row + tuple([each.dilation for each in along]),
        itemsize=given.dtype.itemsize,
        channels_last=last,
        copied_bytes=sum([value.bytes for value in copied]),
    )


def _transposed(call: OpCall) -> bool:
    return "output_padding" in call.entry.parameters


def _forward(machine: Workspace, call: OpCall) -> int:
    c = _modelled(machine, call)
    if c is None:
        return 0
    if not _by_onednn(machine, call, c):
        return _unfolded_bytes(c)
    lanes, threads = machine.lanes, machine.threads
    made = call.outputs[0].bytes - c.copied_bytes
    if not _transposed(call):
        return _output_bytes(c, FORWARD_KERNEL[c.channels_last](c, lanes, threads)) - made
    kernel = INPUT_GRADIENT_KERNEL[c.channels_last](c, lanes, threads)
    biased = (kernel.x or made) if len(call.inputs) > 2 and kernel.copies == 1 else 0
    return _input_bytes(c, kernel, biased) - made


def _backward(machine: Workspace, call: OpCall, needs: Set[int]) -> int:
    c = _modelled(machine, call)
    if c is None:
        return 0
    if not _by_onednn(machine, call, c):
        return _unfolded_bytes(c)
    lanes, threads = machine.lanes, machine.threads
    given = call.inputs[0].bytes if call.inputs[0].number in needs else 0
    learnt = c.weight_bytes if weight_of(call).number in needs else 0
    held = [given + learnt]
    if given and _transposed(call):
        held.append(_output_bytes(c, FORWARD_KERNEL[c.channels_last](c, lanes, threads)))
    elif given:
        held.append(_input_bytes(c, INPUT_GRADIENT_KERNEL[c.channels_last](c, lanes, threads)))
    if learnt:
        kernel: Kernel = WEIGHT_GRADIENT_KERNEL[c.channels_last](c, lanes, threads)
        made = given + (kernel.weight or c.weight_bytes)
        copies = 2 if c.channels_last else 1
        held += [made + kernel.x + kernel.y + kernel.scratch, made + copies * learnt]
    return max(held) - given - learnt + c.copied_bytes


WORKSPACE = WorkspaceRule(_forward, _backward)


def _modelled(machine: Workspace, call: OpCall) -> Convolution | None:
    """Returns the shape of a convolution; nothing where the kernels for it are not known."""
    c = convolution(call)
    if not machine.lanes and _by_onednn(machine, call, c):
        machine.modelled = False
        return None
    return c


def _by_onednn(machine: Workspace, call: OpCall, c: Convolution) -> bool:
    """Returns whether PyTorch leaves the convolution to oneDNN (use_mkldnn in ATen's Convolution.cpp)."""
    if call.inputs[0].dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return False
    shape = call.inputs[0].shape
    example = prod(((1,) if len(shape) == 3 else ()) + tuple(shape[1:4]))
    window = c.kernel[-2:]
    worth = max(c.strides) > 1 or max(c.dilations) > 1 or c.batch >= 16 or max(window) > 1
    return (worth or machine.threads > 1) and (
        c.groups > 1 or min(window) > 3 or c.batch > 1 or c.batch * example > SMALL_EXAMPLE
    )


def _output_bytes(c: Convolution, kernel: Kernel) -> int:
    """Returns what is held while a kernel computes the output and while that is copied, with the output."""
    own = kernel.y or c.out_bytes
    return max(kernel.x + kernel.weight + kernel.scratch + own, own + kernel.copies * c.out_bytes)


def _input_bytes(c: Convolution, kernel: Kernel, scratch: int = 0) -> int:
    """Returns what is held while a kernel computes the input's gradient and that is copied, with the gradient."""
    own = kernel.x or c.in_bytes
    return max(kernel.y + kernel.weight + kernel.scratch + scratch + own, own + kernel.copies * c.in_bytes)


def _unfolded_bytes(c: Convolution) -> int:
    """Returns what PyTorch's own way takes, which unfolds every window of the batch and multiplies matrices."""
    if c.point and max(c.strides) == 1:
        return 0
    window = c.in_channels * prod(c.kernel) * c.itemsize
    return c.batch * window * prod(c.out_sizes)
