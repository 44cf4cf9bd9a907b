"""Measurements on real tensors: norms and rates, symptoms and their fixes, shattering, probes."""

import warnings
from typing import Any

from convblocks.signal.diagnose import gradient_norms, signal, signal_along
from convblocks.signal.effective import effective_field
from convblocks.signal.probes import probe
from convblocks.signal.remedies import check_fixes, with_fix
from convblocks.signal.shattering import shattered_gradients

__all__ = [
    "check_fixes",
    "effective_field",
    "gradient_norms",
    "probe",
    "shattered_gradients",
    "signal",
    "signal_along",
    "with_fix",
]

_RENAMED = {"check_mends": check_fixes, "mended": with_fix}


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"{name} is now {_RENAMED[name].__name__}", DeprecationWarning, stacklevel=2)
    return _RENAMED[name]
