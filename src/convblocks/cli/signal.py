"""``convblocks signal`` and ``convblocks probe``: what real tensors tell of a network."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from convblocks.cli.parse import number, numbers, pixels, require_axes, require_seed, whole
from convblocks.cli.terminal import say, write_json
from convblocks.errors import OptionError, TargetError, TraceError
from convblocks.text import plural, times

if TYPE_CHECKING:
    import torch
    from torch import nn

Whole = Annotated[int, Parameter(converter=whole)]
Flag = Annotated[bool, Parameter(negative=())]


def signal(
    target: str,
    /,
    *,
    data: str | None = None,
    input: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,  # noqa: A002 - the option's name
    axes: str | None = None,
    layout: str | None = None,
    image_size: str | None = None,
    batch_size: Whole = 64,
    along: str | None = None,
    learning_rate: Annotated[float, Parameter(converter=number)] = 0.05,
    fix: Flag = False,
    mend: Annotated[bool, Parameter(negative=(), show=False)] = False,
    field: Flag = False,
    all_layers: Flag = False,
    json: Flag = False,
    seed: Whole = 0,
    trust_code: Flag = False,
) -> None:
    """Measure how the signal and its gradient change through a network, name problems, and try fixes.

    Per layer: the norms of output and gradient. Over all: the rate per layer, the depth at which the signal
    vanishes or explodes, and whether gradients at neighbouring inputs are alike. The target is not changed.

    Args:
        target: file.py:NAME, package.module:NAME, timm:NAME, torchvision:NAME, zoo:NAME, a network's .toml, or
            RUN:DESIGN.
        data: Real examples: a folder, .npz file or embedded set; a run's own data for RUN:DESIGN.
        input: Size of random examples where there are no data, e.g. 3x32x32.
        axes: Names of the network's input axes where channels are not first, e.g. time,channels; --data are
            turned so.
        layout: Where the data, an .npz file, have their channels: channels-first, channels-last or none.
        image_size: Resize examples to this many pixels along every axis, or to HEIGHTxWIDTH, e.g. 32x48.
        batch_size: Examples to measure with. The time grows with it and with their size: AlexNet at 3x224x224
            takes about 20 s with 64 on two cores. Fewer are quicker, and give other figures.
        along: Train a copy with plain SGD, and measure before and after so many steps, e.g. 1,10,100; needs
            data.
        learning_rate: Of that training.
        fix: Apply each proposed fix to a copy, and measure again.
        mend: The name that --fix had.
        field: Measure the effective receptive field too.
        all_layers: Show every layer, not a choice of 24.
        json: Print the records as JSON.
        seed: Of the choice of examples and of everything random.
        trust_code: Allow a run folder or network file to import the classes it names.
    """
    steps = numbers("along", along) if along is not None else []
    require_seed(seed)
    require_axes(axes, batch_first=True)
    if learning_rate <= 0:
        raise OptionError("learning_rate", learning_rate, "expected a positive number, e.g. 0.05")
    if batch_size < 2:
        raise OptionError("batch_size", batch_size, "expected at least 2 examples")
    if data is not None and input is not None:
        raise OptionError(
            "input", input, "goes without data, which have a size of their own; see --image-size"
        )
    if mend:
        say("--mend is now --fix; the old name still works")

    import torch

    from convblocks.cli.examples import arranged, load_examples, random_batch
    from convblocks.cli.signal_table import print_signal
    from convblocks.targets import load_target

    torch.manual_seed(seed)  # of the weights, where the target's are random
    with redirect_stdout(sys.stderr):  # what the user's own code prints is not ours
        loaded = load_target(target, trust_code=trust_code)
        size = pixels("image_size", image_size)
        examples = None if input else load_examples(loaded, data, image_size=size, layout=layout, seed=seed)
        if examples is None and steps:
            raise OptionError("along", along, "training needs classes: give data")
        if examples is None:
            x, y = random_batch(loaded, input, batch_size, seed, axes), None
        else:
            x, y = arranged(examples.train[0], axes), examples.train[1]
        wanted = Wanted(batch_size, tuple(steps), learning_rate, fix or mend, field, axes, seed)
        source = examples.name if examples else "random noise"
        records = {"target": target, **_measured(loaded.module, x, y, source, wanted)}
    if json:
        write_json(records)
    else:
        print_signal(records, all_layers=all_layers)


@dataclass(frozen=True)
class Wanted:
    """The measurements to make, and their settings."""

    batch_size: int
    steps: tuple[int, ...]  # of a training to look on at; empty for none
    learning_rate: float
    fixes: bool
    field: bool
    axes: str | None
    seed: int


def _measured(
    module: "nn.Module", x: "torch.Tensor", y: "torch.Tensor | None", source: str, wanted: Wanted
) -> dict[str, object]:
    """Measures the first examples of x, and returns the records by their names in JSON."""
    from convblocks import signal as diagnosis
    from convblocks.analysis.trace import attempt
    from convblocks.cli.inputs import say_axes

    size, seed = wanted.batch_size, wanted.seed
    batch, classes = x[:size], None if y is None else y[:size]
    with _naming_the_order(batch if y is not None and wanted.axes is None else None):
        measured = diagnosis.signal(module, batch, classes, seed=seed)
    records: dict[str, object] = {"examples": f"{len(batch)} examples of {source}", "signal": measured}
    if wanted.fixes:
        # named as in earlier versions, whose JSON is read
        records["mends"] = diagnosis.check_fixes(module, batch, classes, before=measured, seed=seed)
    if wanted.steps:
        assert y is not None
        batches = list(zip(x.split(size), y.split(size), strict=True))
        records["along"] = diagnosis.signal_along(
            module, batches, steps=[0, *wanted.steps], learning_rate=wanted.learning_rate, seed=seed
        )
    if wanted.field:
        records["effective_field"] = diagnosis.effective_field(module, batch, axes=wanted.axes, seed=seed)
        say_axes(attempt(module, tuple(batch.shape[1:]), axes=wanted.axes))
    return records


@contextmanager
def _naming_the_order(x: "torch.Tensor | None") -> Iterator[None]:
    """Adds to a TraceError how the axes of these examples can be named; nothing where None is given."""
    try:
        yield
    except TraceError as error:
        if x is None:
            raise
        size, dims = times(x.shape[1:]), x.ndim - 2
        order = ["depth", "height", "width"][-dims:] if dims > 1 else ["time"]
        raise TraceError(
            f"{error}; an example of the data has {plural(x.shape[1], 'channel')} ({size}); if the network takes its "
            f"axes in another order, name them, e.g. --axes {','.join([*order, 'channels'])}"
        ) from error


def probe(
    target: str,
    data: str | None = None,
    /,
    *,
    layout: str | None = None,
    image_size: str | None = None,
    examples: Whole = 5000,
    pool: Whole = 1,
    json: Flag = False,
    seed: Whole = 0,
    trust_code: Flag = False,
) -> None:
    """Check with linear probes whether the layers that see the whole image are unproductive in a trained network.

    A logistic regression is trained on each layer's output with training data, and tested with validation data.

    Args:
        target: RUN:DESIGN, or file.py:NAME and the like, which then has to load its own weights.
        data: Folder, .npz file or embedded set; the run's own data if not given.
        layout: Where the data, an .npz file, have their channels: channels-first, channels-last or none.
        image_size: Resize examples to this many pixels along every axis, or to HEIGHTxWIDTH, e.g. 32x48.
        examples: As many of each part at most.
        pool: Positions per axis, 1 to 4, that a layer's output is averaged to.
        json: Print the record as JSON.
        seed: Of the choice of examples.
        trust_code: Allow a run folder or network file to import the classes it names.
    """
    require_seed(seed)

    from convblocks import signal as diagnosis
    from convblocks.cli.examples import load_examples
    from convblocks.cli.probe_table import print_probes
    from convblocks.targets import load_target

    if examples < 2:
        raise OptionError("examples", examples, "expected at least 2")
    with redirect_stdout(sys.stderr):  # what the user's own code prints is not ours
        loaded = load_target(target, trust_code=trust_code)
        chosen = load_examples(
            loaded, data, image_size=pixels("image_size", image_size), layout=layout, most=examples, seed=seed
        )
        if chosen is None:
            raise TargetError(
                f"{target} brings no data along: name a folder, .npz file or embedded set after it"
            )
        probes = diagnosis.probe(loaded.module, chosen.train, chosen.validation, pool=pool)
    if json:
        write_json(probes)
    else:
        print_probes(probes, chosen.name)
