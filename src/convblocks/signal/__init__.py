"""Measurements on real tensors: norms and rates, symptoms and their fixes, shattering, probes."""

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
