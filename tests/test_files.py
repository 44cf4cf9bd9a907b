"""Whole files or none."""

import errno
import os
import stat

import pytest

from convblocks.files import replacing, sync_folder, write


class _Stopped(Exception):
    pass


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    def stop_half_way():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise _Stopped

    with pytest.raises(_Stopped):
        stop_half_way()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_write_makes_the_folders_on_the_way(tmp_path):
    write(tmp_path / "a" / "b", b"text")
    write(tmp_path / "a" / "b", b"again")
    assert (tmp_path / "a" / "b").read_bytes() == b"again"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_a_folder_in_the_way_is_named(tmp_path):
    with pytest.raises(IsADirectoryError) as refused:
        write(tmp_path, b"text")
    assert refused.value.filename == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_modes_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write(tmp_path / "made" / "file", b"text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "made" / "file").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o777 & ~umask


def test_names_are_on_disk_as_content_is(tmp_path, monkeypatch):
    """A file before it takes its name, each new folder in the one above, and last the folder that has the name."""
    synced, fsync = [], os.fsync

    def note(handle):
        place = os.readlink(f"/proc/self/fd/{handle}") if os.path.exists("/proc/self/fd") else ""  # noqa: PTH110, PTH115
        synced.append(
            (stat.S_ISDIR(os.fstat(handle).st_mode), place, (tmp_path / "a" / "b" / "file").exists())
        )
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    write(tmp_path / "a" / "b" / "file", b"text")
    assert [(is_folder, there) for is_folder, _, there in synced] == [
        (True, False),
        (True, False),
        (False, False),
        (True, True),
    ]
    if synced[0][1]:
        assert [place for is_folder, place, _ in synced if is_folder] == [
            str(tmp_path),
            str(tmp_path / "a"),
            str(tmp_path / "a" / "b"),
        ]


def test_a_link_or_device_is_not_replaced(tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("link", "is a link"),
        ("dangling", "is a link"),
        ("pipe", "is a device, pipe or socket"),
    ):
        mode = (tmp_path / name).lstat().st_mode
        with pytest.raises(FileExistsError, match=problem) as refused:
            write(tmp_path / name, b"text")
        assert refused.value.filename == str(tmp_path / name)
        assert (tmp_path / name).lstat().st_mode == mode
    assert (tmp_path / "file").read_text() == "kept"
    with pytest.raises(FileExistsError, match="is a device"):
        write(type(tmp_path)("/dev/null"), b"text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file", "link", "pipe"]


@pytest.mark.parametrize("length", [1, 250, 255])
def test_each_name_that_a_file_may_have_can_be_written(tmp_path, length):
    write(tmp_path / ("x" * length), b"text")
    assert [(len(path.name), path.read_bytes()) for path in tmp_path.iterdir()] == [(length, b"text")]


def test_an_error_names_the_file_that_was_asked_for(tmp_path, monkeypatch):
    """Not the temporary one, which nobody knows: a name that is too long, a folder that is removed meanwhile."""
    with pytest.raises(OSError, match="too long") as refused:
        write(tmp_path / ("x" * 256), b"text")
    assert refused.value.filename == str(tmp_path / ("x" * 256))

    def remove_the_folder():
        with replacing(tmp_path / "folder" / "file") as temporary:
            temporary.unlink()
            temporary.parent.rmdir()
            temporary.write_bytes(b"text")

    with pytest.raises(FileNotFoundError) as refused:
        remove_the_folder()
    assert refused.value.filename == str(tmp_path / "folder" / "file")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "no space left", str(_[0]))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="no space left") as refused:
        write(tmp_path / "file", b"text")
    assert refused.value.filename == str(tmp_path / "file")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_a_folder_is_used_as_it_is(tmp_path, monkeypatch, number):
    fsync = os.fsync

    def refuse_folders(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    write(tmp_path / "made" / "file", b"text")
    assert (tmp_path / "made" / "file").read_bytes() == b"text"


def test_a_disk_that_fails_to_sync_a_folder_is_told(tmp_path, monkeypatch):
    def fail(handle):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="input/output error"):
        sync_folder(tmp_path)
