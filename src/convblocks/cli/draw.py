"""``convblocks draw``: a picture of a block or network, from what it does."""

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from convblocks.cli.parse import whole
from convblocks.errors import OptionError

if TYPE_CHECKING:
    from torch import nn

Whole = Annotated[int, Parameter(converter=whole)]
SIZES = {1: (64,), 2: (64, 64), 3: (32, 32, 32)}  # a map that shows what the layers do with it


def draw(
    spec: str,
    /,
    *,
    in_channels: Whole = 64,
    out_channels: Whole | None = None,
    stride: Whole = 1,
    dims: Whole = 2,
    out: Path | None = None,
    **options: str,
) -> None:
    """Draw a block: main path, shortcut, channels, stride and receptive field.

    As text, or as SVG with --out. The block is traced, so that what is drawn is what it does.

    Parameters
    ----------
    spec
        A family with its options, e.g. residual --depth 4, the .toml file of a block or a network, or zoo:NAME.
    in_channels
        Of the block's input.
    out_channels
        Of its output; as many as in_channels if not given.
    stride
        Of the block.
    dims
        Spatial axes: 1, 2 or 3.
    out
        SVG file to write.
    """
    from convblocks.analysis.outline import outline
    from convblocks.files import write
    from convblocks.layers.check import dimensions
    from convblocks.report.outline import outline_svg, outline_text

    place = (in_channels, in_channels if out_channels is None else out_channels, stride, dimensions(dims))
    module, channels, axes = _built(spec, place, {name: _value(text) for name, text in options.items()})
    drawn = outline(module.eval(), (channels, *SIZES[axes]))
    if out is None:
        sys.stdout.write(outline_text(drawn))
    else:
        write(out, outline_svg(drawn).encode())
        sys.stdout.write(f"Drawing: {out}\n")


def _built(
    spec: str, place: tuple[int, int, int, int], options: dict[str, Any]
) -> tuple["nn.Module", int, int]:
    """The module on the meta device, its input's channels and spatial axes."""
    import torch

    from convblocks.blocks import BlockSpec
    from convblocks.networks import Network
    from convblocks.targets import load_target

    if spec.startswith("zoo:"):
        if options:
            raise OptionError(next(iter(options)), ..., f"goes with a family; {spec} takes no options")
        found = load_target(spec, on_meta=True)
        assert found.channels
        assert found.dims
        return found.module, found.channels, found.dims
    in_channels, out_channels, stride, dims = place
    table: dict[str, Any] = {"family": spec, **options}
    if spec.endswith(".toml"):
        try:
            table = tomllib.loads(Path(spec).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise OptionError("spec", spec, f"is not TOML: {error}") from error
        if options:
            raise OptionError(next(iter(options)), ..., "stands in the .toml file; leave it out here")
    with torch.device("meta"):
        if "family" in table:
            block = BlockSpec.from_dict(table).build(in_channels, out_channels, stride, dims=dims)
            return block, in_channels, dims
        network = Network.from_dict(table)
        return network.build(), network.in_channels, network.dims


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
