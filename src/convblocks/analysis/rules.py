"""What an op means: the tables that cost and receptive field read.

An op that stands in no table is reported by name, never counted as zero.
"""

from dataclasses import dataclass
from typing import Any

from convblocks.analysis.trace import Op, Value

CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
POOLS = {
    "max_pool1d": 1,
    "max_pool2d": 2,
    "max_pool3d": 3,
    "avg_pool1d": 1,
    "avg_pool2d": 2,
    "avg_pool3d": 3,
}
LINEAR = {"linear"}
# Every output position depends on the same position of the inputs, and on nothing else.
POINTWISE = (
    {
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "silu",
        "mish",
        "hardswish",
        "gelu",
        "tanh",
        "sigmoid",
        "hardsigmoid",
    }
    | {"batch_norm", "layer_norm", "dropout", "bernoulli_"}
    | {"add", "add_", "__add__", "__iadd__", "__radd__", "sub", "__sub__", "__rsub__"}
    | {"mul", "mul_", "__mul__", "__imul__", "__rmul__", "div", "div_", "__truediv__"}
    | {"to", "contiguous", "clone", "expand", "view"}
)
# Every output position depends on the whole map.
GLOBAL = {"group_norm", "instance_norm"}
REDUCTIONS = {"mean", "sum", "amax"}
SHAPES = {"movedim", "permute", "transpose", "flatten", "pad"}

KNOWN = CONVOLUTIONS.keys() | POOLS.keys() | LINEAR | POINTWISE | GLOBAL | REDUCTIONS | SHAPES


@dataclass(frozen=True, slots=True)
class Window:
    """What a convolution or pool sees along one axis."""

    size: int
    stride: int
    padding: int
    dilation: int


def argument(op: Op, position: int, name: str, default: Any = None) -> Any:
    """An argument given by place or by name."""
    if len(op.args) > position:
        return op.args[position]
    return op.kwargs.get(name, default)


def weight_of(op: Op) -> Value:
    """The weight of a convolution or linear op."""
    value = argument(op, 1, "weight")
    assert isinstance(value, Value)
    return value


def windows(op: Op) -> tuple[Window, ...] | None:
    """The window per spatial axis of a convolution or pool; None for any other op."""
    if dims := CONVOLUTIONS.get(op.name):
        stride, padding, dilation = (
            _spread(argument(op, i, name, default), dims)
            for i, name, default in ((3, "stride", 1), (4, "padding", 0), (5, "dilation", 1))
        )
        size = weight_of(op).shape[2:]
    elif dims := POOLS.get(op.name):
        size = _spread(argument(op, 1, "kernel_size"), dims)
        stride = _spread(argument(op, 2, "stride") or size, dims)
        padding = _spread(argument(op, 3, "padding", 0), dims)
        dilation = _spread(argument(op, 4, "dilation", 1), dims) if op.name.startswith("max") else (1,) * dims
    else:
        return None
    return tuple(map(Window, size, stride, padding, dilation))


def _spread(value: Any, dims: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * dims if len(values) == 1 else values
