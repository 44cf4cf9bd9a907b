"""What real tensors show of a module: norms and rates, symptoms and their fixes, shattering, probes."""

from convblocks.signal.diagnose import gradient_norms, signal, signal_along
from convblocks.signal.effective import effective_field
from convblocks.signal.mends import check_mends, mended
from convblocks.signal.probes import probe
from convblocks.signal.shattering import shattered_gradients

__all__ = [
    "check_mends",
    "effective_field",
    "gradient_norms",
    "mended",
    "probe",
    "shattered_gradients",
    "signal",
    "signal_along",
]
