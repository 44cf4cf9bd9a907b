"""Files of records in a run folder, each record sealed with its study's digest and checked when it is read."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct

from convblocks.errors import Part, RunError, Setting
from convblocks.files import open_regular, sync_folder, write
from convblocks.records import Study, Summary
from convblocks.runs.envelope import WHOLE, seal, unseal
from convblocks.runs.lock import lock
from convblocks.runs.validation import CHECKS, check_study

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
    DESIGNS: ("; delete the file, and the same call writes it again",),
    RUNS: ("; delete that line, and the same call repeats that run",),
    LATENCIES: ("; delete the file, and the same call times the designs again",),
    SUMMARY: ("; convblocks report writes the file again",),
}
"""The fix for each file, in words."""
RENAMED: dict[tuple[type[Struct], str], str] = {(Summary, "told"): "conclusive"}
"""Fields that earlier versions wrote under another name."""
NO_FILE = {errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.ENXIO}
"""What the system says of a link opened with O_NOFOLLOW, a folder, a pipe or device, a socket."""
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
TO_ADD = os.O_RDWR | os.O_CREAT


class RecordFiles:
    """Reads and writes the records of one folder. Nothing is held in memory: the files are the state."""

    def __init__(self, path: Path):
        self.path = path

    def inside(self, *parts: str) -> Path:
        """Returns a path in the folder. Raises RunError for a link on the way, which may lead anywhere."""
        path = self.path
        for part in parts:
            path = path / part
            if path.is_symlink():
                raise RunError(f"{path} is a link, which a run folder cannot hold; remove it")
        return path

    def open(self, *parts: str, flags: int = os.O_RDONLY) -> BinaryIO:
        """Opens a file of the folder. Raises RunError for a link, also one made this moment, a pipe or a device."""
        path = self.inside(*parts)
        try:
            return open_regular(path, flags | NO_LINK)
        except OSError as error:
            if error.errno in NO_FILE:
                raise RunError(f"{path} is no regular file; remove it") from error
            raise

    def read(self, *parts: str) -> bytes | None:
        """Returns a file's content; None where there is none."""
        try:
            with self.open(*parts) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            path = self.path.joinpath(*parts)
            raise RunError(f"{path} cannot be read: {error.strerror}", *ANOTHER) from error

    @contextmanager
    def locked(self, name: str) -> Iterator[BinaryIO]:
        """Opens a file of lines, locked against all that add or drop lines."""
        current = False
        while not current:
            with self.open(name, flags=TO_ADD) as file:
                lock(file)
                # whoever held the lock may have put another file in the place of this one
                with suppress(FileNotFoundError):
                    current = os.path.samestat(os.fstat(file.fileno()), self.inside(name).lstat())
                if current:
                    yield file

    def study(self) -> tuple[Study | None, str | None]:
        """Returns the study, and the digest in its record, which has none in folders from before there were checksums.

        The digest is never computed anew to be compared: another version may compute another one.
        """
        content = self.read(STUDY)
        if content is None:
            return None, None
        try:
            table, digest = unseal(content)
            study = msgspec.convert(table, Study)
            check_study(study)
        except (ValueError, OverflowError) as error:
            raise self.refusal(STUDY, "", error) from error
        return study, digest

    def owner(self) -> tuple[Study, str | None]:
        """Returns the study that each record must be of, and the digest that a record must have, unless it is None.

        Raises:
            RunError: if the folder has no study.
        """
        study, digest = self.study()
        if study is None:
            raise RunError(
                f"{self.path} holds no study; expected the folder of a compare or a search, with {STUDY}"
            )
        return study, digest

    def digest(self) -> str:
        """Returns the digest that the folder's records carry. Raises RunError if it has no study."""
        study, digest = self.owner()
        return digest or study.digest

    def record(self, name: str, kind: type[Record]) -> Record | None:
        """Returns the record of a file that holds one; None where there is no file."""
        content = self.read(name)
        return None if content is None else self._checked(name, "", content, kind, *self.owner())

    def lines(self, name: str, kind: type[Record]) -> Iterator[tuple[str, Record]]:
        """Yields each record of a file of lines with its place in the file, as ", line 3"."""
        content = self.read(name)
        if not content:
            return
        owner = self.owner()
        *lines, last = content.split(b"\n")
        if WHOLE.search(last):
            lines.append(last)
        for number, line in enumerate(lines, start=1):
            if line:
                where = f", line {number}"
                yield where, self._checked(name, where, line, kind, *owner)

    def replace(self, name: str, record: Struct, study: str) -> None:
        """Writes a file that holds one record; `study` is the digest of its study."""
        write(self.inside(name), msgspec.json.format(seal(record, study), indent=1))

    def replace_lines(self, name: str, records: Iterable[Struct]) -> None:
        """Writes a file of lines anew."""
        study = self.digest()
        write(self.inside(name), b"".join(seal(record, study) + b"\n" for record in records))

    def append(self, name: str, record: Struct) -> None:
        """Appends a line and waits until it is on disk; a line that a kill cut short is dropped first.

        Several processes may append at a time.
        """
        line = seal(record, self.digest()) + b"\n"
        with self.locked(name) as file:
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

    def refusal(self, name: str, where: str, problem: object) -> RunError:
        """Returns the error that says why a record cannot be used, and the fix."""
        return RunError(f"{self.path / name}{where} is no record that can be used: {problem}", *FIXES[name])

    def _checked(
        self, name: str, where: str, content: bytes, kind: type[Record], study: Study, expected: str | None
    ) -> Record:
        try:
            table, digest = unseal(content)
            if digest is None and expected:
                raise ValueError("it has no checksum")
            if digest not in (None, expected or study.digest):
                raise ValueError(f"it is of another study than {STUDY}")
            table = {RENAMED.get((kind, field), field): value for field, value in table.items()}
            record = msgspec.convert(table, kind)
            if kind in CHECKS:
                CHECKS[kind](record, study)
        except (ValueError, OverflowError) as error:
            raise self.refusal(name, where, error) from error
        return record
