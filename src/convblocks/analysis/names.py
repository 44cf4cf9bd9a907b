"""Names of torch's functions by what they do with positions: the tables that all rules read."""

CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
TRANSPOSED = {"conv_transpose1d": 1, "conv_transpose2d": 2, "conv_transpose3d": 3}
POOLS = {f"{kind}_pool{dims}d": dims for kind in ("max", "avg") for dims in (1, 2, 3)}
ADAPTIVE = {f"adaptive_{kind}_pool{dims}d": dims for kind in ("avg", "max") for dims in (1, 2, 3)}
LINEAR = {"linear"}
RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}

_OF_ONE = {
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "silu", "mish", "gelu", "sigmoid",
    "logsigmoid", "hardswish", "hardsigmoid", "hardtanh", "hardshrink", "softshrink", "tanhshrink", "softplus",
    "softsign", "threshold", "tanh", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "exp", "exp2",
    "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "square", "abs", "neg", "sign", "reciprocal", "erf",
    "erfc", "round", "floor", "ceil", "trunc", "frac", "clamp", "clip", "clamp_min", "clamp_max", "nan_to_num",
    "isnan", "isinf", "isfinite", "logical_not", "bitwise_not", "bernoulli", "masked_fill", "batch_norm", "dropout",
    "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
}  # fmt: skip
_OF_SEVERAL = {
    "add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide", "floor_divide", "remainder",
    "fmod", "pow", "maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "where", "lerp", "addcmul", "addcdiv",
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or",
    "bitwise_xor",
}  # fmt: skip
_OPERATORS = {
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lt", "le", "eq", "ne", "gt", "ge",
    "neg", "pos", "abs", "invert",
}  # fmt: skip
_CONVERSIONS = {
    "to", "type", "type_as", "float", "double", "half", "bfloat16", "int", "long", "bool", "cpu", "cuda", "contiguous",
    "clone", "detach", "alias", "identity", "expand", "expand_as", "requires_grad_",
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
    "mean", "sum", "amax", "amin", "max", "min", "std", "var", "logsumexp", "norm", "prod", "all", "any",
}  # fmt: skip
# They mix along the axis given by `dim`, which stays.
MIXING = {"softmax", "log_softmax", "normalize", "cumsum", "argmax", "topk", "sort"}
# They mix along the last axes.
NORMS_OF_LAST_AXES = {"layer_norm", "rms_norm"}
# They move, cut and join, and compute nothing.
SHAPES = {
    "movedim", "permute", "transpose", "swapaxes", "flatten", "unflatten", "view", "reshape", "reshape_as", "view_as",
    "squeeze", "unsqueeze", "cat", "concat", "stack", "split", "chunk", "unbind", "tensor_split", "narrow", "select",
    "index_select", "gather", "take_along_dim", "__getitem__", "__setitem__", "__get__", "pad", "roll", "flip",
    "repeat", "repeat_interleave", "tile", "unfold", "fold", "t", "numpy_T", "pixel_shuffle", "pixel_unshuffle",
    "channel_shuffle", "meshgrid", "one_hot", "tril", "triu", "embedding", "interpolate", "grid_sample",
    "affine_grid", "index_put_", "copy_", "masked_select", "nonzero", "bucketize", "as_strided", "fill_", "zero_",
    "set_",
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
