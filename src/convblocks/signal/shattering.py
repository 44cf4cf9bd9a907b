"""Shattered gradients: how alike the gradients at neighbouring inputs are (Balduzzi et al. 2017, arXiv:1702.08591).

Between two examples lies a line of inputs. On it the gradient of one fixed output direction with respect to the
input is taken at evenly spaced points, and the gradients of every two points are correlated. In a plain
network with He-normal weights the correlation falls by 1/2 a layer (section 3 there); shortcuts slow that down.
"""

import torch
from torch import nn

from convblocks.errors import OptionError, TraceError
from convblocks.records import Shattering
from convblocks.signal.observe import backward_of, inputs_for, run, seeded, settled

PAIRS = 4
CHUNK = 64  # points in one pass


def shattered_gradients(
    module: nn.Module, x: torch.Tensor, *, points: int = 33, pairs: int = PAIRS, seed: int = 0
) -> Shattering:
    """Correlates input gradients by distance, on lines between examples 0 and 1, 2 and 3, … of x.

    The correlation is the cosine, for a gradient's mean is part of what a step follows. In eval mode; batch norms that
    were given no batch yet take their statistics from x.

    Args:
        module: any module; it is not changed.
        x: examples (N, C, *spatial), N ≥ 2.
        points: on each line, its ends among them.
        pairs: of examples, at most.
        seed: of the output direction.

    Raises:
        OptionError: for fewer than two examples, or three points.
        TraceError: for a module that cannot be run, or passes no gradient to its input.
    """
    if len(x) < 2:
        raise OptionError("x", tuple(x.shape), "expected at least two examples")
    if points < 3:
        raise OptionError("points", points, "expected at least 3 points on a line")
    x = inputs_for(module, x)
    pairs = min(pairs, len(x) // 2)
    with seeded(seed, x, module):
        copy = settled(module, x)
        directions: torch.Tensor | None = None
        at_lag = torch.zeros(points - 1, dtype=torch.float64)
        for pair in range(pairs):
            start, end = x[2 * pair], x[2 * pair + 1]
            line = torch.stack([torch.lerp(start, end, k / (points - 1)) for k in range(points)])
            if directions is None:
                directions = torch.randn_like(run(copy, line[:1])[0]).detach()
            at_lag += _correlations(_input_gradients(copy, line, directions)) / pairs
    correlations = at_lag.tolist()
    distances = [(k + 1) / (points - 1) for k in range(points - 1)]
    return Shattering(
        distances=tuple(distances),
        correlations=tuple(correlations),
        neighbour=correlations[0],
        half_distance=next((d for d, c in zip(distances, correlations, strict=True) if c < 0.5), None),
        white_noise=x[0].numel() ** -0.5,
        pairs=pairs,
    )


def _input_gradients(module: nn.Module, line: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Returns ∂⟨output, directions⟩/∂input at each point: (points, inputs), float64."""
    parts = []
    for chunk in line.split(CHUNK):
        given = chunk.detach().requires_grad_()
        total = (run(module, given) * directions).sum()
        with backward_of(module):
            (gradient,) = torch.autograd.grad(total, given, allow_unused=True)
        if gradient is None:
            raise TraceError(
                f"no gradient of {type(module).__name__} reaches its input, as under no_grad; "
                "measure the rest with shattering=False"
            )
        parts.append(gradient.flatten(1).double().cpu())
    return torch.cat(parts)


def _correlations(gradients: torch.Tensor) -> torch.Tensor:
    """Returns the mean cosine of all pairs of rows at distance 1, 2, …; 0 where a gradient is 0 or not finite."""
    units = nn.functional.normalize(torch.nan_to_num(gradients, 0.0, 0.0, 0.0), dim=1, eps=1e-300)
    cosines = units @ units.T
    return torch.stack([cosines.diagonal(lag).mean() for lag in range(1, len(gradients))])
