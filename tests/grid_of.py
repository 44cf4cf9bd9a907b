"""A question's grid with its axes by position, as tests of many grids write it."""

from convblocks import Recipe
from convblocks.experiments import implementations as listing
from convblocks.records import Question


def question(depths, families, block_depths, groups=(1,), init="he_normal", stages=None):
    return Question(
        depths=depths,
        families=families,
        block_depths=block_depths,
        groups=groups,
        recipe=Recipe(init=init),
        stages=stages,
    )


def grid_of(depths, stages, *others):
    """The implementations and the notes."""
    return listing.implementations(question(depths, *others, stages=stages))


def stages_of(size, *others):
    return listing.default_stages(question(*others), size)
