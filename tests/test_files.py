"""Whole files or none."""

import pytest

from convblocks.files import replacing, write


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
