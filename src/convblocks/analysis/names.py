"""Names of torch's functions by what they do with positions: the tables that all rules read."""

CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
TRANSPOSED = {"conv_transpose1d": 1, "conv_transpose2d": 2, "conv_transpose3d": 3}
_INDICES = "_with_indices"  # the name where the positions of the greatest are asked for too
POOLS = {f"{kind}_pool{dims}d": dims for kind in ("max", "avg", "lp") for dims in (1, 2, 3)}
POOLS |= {f"max_pool{dims}d{_INDICES}": dims for dims in (1, 2, 3)}
ADAPTIVE = {f"adaptive_{kind}_pool{dims}d": dims for kind in ("avg", "max") for dims in (1, 2, 3)}
ADAPTIVE |= {f"adaptive_max_pool{dims}d{_INDICES}": dims for dims in (1, 2, 3)}
LINEAR = {"linear"}
RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}

_OF_ONE = {
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "silu", "mish", "gelu", "sigmoid",
    "log_sigmoid", "hardswish", "hardsigmoid", "hardtanh", "hardshrink", "softshrink", "tanhshrink", "softplus",
    "softsign", "threshold", "tanh", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "exp", "exp2",
    "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "square", "abs", "neg", "sign", "reciprocal", "erf",
    "erfc", "logit", "absolute", "positive", "round", "floor", "ceil", "trunc", "frac", "clamp", "clip", "clamp_min",
    "clamp_max", "nan_to_num", "isnan", "isinf", "isfinite", "logical_not", "bitwise_not", "bernoulli", "masked_fill",
    "batch_norm", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    "fake_quantize_per_tensor_affine", "fake_quantize_per_channel_affine", "fused_moving_avg_obs_fake_quant",
}  # fmt: skip
_OF_SEVERAL = {
    "add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide", "floor_divide", "remainder",
    "fmod", "pow", "maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "where", "lerp", "addcmul", "addcdiv",
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or",
    "bitwise_xor",
}  # fmt: skip
_OPERATORS = {
    "add", "sub", "mul", "truediv", "div", "floordiv", "mod", "pow", "and", "or", "xor", "lt", "le", "eq", "ne", "gt",
    "ge", "neg", "abs", "invert",
}  # fmt: skip
_CONVERSIONS = {
    "to", "type", "type_as", "float", "double", "half", "bfloat16", "int", "long", "bool", "cpu", "cuda",
    "contiguous", "clone", "detach", "data", "expand", "expand_as", "broadcast_to", "requires_grad_",
}  # fmt: skip
# Every output position depends on the same position of the inputs, and on nothing else. `add_` works in place;
# Python's own operators are also called from the right and in place.
POINTWISE = (
    {f"{name}{mark}" for name in _OF_ONE | _OF_SEVERAL for mark in ("", "_")}
    | {f"__{side}{name}__" for name in _OPERATORS for side in ("", "r", "i")}
    | _CONVERSIONS
)
# Every output position depends on the whole map.
GLOBAL = {"group_norm", "instance_norm"}
# They mix along the axes given by `dim`, which vanish or, with keepdim, become one.
REDUCTIONS = {
    "mean", "sum", "amax", "amin", "max", "min", "std", "var", "logsumexp", "norm", "linalg_vector_norm", "prod",
    "all", "any", "nanmean", "median", "argmax", "argmin", "item", "tolist",
}  # fmt: skip
# They mix along the axis given by `dim`, which stays.
MIXING = {"softmax", "log_softmax", "normalize", "cumsum", "topk", "sort"}
# They mix along the last axes.
NORMS_OF_LAST_AXES = {"layer_norm", "rms_norm"}
# They read a few positions along one axis.
NEIGHBOURS = {"glu", "local_response_norm", "diff"}
# They move, cut and join, and compute nothing.
SHAPES = {
    "movedim", "moveaxis", "permute", "transpose", "swapaxes", "swapdims", "flatten", "unflatten", "view", "reshape",
    "reshape_as", "view_as", "squeeze", "unsqueeze", "cat", "concat", "concatenate", "stack", "split", "chunk",
    "unbind", "tensor_split", "narrow", "select", "index_select", "gather", "take_along_dim", "__getitem__",
    "__setitem__", "pad", "roll", "flip", "repeat", "repeat_interleave", "tile", "unfold", "fold", "t", "T", "mT",
    "ravel", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "meshgrid", "one_hot", "tril", "triu",
    "embedding", "interpolate", "grid_sample", "affine_grid", "index_put_", "copy_", "masked_select", "nonzero",
    "bucketize", "as_strided", "fill_", "zero_", "set_",
}  # fmt: skip
# Of a second tensor they take its shape or type.
LIKE = {"type_as", "expand_as", "view_as", "reshape_as", "to"}
# They take a shape or a type from their input, and none of its values.
FRESH = {
    "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like", "new_zeros",
    "new_ones", "new_full", "new_empty", "new_tensor",
}  # fmt: skip
# They draw: twice of the same tensor, and the results differ. Those without a tensor, as randn, are not listed.
RANDOM = {
    "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout", "alpha_dropout", "feature_alpha_dropout",
    "rrelu", "rand_like", "randn_like", "randint_like", "bernoulli", "binomial", "multinomial", "normal", "poisson",
    "gumbel_softmax", "empty_like", "new_empty",
}  # fmt: skip
