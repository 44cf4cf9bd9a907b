"""Cost, receptive field and memory of any module, from one forward pass without data.

    module ─→ trace/ ─→ cost.py, fields/, memory/ ─→ analyze.py, one record of all

ops/ has an entry for each op, with the rule for every figure; the rest are short functions of the trace. The packages
advice, signal and drawing read it too.
"""

import warnings
from functools import wraps
from importlib import import_module
from typing import Any

from convblocks.analysis.analyze import analyze
from convblocks.analysis.cost import Cost, count
from convblocks.analysis.fields.receptive_field import receptive_field
from convblocks.analysis.memory.step_memory import largest_batch, step_memory
from convblocks.analysis.ops.op import Op, Window
from convblocks.analysis.ops.register import register_op
from convblocks.analysis.trace import OpCall, Trace, trace

__all__ = [
    "Cost",
    "Op",
    "OpCall",
    "Trace",
    "Window",
    "analyze",
    "count",
    "largest_batch",
    "receptive_field",
    "register_op",
    "step_memory",
    "trace",
]

# Names that earlier versions had here: their new package and name. They are imported when used, since those packages
# read the analysis.
_MOVED = {
    "advise": ("advice", "advise"),
    "check_mends": ("signal", "check_fixes"),
    "effective_field": ("signal", "effective_field"),
    "gradient_norms": ("signal", "gradient_norms"),
    "mended": ("signal", "with_fix"),
    "probe": ("signal", "probe"),
    "shattered_gradients": ("signal", "shattered_gradients"),
    "signal": ("signal", "signal"),
    "signal_along": ("signal", "signal_along"),
}
# Arguments that had other names there.
_RENAMED_ARGUMENTS = {"check_mends": {"found": "before"}, "mended": {"mend": "fix"}}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package, new_name = _MOVED[name]
    text = f"convblocks.analysis.{name} is now convblocks.{package}.{new_name}"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    moved = getattr(import_module(f"convblocks.{package}"), new_name)
    renamed = _RENAMED_ARGUMENTS.get(name)
    if renamed is None:
        return moved

    @wraps(moved)
    def with_earlier_arguments(*args: Any, **kwargs: Any) -> Any:
        return moved(*args, **{renamed.get(key, key): value for key, value in kwargs.items()})

    return with_earlier_arguments
