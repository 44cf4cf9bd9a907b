"""The instruction set of a processor, from its flags and the limits of oneDNN."""

import pytest
import torch

from convblocks.analysis.memory import processor

FLAGS = {f"avx512_{part}": True for part in ("f", "bw", "dq", "vl")} | {"avx": True, "avx2": True}


@pytest.mark.parametrize(
    ("flags", "limit", "isa"),
    [
        (FLAGS, None, "AVX512"),
        (FLAGS, "ALL", "AVX512"),
        (FLAGS, "avx2", "AVX2"),
        (FLAGS, "AVX2_VNNI", "AVX2"),
        (FLAGS, "AVX512_CORE_AMX", "AVX512"),
        (FLAGS, "AVX10_1_512", "AVX512"),
        (FLAGS, "SSE41", "SSE41"),
        (FLAGS | {"avx512_vl": False}, None, "AVX2"),
        (FLAGS | {"avx512_f": False}, "AVX512_CORE", "AVX2"),
        ({"avx": True, "avx2": False}, None, "AVX"),
        ({"avx": False, "avx2": False}, None, "SSE41"),
        ({"architecture": "aarch64"}, "AVX2", "AARCH64"),
    ],
)
def test_the_instruction_set_is_the_processors_unless_lowered(monkeypatch, flags, limit, isa):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    for name in processor.LIMITS:
        monkeypatch.delenv(name, raising=False)
    if limit:
        monkeypatch.setenv(processor.LIMITS[0], limit)
    assert processor.instruction_set() == isa
