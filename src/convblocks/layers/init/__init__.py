"""Initialisations of a whole network's weights, by name, each made for a family of networks.

he.py                rectifiers; with norms, any family
delta_orthogonal.py  plain stacks without norms, tanh
residual_branches.py residual families without norms: Fixup, SkipInit
module_parts.py      the parts of a module that they act on, and their refusals
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import nn

from convblocks.checks import one_of
from convblocks.layers.init.delta_orthogonal import delta_orthogonal_ as delta_orthogonal_
from convblocks.layers.init.he import he_normal_ as he_normal_
from convblocks.layers.init.residual_branches import fixup_ as fixup_
from convblocks.layers.init.residual_branches import skipinit_ as skipinit_


class Initialisation(NamedTuple):
    """An initialisation of all weights, and the networks it is made for.

    Attributes:
        start: sets the weights of a module in place; raises OptionError for one to which it cannot apply.
        made_for: the networks, as text.
        options: the options that blocks are built with for it, as far as they have them.
    """

    start: Callable[[nn.Module], None]
    made_for: str
    options: Mapping[str, str]


def _options(**options: str) -> Mapping[str, str]:
    return MappingProxyType(options)


INITIALISATIONS: dict[str, Initialisation] = {
    "he_normal": Initialisation(he_normal_, "any family, best with norms", _options()),
    "delta_orthogonal": Initialisation(
        delta_orthogonal_,
        "plain stacks without norms, with tanh",
        _options(norm="none", activation="tanh"),
    ),
    "fixup": Initialisation(
        fixup_, "residual families without norms", _options(norm="none", branch_scale="one")
    ),
    "skipinit": Initialisation(
        skipinit_,
        "residual families without norms, with a learnt scale on the branch",
        _options(norm="none", branch_scale="zero"),
    ),
}


def initialise_(module: nn.Module, init: str) -> None:
    """Starts all weights of `module` as `init` names it. Raises OptionError where it cannot apply."""
    INITIALISATIONS[one_of("init", init, INITIALISATIONS)].start(module)
