"""Functions of one tensor, position by position: activations, elementary functions, rounding, masks, quantization."""

from collections.abc import Callable, Set
from typing import Any

import torch
import torch.nn.functional as F

from convblocks.analysis.ops.op import (
    UNKNOWN,
    LabelRule,
    Op,
    SavedRule,
    ShapeRule,
    Unknown,
    add,
    forms,
    plain_name,
)
from convblocks.analysis.ops.shared_rules import (
    Kept,
    as_given,
    keeps_indices,
    keeps_input,
    keeps_inputs,
    keeps_nothing,
    keeps_result,
    same_position,
    written,
)
from convblocks.analysis.trace.fixes import fix_prelu
from convblocks.analysis.trace.graph import OpCall

WRITTEN = {"relu": "ReLU", "prelu": "PReLU", "gelu": "GELU", "silu": "SiLU", "elu": "ELU"}
RELU6 = "ReLU6"


def _input_or_result(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the input, which in place has the storage of the result, from which the derivative follows as well."""
    return (call.inputs[0],)


def _twice(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the input, and something of its size on the way to the result."""
    return call.inputs[0], call.inputs[0].bytes


def _mask(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps where a value lay in the range that is kept, a byte each."""
    return (call.inputs[0].elements,)


def _hardtanh_label(call: OpCall) -> str:
    """Returns ReLU6 where the bounds are 0 and 6, as torch itself calls it."""
    return RELU6 if (call["min_val"], call["max_val"]) == (0, 6) else plain_name(call)


def _function(
    *names: str,
    saved: SavedRule | Unknown,
    arguments: str = "input",
    operators: tuple[str, ...] = (),
    label: LabelRule | None = None,
    by_formula: tuple[Callable[..., Any], ...] = (),
    **facts: Any,
) -> None:
    """Puts functions into the table, each as an entry of its own."""
    for name in names:
        text = WRITTEN.get(name)
        shape: dict[Callable[..., Any], ShapeRule] = dict.fromkeys(by_formula, as_given)
        add(Op(
            names=forms(name, operators=operators, sides=("",)),
            arguments=arguments,
            shape=shape or None,
            macs=None,
            field=same_position,
            saved=saved,
            workspace=None,
            label=label or (written(text) if text else plain_name),
            pointwise=True,
            **facts,
        ))  # fmt: skip


# Activations
_IN_PLACE = "input, inplace=False"
_function("relu", saved=keeps_result, arguments=_IN_PLACE, by_formula=(F.relu,))
_function("relu6", saved=keeps_input, arguments=_IN_PLACE, by_formula=(F.relu6,), label=written(RELU6))
_function("silu", saved=keeps_input, arguments=_IN_PLACE, by_formula=(F.silu,))
_function("gelu", saved=keeps_input, arguments="input, approximate='none'", by_formula=(F.gelu,))
_function("hardswish", saved=keeps_input, arguments=_IN_PLACE, by_formula=(F.hardswish,))
_function("hardsigmoid", saved=keeps_input, arguments=_IN_PLACE, by_formula=(F.hardsigmoid,))
_function("sigmoid", saved=keeps_result, by_formula=(torch.sigmoid,))
_function("tanh", saved=keeps_result)
_function("mish", saved=keeps_input, arguments=_IN_PLACE)
_function(
    "hardtanh",
    saved=keeps_input,
    arguments="input, min_val=-1.0, max_val=1.0, inplace=False",
    label=_hardtanh_label,
)
_function("softplus", saved=keeps_input, arguments="input, beta=1, threshold=20")
_function("threshold", saved=keeps_input, arguments="input, threshold, value, inplace=False")
_function("hardshrink", "softshrink", saved=keeps_input, arguments="input, lambd=0.5")
_function("leaky_relu", saved=_input_or_result, arguments="input, negative_slope=0.01, inplace=False")
_function("elu", "celu", saved=_input_or_result, arguments="input, alpha=1.0, inplace=False")
_function("selu", saved=_input_or_result, arguments=_IN_PLACE)
_function("prelu", fix=fix_prelu, saved=keeps_inputs, arguments="input, weight")
_function("softsign", "log_sigmoid", saved=_twice)
_function("tanhshrink", saved=UNKNOWN)

# Elementary functions
_function(
    *("log", "log2", "log10", "log1p", "square", "sin", "cos", "atan", "erf", "acos", "asin", "sinh", "cosh", "erfc"),
    saved=keeps_input,
)  # fmt: skip
_function("logit", saved=keeps_input, arguments="input, eps=None")
_function("abs", saved=keeps_input, operators=("abs",))
_function("absolute", saved=keeps_input)
_function("nan_to_num", saved=keeps_input, arguments="input, nan=0.0, posinf=None, neginf=None")
_function("exp", "exp2", "expm1", "sqrt", "rsqrt", "tan", "reciprocal", saved=keeps_result)
_function("neg", saved=keeps_nothing, operators=("neg",))
_function("round", "floor", "ceil", "sign", "frac", "trunc", "positive", saved=keeps_nothing)
_function("isnan", "isinf", "isfinite", "logical_not", saved=keeps_nothing)
_function("bitwise_not", saved=keeps_nothing, operators=("invert",))

# Masks and quantization
_function("masked_fill", saved=keeps_indices, arguments="input, mask, value")
_function(
    "fake_quantize_per_tensor_affine",
    saved=_mask,
    arguments="input, scale, zero_point, quant_min, quant_max",
    by_formula=(torch.fake_quantize_per_tensor_affine,),
)
_function(
    "fake_quantize_per_channel_affine",
    saved=_mask,
    arguments="input, scale, zero_point, axis, quant_min, quant_max",
    by_formula=(torch.fake_quantize_per_channel_affine,),
)
_function(
    "fused_moving_avg_obs_fake_quant",
    saved=_mask,
    arguments="input, observer_on, fake_quant_on",
    writes=lambda args, kwargs: True,
)
