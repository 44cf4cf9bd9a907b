"""Training of many designs: a proposer chooses them, an executor trains them, the run folder keeps the results.

contracts.py        Proposer, Executor and what they exchange
run.py              joins the three
grid.py             the proposer of compare; docs/search.md has another one
local_processes.py  the executor: worker processes of this machine
trial.py            one training, as a worker does it
"""

from convblocks.engine.contracts import Executor, Proposer, Trial
from convblocks.engine.design_record import describe

__all__ = ["Executor", "Proposer", "Trial", "describe"]
