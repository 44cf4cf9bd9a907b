"""CB501 and CB502: batches of training that differ from one example in eval mode."""

from collections.abc import Iterator
from math import prod

from convblocks.advice.view import View, Violation, depending, named
from convblocks.analysis.ops import POINTWISE
from convblocks.analysis.trace import Failed, OpCall, Trace
from convblocks.analysis.trace.graph import Shape
from convblocks.analysis.trace.several_examples import SEVERAL, keeping_axis, lost_axis, norms_of_one_value
from convblocks.text import plural, times

RESHAPES = frozenset({"view", "reshape", "flatten", "unflatten", "squeeze", "expand"})


def batch_axis(view: View) -> Iterator[Violation]:
    """Compares the outputs of one example with those of several."""
    several = view.several
    if view.failed:
        if not isinstance(several, Failed):
            yield _one_fails(view, view.failed, several)
    elif isinstance(several, Failed):
        yield _several_fail(view, several)
    else:
        yield from _other_outputs(view, several)


def _one_fails(view: View, failed: Failed, several: Trace) -> Violation:
    culprit = lost_axis(view.trace, several)
    return Violation(
        place=culprit.path if culprit else failed.path,
        message=f"fails with one example, and runs with {SEVERAL}: {_reason(failed)}",
        fix=keeping_axis(culprit) if culprit else "take the batch's size from x.shape[0]",
        figures={"runs_with": SEVERAL},
        severity="error",
    )


def _several_fail(view: View, failed: Failed) -> Violation:
    culprit = _fixed(view.trace, failed.trace)
    return Violation(
        place=culprit.path if culprit else failed.path,
        message=f"runs with one example, and fails with {SEVERAL}: {_reason(failed)}",
        fix=f"{culprit.name} gives {plural(culprit.outputs[0].shape[0], 'row')} whatever the batch: x.flatten(1), or "
        "x.shape[0] as its first size"
        if culprit
        else "take the batch's size from x.shape[0]",
        figures={"fails_with": SEVERAL},
        severity="error",
    )


def _reason(failed: Failed) -> str:
    text = " ".join(str(failed.__cause__).split())
    return text if len(text) <= 160 else text[:160].rsplit(" ", 1)[0] + " …"


def _fixed(one: Trace, several: Trace) -> OpCall | None:
    """Returns the last reshape whose first axis stays as it is though more examples come."""
    reshape = None
    for a, b in zip(one.ops, several.ops, strict=False):
        if a.name != b.name:
            break
        before, after = a.outputs[0], b.outputs[0]
        if b.name in RESHAPES and before.shape[:1] == after.shape[:1] and before.elements != after.elements:
            reshape = b
    return reshape


def _other_outputs(view: View, several: Trace) -> Iterator[Violation]:
    dependent = depending(several)
    for one, more in zip(view.trace.outputs, several.outputs, strict=False):
        if more.number not in dependent or not more.shape:
            continue
        if violation := _other_output(view, several, one.shape, more.shape):
            yield violation
            return


def _other_output(view: View, several: Trace, one: Shape, more: Shape) -> Violation | None:
    grown = prod(more) / max(prod(one), 1)
    figures: dict[str, int | float | str] = {"one": times(one), "several": times(more)}
    shapes = f"one example gives an output of {times(one) or '1'}, {SEVERAL} give {times(more)}"
    if len(one) != len(more):
        culprit = lost_axis(view.trace, several)
        fix = keeping_axis(culprit) if culprit else "keep the batch axis of one example"
        return Violation(place=culprit.path if culprit else "", message=shapes, fix=fix, figures=figures)
    if grown == SEVERAL and (SEVERAL, 1) in zip(more, one, strict=True):
        return None
    if grown == SEVERAL and more[0] == SEVERAL * one[0]:
        culprit = _rows(several)
        fix = "x.flatten(1) in place of a view with a number of features"
        if culprit:
            each = culprit.inputs[0].elements // SEVERAL
            fix = f"{culprit.name} lays an example in {plural(one[0], 'row')}: x.flatten(1), and {each} features in "
            fix += "the layer behind it"
        message = f"{shapes}: {one[0]} rows an example, which no loss takes with one target each"
        return Violation(place=culprit.path if culprit else "", message=message, fix=fix, figures=figures)
    if grown == SEVERAL:
        culprit = _fixed(view.trace, several)
        fix = "x.flatten(1), or x.shape[0] as its first size"
        return Violation(
            place=culprit.path if culprit else "",
            message=f"{shapes}: all examples are laid in the same rows",
            fix=f"{culprit.name}: {fix}" if culprit else fix,
            figures=figures,
        )
    culprit = _crossed(view.trace, several)
    if culprit is None:
        return None
    return Violation(
        place=culprit.path,
        message=f"{culprit.name} meets each example with each other one: {shapes}",
        fix="give both sides the same axes, as by squeeze(1) or [:, None]; the batch axis of the one stands at "
        "another axis of the other",
        figures=figures,
    )


def _rows(several: Trace) -> OpCall | None:
    """Returns the last op that makes more rows of a batch than it has examples."""
    reshape = None
    for op in several.ops:
        if (
            op.name in RESHAPES
            and op.inputs
            and op.inputs[0].shape[:1] == (SEVERAL,) != op.outputs[0].shape[:1]
        ):
            reshape = op
    return reshape


def _crossed(one: Trace, several: Trace) -> OpCall | None:
    """Returns an op by position whose result grows with the square of the batch, and its operands with the batch."""
    for a, b in zip(one.ops, several.ops, strict=False):
        if a.name != b.name:
            return None
        square = b.outputs[0].elements == SEVERAL**2 * a.outputs[0].elements
        if square and b.name in POINTWISE and len(b.inputs) > 1:
            grown = [y.elements / max(x.elements, 1) for x, y in zip(a.inputs, b.inputs, strict=True)]
            if max(grown) <= SEVERAL:
                return b
    return None


def norm_of_one_value(view: View) -> Iterator[Violation]:
    """Finds batch norms that have one value a channel in training, where torch refuses a variance of one value."""
    for op in norms_of_one_value(view.trace):
        yield Violation(
            place=op.path,
            message=f"a batch of one example has one value a channel here ({times(op.inputs[0].shape)}): a training "
            "step of it fails",
            fix="train with 2 examples a batch or more, also in the last one (drop_last=True), or norm without the "
            f"batch (GroupNorm) in {named(op.path)}",
            figures={"channels": op.inputs[0].shape[1]},
        )
