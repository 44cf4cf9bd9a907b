"""`advise`: run the rules over one trace, and give their findings."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import nn

from convblocks.advice.additions import joined
from convblocks.advice.rule_table import RULES, Rule
from convblocks.advice.view import View
from convblocks.analysis.trace import Failed, Trace, as_trace, attempt, check_alone, trace
from convblocks.errors import OptionError
from convblocks.records import Finding

GROUP = "CB"


def advise(
    target: nn.Module | Trace | Failed,
    *input_sizes: Sequence[int],
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    measure: bool = False,
    signal: bool = False,
    dtypes: Sequence[torch.dtype] = (),
    axes: str | None = None,
) -> tuple[Finding, ...]:
    """Returns what is wrong with a network, or could be better: each finding with its place, figures and fix.

    Most rules read one trace of one example. CB501 compares it with a forward of several examples, and CB202 with
    forwards of slightly larger inputs. A forward that fails at an addition is a finding (CB202), and so is one that
    fails with one example alone, or with several (CB501).

        >>> [finding.id for finding in advise(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), (3, 8, 8))]
        ['CB101', 'CB205']

    Args:
        target: a module; or its trace, or failed forward as `attempt` returns it, beside which nothing is said of
            the inputs.
        input_sizes: (channels, *spatial) of each input, without the batch axis.
        select: ids of rules or beginnings of them, as CB101 or CB2; by default all but CB3 and CB4.
        ignore: ids likewise, of rules to leave out.
        measure: also run CB3, which times layers on this machine.
        signal: also run CB4, which runs a copy on random inputs.
        dtypes: of each input, float32 where not given.
        axes: names of the first input's axes where channels are not first, e.g. ``time,channels``; see `trace`.

    Raises:
        OptionError: for a rule that there is not, for inputs beside a trace, and for a trace of several examples.
        TraceError: if the forward fails elsewhere.
    """
    rules = chosen(_list(select), _list(ignore), measure=measure, signal=signal)
    view = _view(target, input_sizes, dtypes, axes)
    return tuple(_findings(rules, view))


def _list(given: Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def chosen(select: Sequence[str], ignore: Sequence[str], *, measure: bool, signal: bool) -> list[Rule]:
    """Returns the rules to run; one on request runs if its flag is given, or if it is selected by more than "CB"."""
    for option, names in (("select", select), ("ignore", ignore)):
        for name in names:
            if not name or not any(rule.id.startswith(name) for rule in RULES):
                ids = f"{RULES[0].id} … {RULES[-1].id}"
                raise OptionError(
                    option, name, f"there is no such rule; expected one of {ids}, or a group as CB2"
                )
    requested = [name for name in select if name != GROUP]
    requested += ["CB3"] * measure + ["CB4"] * signal
    by_default = not select or GROUP in select
    return [
        rule
        for rule in RULES
        if (rule.id.startswith(tuple(requested)) or (by_default and not rule.on_request))
        and not rule.id.startswith(tuple(ignore))
    ]


def _view(
    target: nn.Module | Trace | Failed,
    input_sizes: Sequence[Sequence[int]],
    dtypes: Sequence[torch.dtype],
    axes: str | None,
) -> View:
    if isinstance(target, nn.Module):
        target = attempt(target, *input_sizes, dtypes=dtypes, axes=axes)
    else:
        check_alone(input_sizes, dtypes, axes)
    if not isinstance(target, Failed):
        return View(as_trace(target))
    view = View(target.trace, target)
    if not joined(target) and isinstance(view.several, Failed):
        traced = target.trace
        # raises what is wrong, in words
        trace(traced.module, *traced.input_sizes, dtypes=traced.dtypes, axes=traced.axes)
    return view


def _findings(rules: Iterable[Rule], view: View) -> Iterator[Finding]:
    for rule in rules:
        if rule.whole and view.failed:
            continue
        reported: set[tuple[str, str]] = set()  # a module that is called again is reported once
        for violation in rule.check(view):
            if (violation.place, violation.message) in reported:
                continue
            reported.add((violation.place, violation.message))
            yield Finding(
                id=rule.id,
                severity=violation.severity or rule.severity,
                place=violation.place,
                message=violation.message,
                fix=violation.fix,
                figures=dict(violation.figures),
            )
