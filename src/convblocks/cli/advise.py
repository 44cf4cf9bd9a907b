"""``convblocks advise``: the rules that a network breaks, with an exit status for CI."""

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from convblocks.cli.parse import names, require_axes, sized
from convblocks.cli.terminal import say, write_json

if TYPE_CHECKING:
    from convblocks.targets import Target

Flag = Annotated[bool, Parameter(negative=())]
FINDINGS = 1  # exit status
LARGEST_WEIGHTS = 200e6  # bytes that are built for CB504 alone


def advise(
    target: str | None = None,
    /,
    *,
    input: Annotated[list[str] | None, Parameter(negative=(), allow_leading_hyphen=True)] = None,  # noqa: A002 - the option's name
    axes: str | None = None,
    select: str | None = None,
    ignore: str | None = None,
    measure: Flag = False,
    signal: Flag = False,
    fail_on: Literal["note", "warning", "error"] = "warning",
    rules: Flag = False,
    all_places: Flag = False,
    json: Flag = False,
    trust_code: Flag = False,
) -> int:
    """Say what is wrong with a network, or could be better: each finding with its place, figures and fix.

    Exit status 0: nothing at or above --fail-on; 1: findings; 2: the target or an option cannot be used.

    Args:
        target: file.py:NAME, package.module:NAME, timm:NAME, torchvision:NAME, zoo:NAME, a network's .toml, or
            RUN:DESIGN.
        input: Size without the batch, e.g. 3x224x224 or 128:int64; repeat for several inputs. The target's own
            if it states one.
        axes: Names of the first input's axes, without the batch where that is first, e.g. time,channels or
            height,width,channels. What the network's layers show if not given.
        select: Only these rules, by id or its beginning: CB101,CB2. See --rules.
        ignore: Not these rules.
        measure: Run the CB3 rules too, which time layers on this machine.
        signal: Run the CB4 rules too, which run a copy on random inputs, the same each time; so are weights
            drawn at random.
        fail_on: The mildest severity that gives exit status 1.
        rules: List all rules, and what each is about.
        all_places: Print every place of a rule, not the first three.
        json: Print the findings as JSON, and nothing else.
        trust_code: Allow a run folder or network file to import the classes it names.
    """
    selected = names("select", select) if select is not None else []
    ignored = names("ignore", ignore) if ignore is not None else []
    given = [sized("input", text) for text in input or []]
    require_axes(axes)

    from convblocks import advice
    from convblocks.analysis.trace import attempt
    from convblocks.cli.advice_table import print_findings, print_rules
    from convblocks.cli.inputs import inputs_of, say_axes
    from convblocks.errors import TargetError
    from convblocks.records import SEVERITIES

    if rules:
        print_rules(advice.RULES)
        return 0
    if target is None:
        raise TargetError(
            "no target: name a network, e.g. torchvision:resnet18, or list the rules by --rules"
        )
    needs_weights = signal or any(name.startswith(("CB4", "CB504")) for name in selected)
    checks_weights = not any("CB504".startswith(name) for name in ignored) and (
        not selected or any("CB504".startswith(name) for name in selected)
    )
    with redirect_stdout(sys.stderr):  # what the user's own code prints is not ours
        loaded = _loaded(target, trust_code, needs_weights, checks_weights)
        sizes, dtypes = inputs_of(loaded, given)
        traced = attempt(loaded.module, *sizes, dtypes=dtypes, axes=axes)
        findings = advice.advise(traced, select=selected, ignore=ignored, measure=measure, signal=signal)
        say_axes(traced)
    if json:
        write_json(findings)
    else:
        print_findings(findings, type(loaded.module).__name__, all_places=all_places)
    worst = max((SEVERITIES.index(finding.severity) for finding in findings), default=-1)
    return FINDINGS if worst >= SEVERITIES.index(fail_on) else 0


def _loaded(target: str, trust_code: bool, needs_weights: bool, checks_weights: bool) -> "Target":
    """Loads the target, with weights where they are needed, or where CB504 checks how the user's code draws them."""
    import torch

    from convblocks.analysis.trace.walk import parameters
    from convblocks.targets import load_target

    torch.manual_seed(0)  # of the weights, where the target's are random, so that CI tells the same each time
    loaded = load_target(target, trust_code=trust_code, on_meta=not needs_weights)
    missing = [p.numel() * p.element_size() for p in parameters(loaded.module).values() if p.is_meta]
    # whose weights are known to start well
    published = target.startswith(("timm:", "torchvision:", "zoo:"))
    if not missing or published or not checks_weights:
        return loaded
    if sum(missing) > LARGEST_WEIGHTS:
        say(
            f"CB504 is left out: it needs the weights, {sum(missing) / 1e6:,.0f} MB, and over "
            f"{LARGEST_WEIGHTS / 1e6:,.0f} MB are not built by default; --select CB504 looks at them"
        )
        return loaded
    torch.manual_seed(0)
    return load_target(target, trust_code=trust_code)
