"""Where runs come from, as far as it limits what they can be compared for: ended early, or of several machines."""

from collections.abc import Sequence

from convblocks.formatting import percent
from convblocks.records import Host, Latency, Paragraph, Run, Study
from convblocks.text import plural

MOST_NAMED = 10


def origins(study: Study, runs: Sequence[Run], latencies: Sequence[Latency] = ()) -> tuple[Paragraph, ...]:
    """Returns a paragraph on the runs that a search ended early, and one on machines where there are several kinds."""
    written = (
        Paragraph("Ended early", _ended_early(runs)),
        Paragraph("Machines", _machines(study, runs, latencies)),
    )
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


def _machines(study: Study, runs: Sequence[Run], latencies: Sequence[Latency]) -> str:
    trained = dict.fromkeys(_kind(run.host or study.host) for run in runs)
    # earlier versions did not record where they timed
    timed = dict.fromkeys(_kind(latency.host) for latency in latencies if latency.host)
    sentences = []
    if len(trained) > 1:
        sentences.append(
            f"The runs come from {len(trained)} kinds of machine: {'; '.join(trained)}. The same training repeats bit "
            "for bit on one kind alone, and training times of several kinds are not comparable."
        )
    if timed and len({**trained, **timed}) > 1:
        sentences.append(f"Latency is of {' and of '.join(timed)}.")
    return " ".join(sentences)


def _kind(host: Host) -> str:
    return f"{host.cpu}, {host.device}, torch {host.versions.get('torch', '?')}"
