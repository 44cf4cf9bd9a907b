"""Where runs come from, as far as it limits what they can be compared for: ended early, or of several machines."""

from collections.abc import Sequence

from convblocks.formatting import percent
from convblocks.records import Paragraph, Run, Study
from convblocks.text import plural

MOST_NAMED = 10


def origins(study: Study, runs: Sequence[Run]) -> tuple[Paragraph, ...]:
    """Returns a paragraph on the runs that a search ended early, and one on machines where there are several kinds."""
    written = (Paragraph("Ended early", _ended_early(runs)), Paragraph("Machines", _machines(study, runs)))
    return tuple(paragraph for paragraph in written if paragraph.text)


def _ended_early(runs: Sequence[Run]) -> str:
    stopped = [run for run in runs if run.stopped]
    if not stopped:
        return ""
    named = [
        f"{run.design} with seed {run.seed} after {plural(run.stopped, 'epoch')} ({percent(run.validation_score)})"
        for run in stopped[:MOST_NAMED]
    ]
    more = f"; and {len(stopped) - MOST_NAMED} more" if len(stopped) > MOST_NAMED else ""
    return (
        f"The search ended {plural(len(stopped), 'run')}, which are not compared: {'; '.join(named)}{more}."
    )


def _machines(study: Study, runs: Sequence[Run]) -> str:
    hosts = [run.host or study.host for run in runs]
    kinds = dict.fromkeys(
        f"{host.cpu}, {host.device}, torch {host.versions.get('torch', '?')}" for host in hosts
    )
    if len(kinds) < 2:
        return ""
    return (
        f"The runs come from {len(kinds)} kinds of machine: {'; '.join(kinds)}. The same training repeats bit for bit "
        "on one kind alone, and training times of several kinds are not comparable."
    )
