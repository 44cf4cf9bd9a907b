"""The run folder: records as JSON lines, weights as safetensors, safe against a kill at any moment.

runs/NAME/study.json, designs.jsonl, runs.jsonl, latency.jsonl, summary.json, report.html, report.md
runs/NAME/weights/DESIGN/SEED.safetensors
runs/NAME/checkpoints/DESIGN/SEED.safetensors    until all runs are done
runs/NAME/.examples                              while workers train
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from convblocks.errors import RunError, Setting
from convblocks.files import write
from convblocks.records import Design, Latency, Run, Study, Summary

Record = TypeVar("Record", bound=Struct)

OLD_NAMES = re.compile(
    rb'"(validation|test|train|target)_accuracy" *:'
)  # of fields, before there was mean IoU
ANOTHER = ("; choose another ", Setting("out"))


class RunFolder:
    """Reads and writes one study's records. Nothing is held in memory: the files are the state."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def check(self) -> None:
        """Raise RunError if the folder cannot be made or written, before any work is done for it."""
        nearest = next(place for place in (self.path, *self.path.parents) if os.path.lexists(place))
        if not nearest.is_dir():
            raise RunError(f"{self.path} cannot be a run folder: {nearest} is not a folder", *ANOTHER)
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise RunError(f"{self.path} cannot be a run folder: {nearest} cannot be written", *ANOTHER)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against a second compare; the system lets go when the process ends, however it ends."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("w")
        except OSError as error:
            raise RunError(f"{self.path} cannot be a run folder: {error.strerror}", *ANOTHER) from error
        with lock as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(f"{self.path} is in use by another compare; wait for it", *ANOTHER) from error
            yield

    def study(self) -> Study | None:
        """None if the folder has none yet."""
        return self._one("study.json", Study)

    def save_study(self, study: Study) -> None:
        self._replace("study.json", study)

    def summary(self) -> Summary | None:
        return self._one("summary.json", Summary)

    def save_summary(self, summary: Summary) -> None:
        self._replace("summary.json", summary)

    def designs(self) -> list[Design]:
        return list(self._lines("designs.jsonl", Design))

    def save_designs(self, designs: Iterable[Design]) -> None:
        self._replace_lines("designs.jsonl", designs)

    def latencies(self) -> list[Latency]:
        return list(self._lines("latency.jsonl", Latency))

    def save_latencies(self, latencies: Iterable[Latency]) -> None:
        self._replace_lines("latency.jsonl", latencies)

    def runs(self) -> list[Run]:
        """In order of design and seed, whatever order they finished in."""
        runs = {(run.design, run.seed): run for run in self._lines("runs.jsonl", Run)}
        return [runs[key] for key in sorted(runs)]

    def add_run(self, run: Run) -> None:
        """Append a line and wait until it is on disk; a line that a kill cut short is dropped first."""
        with (self.path / "runs.jsonl").open("ab+") as file:
            file.seek(0)
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)
            file.write(msgspec.json.encode(run) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def weights(self, design: str, seed: int) -> Path:
        return self.path / "weights" / design / f"{seed}.safetensors"

    def checkpoint(self, design: str, seed: int) -> Path:
        return self.path / "checkpoints" / design / f"{seed}.safetensors"

    @property
    def examples(self) -> Path:
        return self.path / ".examples"

    def drop_checkpoints(self) -> None:
        """Once all runs are done, nobody needs to go on from one."""
        for design in self.designs():  # only files of our own: the folder may hold others
            shutil.rmtree(self.path / "checkpoints" / design.name, ignore_errors=True)
        with suppress(OSError):
            (self.path / "checkpoints").rmdir()

    def save_page(self, name: str, text: str) -> Path:
        """A page for people, e.g. report.html."""
        write(self.path / name, text.encode())
        return self.path / name

    def _one(self, name: str, kind: type[Record]) -> Record | None:
        content = self._read(name)
        return None if content is None else self._decode(name, content, kind)

    def _lines(self, name: str, kind: type[Record]) -> Iterator[Record]:
        content = self._read(name) or b""
        for line in content[: content.rfind(b"\n") + 1].splitlines():
            yield self._decode(name, line, kind)

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise RunError(f"{self.path / name} cannot be read: {error.strerror}", *ANOTHER) from error

    def _decode(self, name: str, content: bytes, kind: type[Record]) -> Record:
        try:
            return msgspec.json.decode(OLD_NAMES.sub(rb'"\1_score":', content), type=kind)
        except (msgspec.DecodeError, RecursionError) as error:
            raise RunError(
                f"{self.path / name} is not a record of this version: {error}", *ANOTHER
            ) from error

    def _replace(self, name: str, record: Struct) -> None:
        write(self.path / name, msgspec.json.format(msgspec.json.encode(record), indent=1))

    def _replace_lines(self, name: str, records: Iterable[Struct]) -> None:
        write(self.path / name, b"".join(msgspec.json.encode(record) + b"\n" for record in records))
