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


def group(path, limit, used, version=2, **stat):
    """A control group's files."""
    path.mkdir(parents=True, exist_ok=True)
    (path / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(f"{limit}\n")
    kinds = {"anon" if version == 2 else "total_rss": used, "file": 10**6, **stat}
    (path / "memory.stat").write_text("".join(f"{kind} {size}\n" for kind, size in kinds.items()))


def left(root, membership):
    (root / "membership").write_text(membership)
    return memory._container_bytes(root, root / "membership")


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    assert left(tmp_path, "0::/\n") is None
    group(tmp_path, 1000, 300)
    assert left(tmp_path, "0::/\n") == 700
    assert memory._container_bytes(tmp_path, tmp_path / "no such file") == 700
    group(tmp_path, "max", 300)
    assert left(tmp_path, "0::/\n") is None
    monkeypatch.setattr(memory, "_system_bytes", lambda: 5000)
    monkeypatch.setattr(memory, "_container_bytes", lambda: 700)
    assert memory.available_bytes() == 700


def test_the_tightest_of_nested_limits_counts(tmp_path):
    """As systemd nests a service in a slice: MemoryMax of either binds."""
    group(tmp_path / "user.slice", 10_000, 9_000)
    group(tmp_path / "user.slice" / "job.scope", 5_000, 3_500)
    assert left(tmp_path, "0::/user.slice/job.scope\n") == 1_000
    group(tmp_path / "user.slice", "max", 9_000)
    assert left(tmp_path, "0::/user.slice/job.scope\n") == 1_500
    group(tmp_path / "user.slice" / "job.scope", 3_000, 3_500)
    assert left(tmp_path, "0::/user.slice/job.scope\n") == 0


V1 = "12:cpu,cpuacct:/a\n7:memory:/docker/abc\n1:name=systemd:/b\n"


def test_version_1_has_a_tree_of_its_own_for_memory(tmp_path):
    group(tmp_path / "memory" / "docker" / "abc", 4_000, 1_000, version=1)
    assert left(tmp_path, V1) == 3_000
    group(tmp_path / "memory" / "docker" / "abc", 9_223_372_036_854_771_712, 1_000, version=1)
    assert left(tmp_path, V1) is None
    group(tmp_path / "memory", 6_000, 4_500, version=1)
    assert left(tmp_path, V1) == 1_500


def test_within_a_container_its_own_root_counts_where_the_hosts_path_is_not_there(tmp_path):
    group(tmp_path / "memory", 4_000, 1_000, version=1, hierarchical_memory_limit=3_000)
    assert left(tmp_path, V1) == 2_000


def test_controllers_mounted_together_are_read(tmp_path):
    group(tmp_path / "memory" / "x", 4_000, 1_000, version=1)
    assert left(tmp_path, "3:hugetlb,memory:/x\n0::/y\n") == 3_000


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
