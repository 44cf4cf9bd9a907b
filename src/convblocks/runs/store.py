"""The run folder: records as JSON lines, weights as safetensors, safe against a kill at any moment.

runs/NAME/study.json, designs.jsonl, runs.jsonl, latency.jsonl, summary.json, report.html, report.md
runs/NAME/weights/DESIGN/SEED.safetensors
runs/NAME/checkpoints/DESIGN/SEED.safetensors    until all runs are done
runs/NAME/.examples                              while workers train

RunFolder is the one writer. The process that compares writes all records but the runs, of which each worker appends its
own, under a lock and before it says that it is done, so that no process's death loses a finished run.

Each record carries its study's digest and its own SHA-256, and is checked when it is read: what is damaged, of another
study or impossible is refused with the file, the line and the fix. Links inside the folder are never followed, since
the folder may come from a stranger. docs/run-folder.md describes it for users.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from convblocks.errors import RunError, Setting
from convblocks.files import TEMPORARY, make_folder, write
from convblocks.records import Design, Latency, Run, Study, Summary
from convblocks.runs.lock import lock
from convblocks.runs.record_files import (
    ANOTHER,
    DESIGNS,
    FIXES,
    LATENCIES,
    RUNS,
    STUDY,
    SUMMARY,
    TO_ADD,
    RecordFiles,
)
from convblocks.runs.validation import require_design_name

__all__ = ["ANOTHER", "RunFolder"]

BEFORE_STUDY = re.compile(rf"\.lock|\.examples|\.study\.json\..+|{re.escape(TEMPORARY)}.+")
"""Names that a compare leaves where it was killed before it had a study.json."""


class RunFolder:
    """Reads and writes one study's records and weights. Nothing is held in memory: the files are the state."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.files = RecordFiles(self.path)

    def check(self) -> None:
        """Raises RunError if the folder cannot be made or written, or holds other things, before any work for it."""
        refused = f"{self.path} cannot be a run folder: "
        if self.path.is_symlink():
            raise RunError(
                f"{refused}it is a link; give the folder that it leads to, or another ", Setting("out")
            )
        nearest = next(place for place in (self.path, *self.path.parents) if os.path.lexists(place))
        if not nearest.is_dir():
            raise RunError(f"{refused}{nearest} is not a folder", *ANOTHER)
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise RunError(f"{refused}{nearest} cannot be written", *ANOTHER)
        if nearest == self.path and not os.path.lexists(self.path / STUDY):
            names = sorted(entry.name for entry in self.path.iterdir())
            names = [name for name in names if not BEFORE_STUDY.fullmatch(name)]
            if records := [name for name in names if name in FIXES]:
                raise RunError(
                    f"{self.path} has {records[0]} but no {STUDY}, which says what study it is of; restore that, or "
                    "choose another ",
                    Setting("out"),
                )
            if names:
                raise RunError(f"{refused}it holds other things, such as {names[0]!r}", *ANOTHER)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder against a second process; the system lets go when the process ends, however it ends."""
        try:
            make_folder(self.path)
            file = self.files.open(".lock", flags=TO_ADD)
        except OSError as error:
            raise RunError(f"{self.path} cannot be a run folder: {error.strerror}", *ANOTHER) from error
        with file:
            try:
                lock(file, wait=False)
            except OSError as error:
                raise RunError(f"{self.path} is in use by another process; wait for it", *ANOTHER) from error
            yield

    def study(self) -> Study | None:
        """Returns the study; None if the folder has none yet."""
        return self.files.study()[0]

    def save_study(self, study: Study) -> None:
        """Writes study.json; records without a checksum, which earlier versions wrote, get one first.

        A folder of the same question keeps its digest, which its records carry.
        """
        before, digest = self.files.study()
        if before is not None and digest is None:
            self.files.replace_lines(DESIGNS, self.designs())
            self.drop_runs(())
            self.files.replace_lines(LATENCIES, self.latencies())
            if summary := self.summary():
                self.save_summary(summary)
        same = digest and before is not None and before.question == study.question
        self.files.replace(STUDY, study, digest if digest and same else study.digest)

    def require_study(self) -> Study:
        """Returns the study. Raises RunError if the folder has none."""
        return self.files.owner()[0]

    def summary(self) -> Summary | None:
        """Returns the summary; None if none is written yet."""
        return self.files.record(SUMMARY, Summary)

    def save_summary(self, summary: Summary) -> None:
        """Writes the summary."""
        self.files.replace(SUMMARY, summary, self.digest())

    def designs(self) -> list[Design]:
        """Returns the designs. Raises RunError for damaged records, or those of another study or of none."""
        return list({design.name: design for _, design in self.files.lines(DESIGNS, Design)}.values())

    def save_designs(self, designs: Iterable[Design]) -> None:
        """Replaces the designs."""
        self.files.replace_lines(DESIGNS, designs)

    def add_design(self, design: Design) -> None:
        """Appends a design and waits until it is on disk."""
        self.files.append(DESIGNS, design)

    def latencies(self) -> list[Latency]:
        """Returns the latencies of designs. Raises RunError as `designs` does."""
        return [latency for _, latency in self.files.lines(LATENCIES, Latency)]

    def save_latencies(self, latencies: Iterable[Latency]) -> None:
        """Replaces the latencies."""
        self.files.replace_lines(LATENCIES, latencies)

    def runs(self) -> list[Run]:
        """Returns the runs in order of design and seed, whatever order they finished in."""
        names = {design.name for design in self.designs()}
        runs = {}
        for where, run in self.files.lines(RUNS, Run):
            if names and run.design not in names:
                raise self.files.refusal(RUNS, where, f"{run.design} is no design of the study")
            runs[run.design, run.seed] = run
        return [runs[key] for key in sorted(runs)]

    def add_run(self, run: Run) -> None:
        """Appends a run and waits until it is on disk. Several workers may add runs at a time."""
        self.files.append(RUNS, run)

    def drop_runs(self, runs: Collection[Run]) -> None:
        """Takes runs out; what a worker adds at the same time is kept."""
        with self.files.locked(RUNS):
            self.files.replace_lines(RUNS, [run for run in self.runs() if run not in runs])

    def digest(self) -> str:
        """Returns the digest that the folder's records carry. Raises RunError if it has no study."""
        return self.files.digest()

    def weights(self, design: str, seed: int) -> Path:
        """Returns the path of a run's weights."""
        return self._trained("weights", design, seed)

    def save_weights(self, design: str, seed: int, content: bytes) -> None:
        """Writes a run's weights and waits until they are on disk."""
        write(self.weights(design, seed), content)

    def read_weights(self, run: Run) -> bytes | None:
        """Returns the weights of a run; None where the file is missing or is not the one that the record names."""
        content = self.files.read(*self._parts("weights", run.design, run.seed)) or b""
        return content if sha256(content).hexdigest() == run.weights_sha256 else None

    def checkpoint(self, design: str, seed: int) -> Path:
        """Returns the path of a run's checkpoint."""
        return self._trained("checkpoints", design, seed)

    @property
    def examples(self) -> Path:
        """The folder of the examples that workers share."""
        return self.files.inside(".examples")

    def drop_checkpoints(self) -> None:
        """Removes the checkpoints: once all runs are done, nobody needs to go on from one."""
        for design in self.designs():  # only files of our own: the folder may hold others
            shutil.rmtree(self.files.inside("checkpoints", design.name), ignore_errors=True)
        with suppress(OSError):
            self.files.inside("checkpoints").rmdir()

    def save_page(self, name: str, text: str) -> Path:
        """Writes a page for people, e.g. report.html, and returns its path."""
        write(self.files.inside(name), text.encode())
        return self.path / name

    def _trained(self, kind: str, design: str, seed: int) -> Path:
        path = self.files.inside(*self._parts(kind, design, seed))
        if os.path.lexists(path) and not path.is_file():
            raise RunError(f"{path} is no regular file; remove it")
        return path

    def _parts(self, kind: str, design: str, seed: int) -> tuple[str, str, str]:
        """Folders and name of a file that is kept for each run."""
        try:
            require_design_name(design)
        except ValueError as error:
            raise RunError(f"{self.path}: {error}") from error
        return kind, design, f"{int(seed)}.safetensors"
