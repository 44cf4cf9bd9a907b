"""The axes of a module's first input, as its user names them: ``time,channels``."""

from collections.abc import Sequence

from msgspec import Struct

from convblocks.errors import OptionError
from convblocks.text import times

CHANNELS = ("channels", "features")
BATCH = "batch"
SPATIAL = ("time", "length", "frequency", "depth", "height", "width")
EXPECTED = f"channels or features, {BATCH}, and any of {', '.join(SPATIAL)}"
USUAL = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


class Layout(Struct, frozen=True):
    """The axes of the first input as a tensor, with its batch axis."""

    spatial: tuple[int, ...]
    channels: int | None
    batch: int = 0


def parse_axes(axes: str, size: Sequence[int] | None = None) -> Layout:
    """Returns the layout that names separated by commas describe; without ``batch`` that comes first.

    Args:
        axes: a name for each axis, as ``time,channels``.
        size: the input's size without its batch axis, which the names have to fit.

    Raises:
        OptionError: a name that is unknown or comes twice, or names that do not fit the size.
    """
    names = [name.strip().lower() for name in axes.split(",")]
    kinds = ["channels" if name in CHANNELS else name for name in names]
    for name, kind in zip(names, kinds, strict=True):
        if kind not in ("channels", BATCH, *SPATIAL):
            wrong = f"{name!r} is no name of an axis" if name else "a name is missing"
            raise OptionError("axes", axes, f"{wrong}; expected {EXPECTED}, e.g. time,channels")
        if kinds.count(kind) > 1:
            raise OptionError(
                "axes", axes, f"names {kind} twice; expected one name for each axis, e.g. time,channels"
            )
    axes_named = len(kinds) - (BATCH in kinds)
    if size is not None and axes_named != len(size):
        size_text = times(size)
        fix = ""
        if BATCH in kinds and len(size) == axes_named + 1:
            example = [n for place, n in enumerate(size) if place != kinds.index(BATCH)]
            fix = f"; leave the batch out of the input: {'x'.join(map(str, example))}"
        raise OptionError(
            "axes",
            axes,
            f"names {axes_named} axes without the batch, and the input {size_text} has {len(size)}{fix}",
        )
    ordered = kinds if BATCH in kinds else [BATCH, *kinds]
    return Layout(
        spatial=tuple([place for place, kind in enumerate(ordered) if kind in SPATIAL]),
        channels=ordered.index("channels") if "channels" in ordered else None,
        batch=ordered.index(BATCH),
    )


def axis_names(rank: int, layout: Layout) -> tuple[str, ...]:
    """Returns the names of the axes without the batch, as `parse_axes` reads them, of an input of this rank."""
    spatial = USUAL.get(len(layout.spatial), tuple(f"axis{place}" for place in layout.spatial))
    names = dict(zip(layout.spatial, spatial, strict=True))
    return tuple([names.get(place, "channels") for place in range(rank) if place != layout.batch])
