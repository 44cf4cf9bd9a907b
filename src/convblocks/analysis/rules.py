"""What an op means: the tables that cost and receptive field read.

An op that stands in no table is reported by name, never counted as zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from convblocks.analysis.trace import Op, Value

CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
TRANSPOSED = {"conv_transpose1d": 1, "conv_transpose2d": 2, "conv_transpose3d": 3}
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
        "relu_",
        "relu6",
        "leaky_relu",
        "elu",
        "silu",
        "mish",
        "hardswish",
        "hardsigmoid",
        "hardtanh",
        "gelu",
    }
    | {
        "tanh",
        "sigmoid",
        "sigmoid_",
        "softplus",
        "exp",
        "log",
        "sqrt",
        "rsqrt",
        "square",
        "pow",
        "abs",
        "neg",
    }
    | {"sin", "cos", "clamp", "clamp_", "clip", "round", "floor", "maximum", "minimum", "reciprocal", "erf"}
    | {"batch_norm", "dropout", "dropout1d", "dropout2d", "dropout3d", "bernoulli_", "where", "masked_fill"}
    | {"add", "add_", "__add__", "__iadd__", "__radd__", "sub", "sub_", "__sub__", "__rsub__", "addcmul"}
    | {"mul", "mul_", "__mul__", "__imul__", "__rmul__", "div", "div_", "__truediv__", "__pow__", "__rpow__"}
    | {"__neg__", "__invert__", "__gt__", "__lt__", "__ge__", "__le__", "__eq__", "__ne__", "__rtruediv__"}
    | {"to", "type_as", "float", "half", "bfloat16", "long", "int", "bool", "contiguous", "clone", "detach"}
    | {"expand", "expand_as", "alias", "identity", "cpu", "cuda", "requires_grad_", "type", "double"}
)
# Every output position depends on the whole map.
GLOBAL = {"group_norm", "instance_norm"}
# They mix along the axes given by `dim`, which vanish or, with keepdim, become one.
REDUCTIONS = {
    "mean",
    "sum",
    "amax",
    "amin",
    "max",
    "min",
    "std",
    "var",
    "logsumexp",
    "norm",
    "prod",
    "all",
    "any",
}
# They mix along the axis given by `dim`, which stays.
MIXING = {"softmax", "log_softmax", "normalize", "cumsum", "argmax", "topk", "sort"}
# They mix along the last axes.
NORMS_OF_LAST_AXES = {"layer_norm", "rms_norm"}
# They move, cut and join, and compute nothing.
SHAPES = (
    {"movedim", "permute", "transpose", "swapaxes", "flatten", "unflatten", "view", "reshape", "reshape_as"}
    | {
        "view_as",
        "squeeze",
        "unsqueeze",
        "cat",
        "concat",
        "stack",
        "split",
        "chunk",
        "unbind",
        "tensor_split",
    }
    | {
        "narrow",
        "select",
        "index_select",
        "gather",
        "take_along_dim",
        "__getitem__",
        "__setitem__",
        "__get__",
    }
    | {"pad", "roll", "flip", "repeat", "repeat_interleave", "tile", "unfold", "fold", "t", "numpy_T"}
    | {
        "pixel_shuffle",
        "pixel_unshuffle",
        "channel_shuffle",
        "meshgrid",
        "one_hot",
        "tril",
        "triu",
        "zeros_like",
    }
    | {"ones_like", "empty_like", "full_like", "rand_like", "randn_like", "new_zeros", "new_ones", "new_full"}
    | {
        "new_empty",
        "new_tensor",
        "embedding",
        "interpolate",
        "grid_sample",
        "affine_grid",
        "index_put_",
        "copy_",
    }
    | {"masked_select", "nonzero", "bucketize", "as_strided", "masked_fill_", "fill_", "zero_", "set_"}
)
ADAPTIVE = {f"adaptive_{kind}_pool{dims}d": dims for kind in ("avg", "max") for dims in (1, 2, 3)}


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
        padding = argument(op, 4, "padding", 0)
        stride, dilation = (_spread(argument(op, i, n, 1), dims) for i, n in ((3, "stride"), (5, "dilation")))
        size = weight_of(op).shape[2:]
        if isinstance(padding, str):  # "same" puts the odd one out behind
            whole = (d * (k - 1) for k, d in zip(size, dilation, strict=True))
            padding = [w // 2 if padding == "same" else 0 for w in whole]
        padding = _spread(padding, dims)
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


def _weighted(op: Op) -> int:
    """Each output element of a convolution or linear layer reads its part of the weight once."""
    return prod(op.outputs[0].shape) * prod(weight_of(op).shape[1:])


def _transposed(op: Op) -> int:
    """Each input element is spread over its part of the weight once."""
    return prod(op.inputs[0].shape) * prod(weight_of(op).shape[1:])


def _product(op: Op) -> int:
    """Matrix products: each output element is a sum over the axis that both share."""
    left = op.inputs[-2]
    return prod(op.outputs[0].shape) * left.shape[-1]


def _attention(op: Op) -> int:
    """Scores, then their weighted sum (Vaswani et al. 2017, section 3.2.1)."""
    query, key, value = op.inputs[:3]
    pairs = prod(query.shape[:-1]) * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


def _multi_head(op: Op) -> int:
    """The three projections in, attention, the projection out; all of width E."""
    query, key, value = op.inputs[:3]
    width = query.shape[-1]
    positions, others = prod(query.shape[:-1]), prod(key.shape[:-1])
    projected = width * (positions * width + others * (key.shape[-1] + value.shape[-1]) + positions * width)
    batch = query.shape[1] if len(query.shape) == 3 else 1
    return projected + 2 * positions * (others // batch) * width


def _einsum(op: Op) -> int:
    """Two operands: every combination of the letters once."""
    letters = str(op.args[0]).replace(" ", "").partition("->")[0].split(",")
    if len(letters) > 2 or "." in str(op.args[0]):
        return -1
    sizes = {
        c: n
        for part, value in zip(letters, op.inputs, strict=True)
        for c, n in zip(part, value.shape, strict=True)
    }
    return prod(sizes.values()) if len(letters) == 2 else 0


def _recurrent(op: Op) -> int:
    """Every weight matrix of every layer once for each step; biases have one axis, weights two."""
    steps = prod(op.inputs[0].shape[:-1])
    return steps * sum(prod(v.shape) for v in op.inputs if len(v.shape) == 2)


MACS: dict[str, Callable[[Op], int]] = {
    **dict.fromkeys(CONVOLUTIONS, _weighted),
    **dict.fromkeys(TRANSPOSED, _transposed),
    **dict.fromkeys(LINEAR, _weighted),
    **dict.fromkeys(("matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "baddbmm"), _product),
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    "einsum": _einsum,
    "lstm": _recurrent,
    "gru": _recurrent,
}


def _attention_gradients(op: Op, maps: int, _weights: int) -> tuple[int, int]:
    """Two products forward, each with two operands that learn; what a kernel computes twice is not counted."""
    return 0, 2 * _attention(op) if maps else 0


def _multi_head_gradients(op: Op, maps: int, weights: int) -> tuple[int, int]:
    """The projections cost a weight's and a map's gradient, the attention between them as above."""
    query, key = op.inputs[:2]
    attended = 2 * prod(query.shape) * key.shape[0]
    projected = _multi_head(op) - attended
    return projected if weights else 0, (projected if maps else 0) + 2 * attended


GRADIENT_MACS: dict[str, Callable[[Op, int, int], tuple[int, int]]] = {
    "scaled_dot_product_attention": _attention_gradients,
    "multi_head_attention_forward": _multi_head_gradients,
}
FREE = POINTWISE | GLOBAL | REDUCTIONS | MIXING | NORMS_OF_LAST_AXES | SHAPES | POOLS.keys() | ADAPTIVE.keys()
KNOWN = MACS.keys() | FREE
