"""The signal, its symptoms and the fixes, as tables of 80 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from convblocks.cli.probe_table import shortened
from convblocks.cli.terminal import SafeConsole
from convblocks.formatting import MISSING, significant
from convblocks.records import EffectiveField, FixCheck, Rate, Shattering, Signal, SignalAlong

SHOWN = 24
NAME = 36


def print_signal(records: Mapping[str, Any], *, all_layers: bool) -> None:
    """Prints what ``convblocks signal`` measured, the symptoms last.

    Args:
        records: by the names that its JSON has.
        all_layers: show every layer, not SHOWN of them.
    """
    console = SafeConsole()
    signal: Signal = records["signal"]
    console.print(_layers(signal, all_layers))
    if (step := _step(signal, all_layers)) > 1:
        console.print(f"One in {step} of {len(signal.layers)} layers; --all-layers shows all.", style="dim")
    console.print(
        Padding(
            f"{records['target']}: {records['examples']}, {'training' if signal.training else 'eval'} mode; gradients "
            f"of {signal.loss}. rms: of the layer's output; spread: between examples; gradient: of that output.",
            (1, 0),
        ),
        style="dim",
    )
    for name, rate in (("spread", signal.activation), ("gradient", signal.gradient)):
        console.print(_lead(name, _rate(rate)))
    if signal.shattering:
        console.print(_lead("neighbours", _shattering(signal.shattering)))
    if field := records.get("effective_field"):
        console.print(_lead("field", _field(field)))
    if along := records.get("along"):
        console.print(Padding(_along(along), (1, 0, 0, 0)))
        console.print(f"A copy trained by {along.optimizer}.", style="dim")
    console.print()
    for symptom in signal.symptoms:
        console.print(_lead(symptom.kind, f"{symptom.evidence}. Fixes: {', '.join(symptom.fixes)}."))
    if not signal.symptoms:
        console.print("No symptom: neither vanishing nor exploding, and gradients at neighbours are alike.")
    if fixes := records.get("mends"):
        console.print(Padding(_fixes(fixes), (1, 0, 0, 0)))
        for line in dict.fromkeys(f"{check.fix}: {check.change or check.problem}" for check in fixes):
            console.print(line, style="dim")


def _lead(lead: str, text: str) -> Text:
    return Text.assemble((lead, "bold"), ": ", text)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left", no_wrap=True)
    return table


def _layers(signal: Signal, all_layers: bool) -> Table:
    table = _table("layer", "rms", "spread", "gradient", "of weight")
    step = _step(signal, all_layers)
    for i, layer in enumerate(signal.layers):
        if i % step == 0 or i == len(signal.layers) - 1:
            norms = (layer.rms, layer.spread, layer.gradient_norm, layer.weight_gradient_norm)
            table.add_row(shortened(layer.name, NAME), *(significant(norm) for norm in norms))
    return table


def _step(signal: Signal, all_layers: bool) -> int:
    """Returns of how many layers one is shown."""
    return 1 if all_layers else -(-len(signal.layers) // SHOWN)


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return "fewer than three layers to fit"
    low, high = significant(rate.low), significant(rate.high)
    ends = "no trend"
    if rate.layers_to_bound is not None:
        how, bound = ("vanish", "10⁻⁴") if rate.factor < 1 else ("explode", "10⁴")
        there = rate.layers_to_bound <= rate.steps
        ends = f"{how + 'es' if there else 'would ' + how} ({bound}) after {rate.layers_to_bound:.0f}"
    over_all = f"which makes × {significant(rate.over_all)} over {rate.steps}"
    return f"× {significant(rate.factor)} [{low}, {high}] a layer by a fit, {over_all}; {ends}"


def _shattering(shattering: Shattering) -> str:
    half = (
        f"below 1/2 from {shattering.half_distance:.0%} on"
        if shattering.half_distance
        else "nowhere below 1/2"
    )
    return (
        f"gradients {shattering.distances[0]:.1%} of the way between two examples apart correlate by "
        f"{shattering.neighbour:.2f}, {half}; white noise: 0 ± {significant(shattering.white_noise, 2)}"
    )


def _field(field: EffectiveField) -> str:
    def one(i: int) -> str:
        axis = field.axes[i]
        fit = f", R² {axis.r_squared:.3f}" if axis.r_squared is not None else ""
        part = f"{axis.ratio:.0%} of {axis.theoretical:g}" if axis.ratio is not None else MISSING
        return f"σ {axis.sigma_moments:.2f}{fit}, 4σ is {part}"

    return f"{field.layer} at its centre: {'; '.join(one(i) for i in range(len(field.axes)))} pixels"


def _along(along: SignalAlong) -> Table:
    table = _table("step", "loss", "spread/layer", "gradient/layer", "over all")
    table.add_column("symptoms", ratio=1)  # folded where they are long
    for step in along.steps:
        activation, gradient = step.signal.activation, step.signal.gradient
        table.add_row(
            str(step.step),
            significant(step.loss),
            significant(activation.factor if activation else None),
            significant(gradient.factor if gradient else None),
            significant(gradient.over_all if gradient else None),
            ", ".join(symptom.kind for symptom in step.signal.symptoms) or "none",
        )
    return table


def _fixes(checks: Sequence[FixCheck]) -> Table:
    """Returns a table of each symptom, and below it the fixes that were tried."""
    table = _table("symptom and fix", "before", "after", "verdict")
    table.add_column("but then", ratio=1)  # folded where it is long
    symptom = ""
    for check in checks:
        if check.symptom != symptom:
            symptom = check.symptom
            table.add_row(symptom)
        figures = significant(check.before), significant(check.after)
        table.add_row(f"  {check.fix}", *figures, check.verdict, ", ".join(check.new_symptoms))
    return table
