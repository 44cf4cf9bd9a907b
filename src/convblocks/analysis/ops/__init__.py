"""The table of ops, one entry an op: `OPS`, which a module for each kind of op fills."""

from convblocks.analysis.ops import conversion, elementwise, index, reduction, reshaping
from convblocks.analysis.ops.arithmetic import ADDITIONS, SUBTRACTIONS
from convblocks.analysis.ops.attention import MULTI_HEAD
from convblocks.analysis.ops.convolution import CONVOLUTIONS, TRANSPOSED
from convblocks.analysis.ops.norm import MAP_NORMS, NORMS, NORMS_OF_LAST_AXES
from convblocks.analysis.ops.op import OPS, UNKNOWN, Op, Window
from convblocks.analysis.ops.parts import JOINS
from convblocks.analysis.ops.pool import ADAPTIVE, POOLS
from convblocks.analysis.ops.product import LINEAR
from convblocks.analysis.ops.random import ALPHA_DROPOUTS, DROPOUTS
from convblocks.analysis.ops.recurrent import RECURRENT
from convblocks.analysis.ops.resize import UP_SAMPLING
from convblocks.analysis.ops.window import at, weight_of, window, windows

KINDS = (
    conversion,
    elementwise,
    index,
    reduction,
    reshaping,
)  # the modules of which nothing else is needed here
POINTWISE = frozenset(name for name, op in OPS.items() if op.pointwise)
KEEPING_VALUES = frozenset(name for name, op in OPS.items() if op.keeps_values)

__all__ = [
    "ADAPTIVE", "ADDITIONS", "ALPHA_DROPOUTS", "CONVOLUTIONS", "DROPOUTS", "JOINS", "KEEPING_VALUES", "LINEAR",
    "MAP_NORMS", "MULTI_HEAD", "NORMS", "NORMS_OF_LAST_AXES", "OPS", "POINTWISE", "POOLS", "RECURRENT",
    "SUBTRACTIONS", "TRANSPOSED", "UNKNOWN", "UP_SAMPLING", "Op", "Window", "at", "weight_of", "window", "windows",
]  # fmt: skip
