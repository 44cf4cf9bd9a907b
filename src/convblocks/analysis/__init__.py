"""What one forward pass without data tells of any module: cost and receptive field."""

from convblocks.analysis.cost import Cost, count
from convblocks.analysis.receptive_field import receptive_field
from convblocks.analysis.signal import gradient_norms
from convblocks.analysis.trace import Op, Trace, trace

__all__ = ["Cost", "Op", "Trace", "count", "gradient_norms", "receptive_field", "trace"]
