"""How much memory there is, by what the system says."""

from pathlib import Path

import pytest

from convblocks.data import memory
from convblocks.data.memory import require_memory
from convblocks.errors import DataError


def test_this_system_says_something_sensible():
    available = memory.available_bytes()
    assert available is None or 2**20 < available < 2**50


def test_need_is_compared_with_four_fifths(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10 * 2**30)
    require_memory(8 * 2**30, "it", "shrink")
    with pytest.raises(
        DataError, match=r"^it would take 9\.00 GiB of memory, more than 80% of the 10\.00 GiB.*shrink$"
    ):
        require_memory(9 * 2**30, "it", "shrink")


def test_an_unknown_amount_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "_system_bytes", lambda: None)
    monkeypatch.setattr(memory, "_container_bytes", lambda: None)
    require_memory(2**80, "it", "shrink")


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    assert memory._container_bytes(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 300\nfile 600\n")
    assert memory._container_bytes(tmp_path) == 700
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._container_bytes(tmp_path) is None
    monkeypatch.setattr(memory, "_system_bytes", lambda: 5000)
    monkeypatch.setattr(memory, "_container_bytes", lambda: 700)
    assert memory.available_bytes() == 700


def test_systems_without_proc(monkeypatch):
    def missing(*_args, **_options):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr(
        memory.os, "sysconf", {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}.__getitem__, raising=False
    )
    assert memory._system_bytes() == 40_960
    monkeypatch.delattr(memory.os, "sysconf")
    assert memory._system_bytes() is None
