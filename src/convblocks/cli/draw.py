"""``convblocks draw``: a picture of a block or network, from what it does."""

import sys
from contextlib import redirect_stdout
from math import inf
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from convblocks.cli.block import CHANNELS, SIZES, described_block, refuse_of_block, size_of
from convblocks.cli.parse import AXES, output_file, require_axes, sized, whole
from convblocks.cli.terminal import say, write
from convblocks.errors import OptionError

if TYPE_CHECKING:
    from torch import nn

Whole = Annotated[int, Parameter(converter=whole)]
Flag = Annotated[bool, Parameter(negative=())]


def draw(
    target: str,
    /,
    *,
    input: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,  # noqa: A002 - the option's name
    axes: str | None = None,
    out_channels: Whole | None = None,
    stride: Whole | None = None,
    every_layer: Flag = False,
    out: str | None = None,
    trust_code: Flag = False,
    **options: str,
) -> None:
    """Draw a block or network: main path, shortcut, channels, stride and receptive field.

    As text, or as SVG with --out. It is traced: what is drawn is what it does.
    In a long network, pieces that follow each other unchanged are drawn once and
    marked, as ×3, with the receptive field behind the last of them.

    Args:
        target: A family with its options, e.g. residual --depth 4, a block's .toml or .json, or any target of
            analyze.
        input: Size of an example, e.g. 64x56x56; its axes say if a block is for signals, images or volumes.
        axes: Names of a network's input axes where channels are not first, e.g. time,channels.
        out_channels: Of a block; as many as its input has if not given.
        stride: Of a block; 1 if not given.
        every_layer: Draw what repeats each time.
        out: SVG file to write.
        trust_code: Allow a run folder or spec to import the classes it names.
        options: Of a block, by the names that its constructor has, e.g. --norm group.
    """
    require_axes(axes)
    file = output_file("out", out, ".svg")
    size = None if input is None else sized("input", input)[0]

    from convblocks.drawing import FITS, outline
    from convblocks.files import write as write_bytes
    from convblocks.report import totals
    from convblocks.report.outline_svg import outline_svg, outline_text

    with redirect_stdout(sys.stderr):  # what the user's own code prints is not ours
        place = {"out_channels": out_channels, "stride": stride}
        module, size, assumed = _built(target, size, place, options, trust_code, axes)
        drawn = outline(module.eval(), size, axes=axes, fits=inf if every_layer else FITS)
    if file is None:
        write(outline_text(drawn))
    else:
        write_bytes(file, outline_svg(drawn).encode())
        write(f"Drawing: {file}\n")
    if sentence := totals.axes(drawn.axes, drawn.axes_assumed):
        say(sentence)
    if assumed:
        # receptive fields and maps are those of this size
        say(f"drawn for an input of {'x'.join(map(str, size))}, which is assumed; --input gives another")


def _built(
    target: str,
    size: tuple[int, ...] | None,
    place: dict[str, int | None],
    options: dict[str, str],
    trust_code: bool,
    axes: str | None,
) -> tuple["nn.Module", tuple[int, ...], bool]:
    """Returns the module on the meta device, its input's size, and whether that is assumed."""
    import torch

    from convblocks.targets import load_target

    block = described_block(target, options, trust_code)
    if block is None:
        refuse_of_block(target, {**place, **options})
        loaded = load_target(target, trust_code=trust_code, on_meta=True)
        return loaded.module, size or size_of(loaded), not (size or loaded.input_size)
    if size is not None and len(size) not in (2, 3, 4):
        raise OptionError("input", "x".join(map(str, size)), AXES)
    if axes is not None:
        raise OptionError("axes", axes, "goes with a network; a block takes (channels, *spatial)")
    assumed, size = size is None, size or (CHANNELS, *SIZES[2])
    given = {name: value for name, value in place.items() if value is not None}
    outputs, stride = given.get("out_channels", size[0]), given.get("stride", 1)
    with torch.device("meta"):
        return block.build(size[0], outputs, stride, dims=len(size) - 1), size, assumed
