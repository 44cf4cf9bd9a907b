"""The instruction set of this machine's processor, by which oneDNN chooses its kernels."""

import os

import torch

LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # variables that oneDNN reads; the first one counts
RANKS = ("SSE41", "AVX", "AVX2", "AVX512")  # instruction sets of x86, each with all before it


def instruction_set() -> str:
    """Returns the name of the instruction set that oneDNN's kernels use here, such as AVX512 or AVX2.

    It is the processor's, or what the environment variable ONEDNN_MAX_CPU_ISA lowers it to. That torch's own kernels
    use another (ATEN_CPU_CAPABILITY) is without effect on oneDNN's.
    """
    own = _of_processor()
    limit = next((os.environ[name].upper() for name in LIMITS if os.environ.get(name)), "ALL")
    lower = [rank for rank in RANKS if limit.startswith(rank) and not limit.startswith("AVX10")]
    if not lower or own not in RANKS:
        return own
    return min(own, lower[-1], key=RANKS.index)


def _of_processor() -> str:
    flags: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if "avx2" not in flags:  # an older torch, or no x86
        return str(flags.get("architecture") or torch.backends.cpu.get_cpu_capability()).upper()
    if all(flags.get(f"avx512_{part}") for part in ("f", "bw", "dq", "vl")):
        return "AVX512"
    return next((rank for rank in ("AVX2", "AVX") if flags[rank.lower()]), "SSE41")
