"""Rules with stable ids that say what is wrong with a network, from its trace.

rule_table.py lists them, view.py is what they look at, and each of the other files holds a few.
"""

from convblocks.advice.advise import advise
from convblocks.advice.rule_table import RULES, Rule

__all__ = ["RULES", "Rule", "advise"]
