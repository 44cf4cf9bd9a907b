"""``convblocks draw``: a picture of a block or network, from what it does."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from convblocks.cli.block import described_block
from convblocks.cli.parse import whole
from convblocks.errors import OptionError

if TYPE_CHECKING:
    from torch import nn

Whole = Annotated[int, Parameter(converter=whole)]
Flag = Annotated[bool, Parameter(negative=())]
CHANNELS = 64  # of a block's input, where none are given
SIZES = {1: (64,), 2: (64, 64), 3: (32, 32, 32)}  # a map that shows what the layers do with it


def draw(
    spec: str,
    /,
    *,
    in_channels: Whole | None = None,
    out_channels: Whole | None = None,
    stride: Whole | None = None,
    dims: Whole | None = None,
    out: Path | None = None,
    trust_code: Flag = False,
    **options: str,
) -> None:
    """Draw a block: main path, shortcut, channels, stride and receptive field.

    As text, or as SVG with --out. The block is traced, so that what is drawn is what it does.

    Parameters
    ----------
    spec
        A family with its options, e.g. residual --depth 4, a block's .toml or .json, or any target of analyze.
    in_channels
        Of a block's input; 64 if not given.
    out_channels
        Of a block; as many as its input has if not given.
    stride
        Of a block; 1 if not given.
    dims
        Spatial axes of a block: 1, 2 or 3; 2 if not given.
    out
        SVG file to write.
    trust_code
        Allow a run folder or spec to import the classes it names.
    """
    from convblocks.analysis.outline import outline
    from convblocks.files import write
    from convblocks.report.outline import outline_svg, outline_text

    place = {"in_channels": in_channels, "out_channels": out_channels, "stride": stride, "dims": dims}
    values = {name: _value(text) for name, text in options.items()}
    module, channels, axes = _built(spec, place, values, trust_code)
    drawn = outline(module.eval(), (channels, *SIZES[axes]))
    if out is None:
        sys.stdout.write(outline_text(drawn))
    else:
        write(out, outline_svg(drawn).encode())
        sys.stdout.write(f"Drawing: {out}\n")


def _built(
    spec: str, place: dict[str, int | None], options: dict[str, Any], trust_code: bool
) -> tuple["nn.Module", int, int]:
    """The module on the meta device, its input's channels and spatial axes."""
    import torch

    from convblocks.blocks import BlockSpec
    from convblocks.layers.check import dimensions
    from convblocks.targets import load_target

    block = described_block(spec, options, trust_code)
    given = {name: value for name, value in place.items() if value is not None}
    if block is None and spec.isidentifier() and not Path(spec).exists():
        block = BlockSpec(
            spec, **options
        )  # no other target is a mere word, and this knows what is close to it
    if block is None:
        for name in (*options, *given):
            raise OptionError(name, ..., f"goes with a block; {spec} is none")
        found = load_target(spec, trust_code=trust_code, on_meta=True)
        return found.module, found.channels or 3, found.dims or 2
    inputs, dims = given.get("in_channels", CHANNELS), dimensions(given.get("dims", 2))
    with torch.device("meta"):
        outputs, stride = given.get("out_channels", inputs), given.get("stride", 1)
        return block.build(inputs, outputs, stride, dims=dims), inputs, dims


def _value(text: str) -> object:
    """An option's value as typed: 4, 0.1, true, 3,5 for the axes, or a name."""
    if "," in text:
        return tuple(_value(part) for part in text.split(","))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)
