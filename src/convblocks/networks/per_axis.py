"""Numbers that hold for all spatial axes, or one for each."""

from convblocks.checks import per_axis

Axes = int | tuple[int, ...]


def product(*strides: Axes, dims: int) -> Axes:
    """Returns the product of strides that act one after another; one number where all axes agree."""
    axes = [1] * dims
    for stride in strides:
        axes = [a * s for a, s in zip(axes, per_axis("stride", stride, dims, at_least=1), strict=True)]
    return axes[0] if len(set(axes)) == 1 else tuple(axes)
