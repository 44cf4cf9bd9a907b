"""CB401–CB404: a signal that does not come through, measured on a copy with random inputs; see the package signal."""

from collections.abc import Iterator

from convblocks.advice.view import BATCH, View, Violation


def vanishing(view: View) -> Iterator[Violation]:
    """Finds a gradient or activation that vanishes."""
    return _violations(view, "vanishing gradient", "vanishing activation")


def exploding(view: View) -> Iterator[Violation]:
    """Finds a gradient or activation that explodes."""
    return _violations(view, "exploding gradient", "exploding activation")


def dead(view: View) -> Iterator[Violation]:
    """Finds layers whose output or gradient is 0, or not finite."""
    return _violations(view, "dead", "not finite")


def shattered(view: View) -> Iterator[Violation]:
    """Finds gradients that are as little alike at neighbouring inputs as noise."""
    return _violations(view, "shattered gradient")


def _violations(view: View, *kinds: str) -> Iterator[Violation]:
    for symptom in view.symptoms:
        if symptom.kind in kinds:
            yield Violation(
                place="",
                message=f"{symptom.kind}: {symptom.evidence} ({BATCH} random inputs, the weights it has)",
                fix=f"{', '.join(symptom.fixes)}; `convblocks signal` tries each on a copy with its option fix",
                figures={"kind": symptom.kind},
            )
