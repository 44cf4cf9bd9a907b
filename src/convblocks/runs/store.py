"""The run folder: records as JSON lines, weights as safetensors, safe against a kill at any moment.

runs/NAME/study.json, designs.jsonl, runs.jsonl, latency.jsonl, summary.json, report.html, report.md
runs/NAME/weights/DESIGN/SEED.safetensors
runs/NAME/checkpoints/DESIGN/SEED.safetensors    until all runs are done
runs/NAME/.examples                              while workers train

Each record carries its study's digest and its own SHA-256, and is checked when it is read: what is damaged, of another
study or impossible is refused with the file, the line and the fix. Links inside the folder are never followed, since
the folder may come from a stranger. docs/run-folder.md describes it for users.
"""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct

from convblocks.errors import Part, RunError, Setting
from convblocks.files import TEMPORARY, make_folder, open_regular, sync_folder, write
from convblocks.records import Design, Latency, Run, Study, Summary
from convblocks.runs.envelope import WHOLE, seal, unseal
from convblocks.runs.validation import CHECKS, check_study, require_design_name

Record = TypeVar("Record", bound=Struct)

ANOTHER = ("; choose another ", Setting("out"))
STUDY, DESIGNS, RUNS, LATENCIES, SUMMARY = (
    "study.json",
    "designs.jsonl",
    "runs.jsonl",
    "latency.jsonl",
    "summary.json",
)
FIXES: dict[str, tuple[Part, ...]] = {
    STUDY: ("; restore the file, or choose another ", Setting("out")),
    DESIGNS: ("; delete the file, and the same compare writes it again",),
    RUNS: ("; delete that line, and the same compare repeats that run",),
    LATENCIES: ("; delete the file, and the same compare times the designs again",),
    SUMMARY: ("; convblocks report writes the file again",),
}
# of opening a link with O_NOFOLLOW, a folder, a pipe or device, a socket
NO_FILE = {errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.ENXIO}
TO_ADD = os.O_RDWR | os.O_CREAT
BEFORE_STUDY = re.compile(rf"\.lock|\.examples|\.study\.json\..+|{re.escape(TEMPORARY)}.+")
"""What a compare that was killed before it had a study.json may leave."""


class RunFolder:
    """Reads and writes one study's records. Nothing is held in memory: the files are the state."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def check(self) -> None:
        """Raise RunError if the folder cannot be made or written, or holds other things, before any work for it."""
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
        """Hold the folder against a second compare; the system lets go when the process ends, however it ends."""
        try:
            make_folder(self.path)
            file = self._open(".lock", flags=TO_ADD)
        except OSError as error:
            raise RunError(f"{self.path} cannot be a run folder: {error.strerror}", *ANOTHER) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(f"{self.path} is in use by another compare; wait for it", *ANOTHER) from error
            yield

    def study(self) -> Study | None:
        """None if the folder has none yet."""
        return self._study()[0]

    def save_study(self, study: Study) -> None:
        """Write study.json; records without a checksum, which earlier versions wrote, get one first.

        A folder that asks the same keeps its digest, which its records carry.
        """
        before, digest = self._study()
        if before is not None and digest is None:
            self._replace_lines(DESIGNS, self.designs())
            self.drop_runs(())
            self._replace_lines(LATENCIES, self.latencies())
            if summary := self.summary():
                self.save_summary(summary)
        same = digest and before is not None and before.question == study.question
        self._replace(STUDY, study, digest if digest and same else study.digest)

    def require_study(self) -> Study:
        """The study. Raises RunError if the folder has none."""
        return self._owner()[0]

    def summary(self) -> Summary | None:
        content = self._read(SUMMARY)
        return None if content is None else self._record(SUMMARY, "", content, Summary, *self._owner())

    def save_summary(self, summary: Summary) -> None:
        self._replace(SUMMARY, summary, self.digest())

    def designs(self) -> list[Design]:
        """Raises RunError for what is damaged, of another study or of none, as all that reads records does."""
        return list({design.name: design for _, design in self._lines(DESIGNS, Design)}.values())

    def save_designs(self, designs: Iterable[Design]) -> None:
        self._replace_lines(DESIGNS, designs)

    def latencies(self) -> list[Latency]:
        return [latency for _, latency in self._lines(LATENCIES, Latency)]

    def save_latencies(self, latencies: Iterable[Latency]) -> None:
        self._replace_lines(LATENCIES, latencies)

    def runs(self) -> list[Run]:
        """In order of design and seed, whatever order they finished in."""
        known = {design.name for design in self.designs()}
        runs = {}
        for where, run in self._lines(RUNS, Run):
            if known and run.design not in known:
                raise self._refused(RUNS, where, f"{run.design} is no design of the study")
            runs[run.design, run.seed] = run
        return [runs[key] for key in sorted(runs)]

    def add_run(self, run: Run) -> None:
        """Append a line and wait until it is on disk; a line that a kill cut short is dropped first.

        Several workers may add runs at a time.
        """
        line = seal(run, self.digest()) + b"\n"
        with self._locked_runs() as file:
            content = file.read()
            end = content.rfind(b"\n") + 1
            if WHOLE.search(content, end):
                line = b"\n" + line
            else:
                file.truncate(end)
            file.seek(0, os.SEEK_END)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if not content:
            sync_folder(self.path)

    def drop_runs(self, runs: Collection[Run]) -> None:
        """Take runs out; what a worker adds at the same time is kept."""
        with self._locked_runs():
            self._replace_lines(RUNS, [run for run in self.runs() if run not in runs])

    def digest(self) -> str:
        """The digest that the folder's records carry. Raises RunError if it has no study."""
        study, digest = self._owner()
        return digest or study.digest

    def weights(self, design: str, seed: int) -> Path:
        return self._trained("weights", design, seed)

    def read_weights(self, run: Run) -> bytes | None:
        """The weights of a run; None where the file is missing or is not the one that the record names."""
        content = self._read(*self._parts("weights", run.design, run.seed)) or b""
        return content if sha256(content).hexdigest() == run.weights_sha256 else None

    def checkpoint(self, design: str, seed: int) -> Path:
        return self._trained("checkpoints", design, seed)

    @property
    def examples(self) -> Path:
        return self._inside(".examples")

    def drop_checkpoints(self) -> None:
        """Once all runs are done, nobody needs to go on from one."""
        for design in self.designs():  # only files of our own: the folder may hold others
            shutil.rmtree(self._inside("checkpoints", design.name), ignore_errors=True)
        with suppress(OSError):
            self._inside("checkpoints").rmdir()

    def save_page(self, name: str, text: str) -> Path:
        """A page for people, e.g. report.html."""
        write(self._inside(name), text.encode())
        return self.path / name

    def _inside(self, *parts: str) -> Path:
        """A path in the folder. Raises RunError for a link on the way, which may lead anywhere."""
        path = self.path
        for part in parts:
            path = path / part
            if path.is_symlink():
                raise RunError(f"{path} is a link, which a run folder cannot hold; remove it")
        return path

    def _trained(self, kind: str, design: str, seed: int) -> Path:
        path = self._inside(*self._parts(kind, design, seed))
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

    def _open(self, *parts: str, flags: int = os.O_RDONLY) -> BinaryIO:
        """Open a file of the folder. Raises RunError for a link, also one made this moment, a pipe or a device."""
        path = self._inside(*parts)
        try:
            return open_regular(path, flags | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in NO_FILE:
                raise RunError(f"{path} is no regular file; remove it") from error
            raise

    def _read(self, *parts: str) -> bytes | None:
        try:
            with self._open(*parts) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            path = self.path.joinpath(*parts)
            raise RunError(f"{path} cannot be read: {error.strerror}", *ANOTHER) from error

    @contextmanager
    def _locked_runs(self) -> Iterator[BinaryIO]:
        """runs.jsonl, held against all that add or drop runs."""
        current = False
        while not current:
            with self._open(RUNS, flags=TO_ADD) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # whoever held the lock may have put another file in the place of this one
                with suppress(FileNotFoundError):
                    current = os.path.samestat(os.fstat(file.fileno()), self._inside(RUNS).lstat())
                if current:
                    yield file

    def _study(self) -> tuple[Study | None, str | None]:
        """The study, and the digest in its record, which has none in folders of before there were checksums.

        The digest is never computed anew to be compared: another version may compute another one.
        """
        content = self._read(STUDY)
        if content is None:
            return None, None
        try:
            table, digest = unseal(content)
            study = msgspec.convert(table, Study)
            check_study(study)
        except (ValueError, OverflowError) as error:
            raise self._refused(STUDY, "", error) from error
        return study, digest

    def _owner(self) -> tuple[Study, str | None]:
        """The study that each record must be of, and its digest, which a record must have unless it is None."""
        study, digest = self._study()
        if study is None:
            raise RunError(
                f"{self.path} holds no study; expected the folder of a convblocks compare, with {STUDY}"
            )
        return study, digest

    def _lines(self, name: str, kind: type[Record]) -> Iterator[tuple[str, Record]]:
        """Each record with its place in the file, ", line 3"."""
        content = self._read(name)
        if not content:
            return
        owner = self._owner()
        *lines, last = content.split(b"\n")
        if WHOLE.search(last):
            lines.append(last)
        for number, line in enumerate(lines, start=1):
            if line:
                where = f", line {number}"
                yield where, self._record(name, where, line, kind, *owner)

    def _record(
        self, name: str, where: str, content: bytes, kind: type[Record], study: Study, expected: str | None
    ) -> Record:
        try:
            table, digest = unseal(content)
            if digest is None and expected:
                raise ValueError("it has no checksum")
            if digest not in (None, expected or study.digest):
                raise ValueError(f"it is of another study than {STUDY}")
            record = msgspec.convert(table, kind)
            if kind in CHECKS:
                CHECKS[kind](record, study)
        except (ValueError, OverflowError) as error:
            raise self._refused(name, where, error) from error
        return record

    def _refused(self, name: str, where: str, problem: object) -> RunError:
        """That a record cannot be used, and the fix."""
        return RunError(f"{self.path / name}{where} is no record that can be used: {problem}", *FIXES[name])

    def _replace(self, name: str, record: Struct, study: str) -> None:
        write(self._inside(name), msgspec.json.format(seal(record, study), indent=1))

    def _replace_lines(self, name: str, records: Iterable[Struct]) -> None:
        study = self.digest()
        write(self._inside(name), b"".join(seal(record, study) + b"\n" for record in records))
