"""`advise`: run the rules over one trace, and give their findings."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import nn

from convblocks.advice.additions import joined
from convblocks.advice.rule_table import RULES, Rule
from convblocks.advice.view import View
from convblocks.analysis.trace import Failed, attempt, trace
from convblocks.errors import OptionError
from convblocks.records import Finding

GROUP = "CB"


def advise(
    module: nn.Module,
    *input_sizes: Sequence[int],
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    measure: bool = False,
    signal: bool = False,
    dtypes: Sequence[torch.dtype] = (),
    axes: str | None = None,
) -> tuple[Finding, ...]:
    """What is wrong with a network, or could be better, rule by rule: each finding with its place, figures and mend.

    input_sizes: (channels, *spatial) of each input, without the batch axis. dtypes: float32 where not given.
    axes: names of the first input's axes where channels are not first, e.g. ``time,channels``; see `trace`.
    select, ignore: ids of rules or beginnings of them, as CB101 or CB2; all are selected by default, but for
    CB3 (measure), which times layers on this machine, and CB4 (signal), which runs a copy on random inputs.
    Most rules need one trace without data. A forward that fails at an addition is a finding (CB202), and so is one that
    fails with one example alone, or with several (CB501).
    Raises TraceError if the forward fails elsewhere, OptionError for a rule that there is not.

        >>> [finding.id for finding in advise(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), (3, 8, 8))]
        ['CB101', 'CB205']
    """
    rules = chosen(_list(select), _list(ignore), measure=measure, signal=signal)
    view = _view(module, input_sizes, dtypes, axes)
    return tuple(_findings(rules, view))


def _list(given: Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def chosen(select: Sequence[str], ignore: Sequence[str], *, measure: bool, signal: bool) -> list[Rule]:
    """The rules to run; one on request runs if asked for by its flag, or selected by more than "CB"."""
    for option, names in (("select", select), ("ignore", ignore)):
        for name in names:
            if not name or not any(rule.id.startswith(name) for rule in RULES):
                known = f"{RULES[0].id} … {RULES[-1].id}"
                raise OptionError(
                    option, name, f"there is no such rule; expected one of {known}, or a group as CB2"
                )
    asked = [name for name in select if name != GROUP]
    asked += ["CB3"] * measure + ["CB4"] * signal
    by_default = not select or GROUP in select
    return [
        rule
        for rule in RULES
        if (rule.id.startswith(tuple(asked)) or (by_default and not rule.on_request))
        and not rule.id.startswith(tuple(ignore))
    ]


def _view(
    module: nn.Module,
    input_sizes: Sequence[Sequence[int]],
    dtypes: Sequence[torch.dtype],
    axes: str | None,
) -> View:
    found = attempt(module, *input_sizes, dtypes=dtypes, axes=axes)
    sizes = tuple(tuple(size) for size in input_sizes)
    kinds = (*dtypes, *[torch.float32] * (len(sizes) - len(dtypes)))
    if not isinstance(found, Failed):
        return View(module, sizes, kinds, found, axes=axes)
    view = View(module, sizes, kinds, found.seen, found, axes)
    if not joined(found) and isinstance(view.several, Failed):
        trace(module, *input_sizes, dtypes=dtypes, axes=axes)  # raises what is wrong, in words
    return view


def _findings(rules: Iterable[Rule], view: View) -> Iterator[Finding]:
    for rule in rules:
        if rule.whole and view.failed:
            continue
        told: set[tuple[str, str]] = set()  # a module that is called again is told once
        for found in rule.check(view):
            if (found.place, found.message) in told:
                continue
            told.add((found.place, found.message))
            yield Finding(
                id=rule.id,
                severity=found.severity or rule.severity,
                place=found.place,
                message=found.message,
                mend=found.mend,
                figures=dict(found.figures),
            )
