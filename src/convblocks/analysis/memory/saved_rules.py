"""What autograd keeps of each op for backward, as PyTorch's derivatives.yaml has it.

A rule gives the tensors of the trace that are kept and, as a number, the bytes of those that only autograd
sees, such as the mask of a dropout or the statistics of a norm. The trace is of eval mode; the rules are of training.
An op that stands in no table is reported by name, never taken to keep nothing.
"""

from collections.abc import Set
from math import prod

from convblocks.analysis.memory.product_rules import Kept, Rule, attention, einsum, linear, matmul, multi_head
from convblocks.analysis.rules import ADAPTIVE, CONVOLUTIONS, POOLS, TRANSPOSED, argument, at
from convblocks.analysis.trace.graph import Op, Value

INDEX_BYTES = 8  # of PyTorch's indices, which are int64


def _nothing(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    return ()


def _result(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    return (op.outputs[0],)


def _given(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """The input; where the op writes over it, a copy."""
    return (_before(op, op.inputs[0]),)


def _before(op: Op, value: Value) -> Kept:
    return value.bytes if value.storage == op.outputs[0].storage else value


def _result_if_in_place(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """The derivative can be told from the result as well as from the input."""
    return (op.inputs[0],)  # of the same storage as the result where that is in place


def _given_and_result(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    return (*_given(op, needs), op.outputs[0])


def _all(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    return op.inputs


def _all_and_result(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """What the op writes over is kept as a copy."""
    return (*_given(op, needs), *op.inputs[1:], op.outputs[0])


def _hypotenuse(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Each side that learns, over the result."""
    a, b = op.inputs[0], op.inputs[-1]
    kept = [_before(op, a)] if a.number in needs else []
    return (*kept, op.outputs[0], *([b] if b.number in needs and b.number != a.number else []))


def _clamp(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """The input, and each bound that is a tensor."""
    return (*_given(op, needs), *op.inputs[1:])


def _indices(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """What is no floating point number: indices, masks."""
    return tuple([v for v in op.inputs if not v.dtype.is_floating_point])


def _condition(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Of where: not what it chooses from, which may be whole numbers too."""
    return op.inputs[:1]


def _factors(*pair: int | None) -> Rule:
    """A product's derivative by one factor is the other one; they stand at these places of the arguments."""

    def rule(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
        tensors = [a for a in (op.args[pair[0] : pair[1]] if pair else op.args) if isinstance(a, Value)]
        tensors += [a for a in op.kwargs.values() if isinstance(a, Value)]
        if len(tensors) < 2:
            return ()  # times a number
        a, b = tensors[:2]
        kept = [b] if a.number in needs else []
        return (*kept, _before(op, a)) if b.number in needs else tuple(kept)

    return rule


def _quotient(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    if len(op.inputs) < 2:
        return () if isinstance(op.args[0], Value) else op.inputs
    top, bottom = op.inputs[:2]
    return (bottom, _before(op, top)) if bottom.number in needs else (bottom,)


def _remainder(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Its derivative by the divisor is the whole quotient."""
    bottom = op.inputs[1:2]
    return (_before(op, op.inputs[0]), *bottom) if bottom and bottom[0].number in needs else ()


def _lerp(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """A weight that is a tensor; both ends where it learns."""
    if len(op.inputs) < 3:
        return ()
    start, end, weight = op.inputs
    return (_before(op, start), end, weight) if weight.number in needs else (weight,)


def _interpolate(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """By weights that depend on no value, but for the way that is an adaptive average."""
    area = argument(op, 3, "mode", "nearest") == "area"
    return () if not area or max(op.outputs[0].shape[2:]) == 1 else op.inputs[:1]


def _power(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """The base; where the exponent is a tensor, that and the result too."""
    of_number = len(op.inputs) == 1 and isinstance(op.args[0], Value)
    return _given(op, needs) if of_number else _all_and_result(op, needs)


def _weighted(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Convolutions keep map and weight, whichever of them learns; padding by itself makes a copy of the map.

    So does padding="same" where one end gets a position more than the other.
    """
    x, weight = op.inputs[:2]
    if op.name in CONVOLUTIONS and argument(op, 4, "padding", 0) == "same":
        dilation = argument(op, 5, "dilation", 1)
        total = [at(dilation, axis) * (k - 1) for axis, k in enumerate(weight.shape[2:])]
        if any(n % 2 for n in total):
            longer = [n + amount % 2 for n, amount in zip(x.shape[2:], total, strict=True)]
            return prod((*x.shape[:2], *longer)) * x.dtype.itemsize, weight
    return x, weight


def _stats_bytes(op: Op, count: int) -> int:
    """Mean and inverse deviation of `count` groups, in single precision at least."""
    return 2 * count * max(4, op.inputs[0].dtype.itemsize)


def _batch_norm(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    return op.inputs[0], _stats_bytes(op, op.inputs[0].shape[1])


def _layer_norm(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    x = op.inputs[0]
    return x, _stats_bytes(op, x.elements // max(1, prod(argument(op, 1, "normalized_shape"))))


def _rms_norm(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Without mean; the normalised map too where a weight multiplies it."""
    x = op.inputs[0]
    stats = _stats_bytes(op, x.elements // max(1, prod(argument(op, 1, "normalized_shape")))) // 2
    return (x, stats, x.bytes) if len(op.inputs) > 1 else (x, stats)


def _group_norm(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """The input, or the copy that it makes of a part of a larger map, such as a half of its channels."""
    x = op.inputs[0]
    kept = x if x.folds(len(x.shape)) else x.bytes
    return kept, _stats_bytes(op, x.shape[0] * argument(op, 1, "num_groups"))


def _instance_norm(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """A batch norm of N·C channels, for which weight and running statistics are repeated."""
    count = prod(op.inputs[0].shape[:2])
    learnt = argument(op, 3, "weight") is not None
    running = argument(op, 1, "running_mean") is not None
    return op.inputs[0], _stats_bytes(op, count), (learnt + 2 * running) * count * op.inputs[0].dtype.itemsize


def _mask(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Where a value lay in the range that is kept, a byte each."""
    return (op.inputs[0].elements,)


def _weight_norm(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Direction and length, and the norms of the direction."""
    return (*op.inputs, op.inputs[1].bytes)


def _max_pool(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    return op.inputs[0], op.outputs[0].elements * INDEX_BYTES


def _adaptive_average(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """One output pixel is a mean, which keeps nothing."""
    return () if max(op.outputs[0].shape[-ADAPTIVE[op.name] :]) == 1 else op.inputs


def _chosen(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """max, min, sort, topk along an axis keep where they found it; of a whole tensor, the tensor; of two, both."""
    if len(op.inputs) > 1:
        return op.inputs
    return (op.outputs[1],) if len(op.outputs) > 1 else _given_and_result(op, needs)


def _dropout(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Its noise, in the input's type; one number a channel where whole channels go."""
    x = op.inputs[0]
    if not argument(op, 1, "p", 0.5):
        return ()
    count = x.elements if op.name == "dropout" else prod(x.shape[:2])
    return (count * x.dtype.itemsize,)


def _sum_of_product(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """addmm and baddbmm: as `_factors`, of the two that are multiplied."""
    a, b = op.inputs[-2:]
    return (*([b] if a.number in needs else []), *([a] if b.number in needs else []))


def _pad(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    return op.inputs if argument(op, 2, "mode", "constant") in ("reflect", "replicate") else ()


def _normalize(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """x / max(norm, eps), the norm expanded: x, the norm, and its bounded copy."""
    x = op.inputs[0]
    axis = argument(op, 2, "dim", 1)
    axes = (axis,) if isinstance(axis, int) else axis
    return x, 2 * x.bytes // max(1, prod(x.shape[each] for each in axes))


def _softsign(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """The input, and something of its size on the way to the result."""
    return op.inputs[0], op.inputs[0].bytes


NOTHING = (
    {"add", "add_", "__add__", "__iadd__", "__radd__", "sub", "sub_", "__sub__", "__isub__", "__rsub__", "neg"}
    | {"mean", "sum", "cumsum", "round", "floor", "ceil", "sign", "detach", "clone"}
    | {"to", "type_as", "float", "half", "bfloat16", "double", "type", "contiguous", "cpu", "cuda", "diff"}
    | {"movedim", "moveaxis", "permute", "transpose", "swapaxes", "flatten", "unflatten", "view", "reshape", "T"}
    | {"reshape_as", "view_as", "squeeze", "unsqueeze", "cat", "concat", "stack", "split", "chunk", "unbind"}
    | {"tensor_split", "narrow", "select", "roll", "flip", "repeat", "repeat_interleave", "tile"}
    | {"unfold", "fold", "t", "mT", "H", "expand", "expand_as", "pixel_shuffle", "pixel_unshuffle"}
    | {"channel_shuffle", "tril", "triu", "upsample", "copy_", "as_strided", "fill_", "zero_"}
    | {"subtract", "rsub", "meshgrid", "affine_grid", "frac", "trunc"}
    | {"real", "diagonal", "hsplit", "vsplit", "dsplit", "broadcast_to", "positive", "view_as_real"}
)  # fmt: skip
OF_INPUT = (
    {"silu", "gelu", "mish", "hardswish", "hardsigmoid", "relu6", "hardtanh", "softplus", "threshold", "glu"}
    | {"log", "log2", "log10", "log1p", "square", "abs", "sin", "cos", "atan", "erf"}
    | {"var", "var_mean", "silu_", "hardswish_", "logit"}
    | {"acos", "asin", "sinh", "cosh", "erfc"}
    | {"hardtanh_", "nan_to_num", "hardshrink", "softshrink", "avg_pool1d", "avg_pool2d", "avg_pool3d"}
)  # fmt: skip
OF_RESULT = {"relu", "relu_", "tanh", "tanh_", "sigmoid", "sigmoid_", "exp", "expm1", "sqrt", "rsqrt", "softmin"} | {
    "tan", "exp2", "reciprocal", "__rdiv__", "softmax", "log_softmax", "exp_",
}  # fmt: skip
BY_INDEX = {"__getitem__", "index_select", "embedding", "masked_fill", "masked_fill_", "index_put_"} | {
    "__setitem__", "masked_select",
}  # fmt: skip

SAVED: dict[str, Rule] = {
    **dict.fromkeys(NOTHING, _nothing),
    **dict.fromkeys(OF_INPUT, _given),
    **dict.fromkeys(OF_RESULT, _result),
    **dict.fromkeys(BY_INDEX, _indices),
    **dict.fromkeys(("leaky_relu", "elu", "elu_", "selu", "celu", "leaky_relu_"), _result_if_in_place),
    **dict.fromkeys(
        ("std", "norm", "linalg_vector_norm", "amax", "amin", "logsumexp", "prod"), _given_and_result
    ),
    **dict.fromkeys(
        ("maximum", "minimum", "fmax", "fmin", "atan2", "gather", "take_along_dim", "grid_sample", "prelu"),
        _all,
    ),
    **dict.fromkeys(("mul", "mul_", "__mul__", "__imul__", "__rmul__", "multiply", "outer"), _factors()),
    **dict.fromkeys(("matmul", "mm", "bmm", "__matmul__", "__rmatmul__"), matmul),
    **dict.fromkeys(("addmm", "baddbmm"), _sum_of_product),
    "addcmul": _factors(1, 3),
    **dict.fromkeys(("div", "div_", "__truediv__", "true_divide", "divide"), _quotient),
    "pow": _power,
    "hypot": _hypotenuse,
    "where": _condition,
    **dict.fromkeys(("clamp", "clip", "clamp_min", "clamp_max"), _clamp),
    **dict.fromkeys(("fmod", "remainder"), _remainder),
    "lerp": _lerp,
    "interpolate": _interpolate,
    "__rpow__": _given_and_result,
    **dict.fromkeys((*CONVOLUTIONS, *TRANSPOSED), _weighted),
    "linear": linear,
    "einsum": einsum,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "normalize": _normalize,
    **dict.fromkeys(("softsign", "log_sigmoid"), _softsign),
    **dict.fromkeys([name for name in (*POOLS, *ADAPTIVE) if "max" in name], _max_pool),
    **dict.fromkeys([name for name in ADAPTIVE if "avg" in name], _adaptive_average),
    **dict.fromkeys(("max", "min", "sort", "topk"), _chosen),
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d"), _dropout),
    "pad": _pad,
    "_weight_norm": _weight_norm,
    "fake_quantize_per_tensor_affine": _mask,
    "fake_quantize_per_channel_affine": _mask,
    "fused_moving_avg_obs_fake_quant": _mask,
    "scaled_dot_product_attention": attention,
    "multi_head_attention_forward": multi_head,
}


def rule_of(op: Op) -> Rule | None:
    """What is done in place keeps as its ordinary form does, or a copy."""
    name = op.name
    if name not in SAVED and name.endswith("_") and not name.endswith("__"):
        name = name[:-1]
    return SAVED.get(name)
