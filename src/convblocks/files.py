"""Files that are replaced whole or not at all, whatever happens while they are written; and read without waiting."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

MOST_TEXT = 16 * 2**20
"""The most bytes of a text such as a network's description."""
TEMPORARY = ".convblocks-"
"""The first letters in the name of a file that is being written."""
UNSYNCED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""Errors of file systems that cannot sync a folder."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of `path` once it is written and on disk, or never.

    Its mode follows the umask. Raises OSError, which names `path`, where a folder, link or device is in the way.
    """
    require_replaceable(path)
    make_folder(path.parent)
    # short, so that each name a file may have is possible
    temporary = path.with_name(f"{TEMPORARY}{token_hex(4)}")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.filename not in (temporary, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write(path: Path, content: bytes) -> None:
    """Replaces a file in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def make_folder(path: Path) -> None:
    """Makes a folder and those on the way to it, each on disk in the one above before it is used."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on disk: a file that was renamed into it survives a power cut."""
    try:
        folder = os.open(path, os.O_RDONLY)
    except PermissionError:
        # a folder that may be written and not read
        return
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in UNSYNCED:
            raise
    finally:
        os.close(folder)


def require_writable(path: Path) -> None:
    """Raises OSError, which names the place, where `write` could not write `path`; writes nothing."""
    require_replaceable(path)
    folder = path.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def require_replaceable(path: Path) -> None:
    """Raises OSError, which names `path`, where anything but a regular file stands there."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISLNK(mode):
        raise FileExistsError(errno.EEXIST, "it is a link; give the file that it leads to", str(path))
    if not stat.S_ISREG(mode):
        raise FileExistsError(errno.EEXIST, "it is a device, pipe or socket; give a file", str(path))


def open_regular(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """Opens a file to be read, at once: a pipe would wait for a writer, and a device may never end.

    `flags` are those of os.open, e.g. O_NOFOLLOW, or O_RDWR to write as well. Raises OSError, which names `path`.
    """
    # of which os.open makes a ValueError
    if "\0" in str(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a device, pipe or socket; give a file", str(path))
        return os.fdopen(handle, "rb+" if flags & os.O_ACCMODE else "rb")
    except BaseException:
        os.close(handle)
        raise


def read_text(path: Path) -> str:
    """Returns the text of a UTF-8 file. Raises OSError, also for more than MOST_TEXT bytes, and UnicodeDecodeError."""
    with open_regular(path) as file:
        content = file.read(MOST_TEXT + 1)
    if len(content) > MOST_TEXT:
        raise OSError(errno.EFBIG, f"it has more than {MOST_TEXT >> 20} MiB", str(path))
    return content.decode()
