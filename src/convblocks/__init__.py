"""How should a stack of D convolution layers be implemented? Build blocks, compare them, choose.

    from convblocks import ResidualBlock, compare, load

Everything here is loaded when first used, so that importing convblocks costs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from convblocks.advice import advise
    from convblocks.analysis import Trace, analyze, largest_batch, register_op, step_memory, trace
    from convblocks.blocks import *  # noqa: F403
    from convblocks.blocks import BLOCKS, BlockSpec, BottleneckBlock, ResidualBlock, SimpleConvBlock
    from convblocks.data import load_dataset
    from convblocks.engine.watcher import Watcher
    from convblocks.errors import ConvblocksError
    from convblocks.experiments.compare import compare
    from convblocks.experiments.search import search
    from convblocks.networks import (
        Network,
        NetworkSpace,
        Stage,
        StageChoices,
        Stem,
        load_foreign,
        network_cost,
        space_costs,
        with_budget,
        zoo,
    )
    from convblocks.records import Machine, Question, Recipe
    from convblocks.runs.store import RunFolder
    from convblocks.runs.trained import load
    from convblocks.statistics.answer import write_report
    from convblocks.targets import Target, load_target

_HOMES = {
    "BLOCKS": "blocks",
    "BlockSpec": "blocks",
    "BottleneckBlock": "blocks",
    "ConvblocksError": "errors",
    "Machine": "records",
    "Network": "networks",
    "NetworkSpace": "networks",
    "Question": "records",
    "Recipe": "records",
    "ResidualBlock": "blocks",
    "RunFolder": "runs.store",
    "SimpleConvBlock": "blocks",
    "Stage": "networks",
    "StageChoices": "networks",
    "Stem": "networks",
    "Target": "targets",
    "Trace": "analysis",
    "Watcher": "engine.watcher",
    "advise": "advice",
    "analyze": "analysis",
    "compare": "experiments.compare",
    "largest_batch": "analysis",
    "load": "runs.trained",
    "load_dataset": "data",
    "load_foreign": "networks",
    "load_target": "targets",
    "network_cost": "networks",
    "register_op": "analysis",
    "search": "experiments.search",
    "space_costs": "networks",
    "step_memory": "analysis",
    "trace": "analysis",
    "with_budget": "networks",
    "write_report": "statistics.answer",
    "zoo": "networks",
}

__all__ = [
    "BLOCKS",
    "BlockSpec",
    "BottleneckBlock",
    "ConvblocksError",
    "Machine",
    "Network",
    "NetworkSpace",
    "Question",
    "Recipe",
    "ResidualBlock",
    "RunFolder",
    "SimpleConvBlock",
    "Stage",
    "StageChoices",
    "Stem",
    "Target",
    "Trace",
    "Watcher",
    "advise",
    "analyze",
    "compare",
    "largest_batch",
    "load",
    "load_dataset",
    "load_foreign",
    "load_target",
    "network_cost",
    "register_op",
    "search",
    "space_costs",
    "step_memory",
    "trace",
    "with_budget",
    "write_report",
    "zoo",
]


def __getattr__(name: str) -> Any:
    # each family's class is here too
    home = _HOMES.get(name, "blocks" if name.endswith("Block") else "")
    value = getattr(import_module(f"convblocks.{home}"), name, None) if home else None
    if value is None:
        raise AttributeError(f"module 'convblocks' has no attribute {name!r}")
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
