"""Training of many designs: a proposer chooses them, an executor trains them, the run folder keeps the results.

contracts.py        Proposer, Executor and what they exchange
run.py              joins the three
grid.py             the proposer of compare; docs/search.md has another one
local_processes.py  the executor: worker processes of this machine
trial.py            one training, as a worker does it
"""

from convblocks.engine.contracts import (
    EpochEnded,
    Event,
    Executor,
    Notice,
    Proposer,
    RunEnded,
    StopCheck,
    Trial,
)
from convblocks.engine.design_record import describe
from convblocks.engine.run import run_trials

__all__ = [
    "EpochEnded",
    "Event",
    "Executor",
    "Notice",
    "Proposer",
    "RunEnded",
    "StopCheck",
    "Trial",
    "describe",
    "run_trials",
]
