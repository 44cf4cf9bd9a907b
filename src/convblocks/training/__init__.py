"""Train any classifier: a frozen recipe, a loop that is a function, checkpoints that survive a kill."""

from convblocks.records.recipe import Recipe
from convblocks.training.batches import ArrayBatches, Batches
from convblocks.training.checkpoint import Progress
from convblocks.training.loop import evaluate, train
from convblocks.training.placement import Placement

__all__ = ["ArrayBatches", "Batches", "Placement", "Progress", "Recipe", "evaluate", "train"]
