"""Words for messages: one line each, whatever a file or class is called."""

from convblocks.text import shown as shown


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """``1 image``, ``1,200 images``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def listed(names: list[str]) -> str:
    """``a, b and c``; of more than eight the first seven and how many more."""
    if len(names) > 8:
        names = [*names[:7], f"{len(names) - 7} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def times(shape: tuple[int, ...]) -> str:
    """``32×32``."""
    return "×".join(map(str, shape))
