"""The real examples that a command measures a target with, or random ones where there are no data."""

from dataclasses import dataclass

import numpy as np
import torch

from convblocks.cli.parse import sized
from convblocks.data import Split, load_again, load_dataset
from convblocks.errors import OptionError
from convblocks.layout import parse_axes
from convblocks.runs.store import RunFolder
from convblocks.targets import Target

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Examples:
    """Shuffled training and validation examples, ready for the target."""

    name: str  # of the data set
    train: Pair
    validation: Pair


def load_examples(
    target: Target,
    data: str | None,
    *,
    image_size: int | tuple[int, ...] | None = None,
    layout: str | None = None,
    most: int | None = None,
    seed: int = 0,
) -> Examples | None:
    """Loads the examples of DATA, or for RUN:DESIGN those of the run's own data; None where there are neither.

    A trained design takes examples as they come. For any other target each channel gets mean 0 and standard deviation 1
    over the training part.

    Args:
        target: that is measured.
        data: a folder, .npz file or embedded set.
        image_size: pixels along every axis, or along each.
        layout: where the channels of an .npz file are.
        most: examples of each part at most.
        seed: of their order.
    """
    if data is not None:
        dataset = load_dataset(data, image_size=image_size, layout=layout)
    elif target.run is not None:
        study = RunFolder(target.run).study()
        assert study is not None  # load_target has read it
        dataset = load_again(study.data)
    else:
        return None
    axes = (0, *range(2, dataset.train.x.ndim))
    mean, std = dataset.train.x.mean(axes, dtype=np.float64), dataset.train.x.std(axes, dtype=np.float64)

    def ready(part: Split) -> Pair:
        chosen = np.random.default_rng(seed).permutation(len(part))[:most]
        x, y = torch.from_numpy(part.x[chosen]), torch.from_numpy(part.y[chosen])
        if target.kind == "run":
            return x, y
        channels = (-1, *[1] * (x.ndim - 2))
        centre, scale = (
            torch.from_numpy(v).float().view(channels) for v in (mean, np.where(std > 0, std, 1))
        )
        return (x.float() - centre) / scale, y

    return Examples(dataset.card.name, ready(dataset.train), ready(dataset.validation))


def arranged(x: torch.Tensor, axes: str | None) -> torch.Tensor:
    """Returns examples (N, C, *spatial) with their channels where a network takes them, as `axes` names it."""
    if axes is None:
        return x
    names = parse_axes(axes, x.shape[1:] if "channels" in axes or "features" in axes else x.shape[2:])
    if names.channels is None and x.shape[1] != 1:
        raise OptionError("axes", axes, f"names no channels, and the examples have {x.shape[1]} of them")
    return x[:, 0] if names.channels is None else x.movedim(1, names.channels)


def random_batch(
    target: Target, size: str | None, batch: int, seed: int, axes: str | None = None
) -> torch.Tensor:
    """Returns standard normal inputs of --input's size, or of the target's own."""
    shape = sized("input", size)[0] if size else target.input_size
    if shape is None:
        raise OptionError(
            "input", ..., f"{target.name} does not say its input's size; give one, e.g. 3x224x224, or data"
        )
    if axes is not None:
        parse_axes(axes, shape)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *shape, generator=generator)
