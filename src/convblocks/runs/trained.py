"""Gives back the trained modules of a run folder."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as read_tensors

from convblocks.blocks.block_spec import foreign_classes, refusal_of_code
from convblocks.errors import RunError, SpecError
from convblocks.networks import ConvNet, Network
from convblocks.runs.store import RunFolder


def load(run: str | Path, design: str, seed: int | None = None, *, trust_code: bool = False) -> ConvNet:
    """Returns the trained module of a design, in eval mode; it takes examples (N, C, *spatial) as they come.

    Args:
        run: the run folder.
        design: the design's name.
        seed: the one with the best validation score where not given.
        trust_code: import the classes that the folder names as package.module:Class, which runs their code; without it
            loading runs nothing but convblocks.

    Raises:
        RunError: for what the folder lacks, and for a class that is not trusted.
    """
    store = RunFolder(run)
    designs = {d.name: d for d in store.designs()}
    if not designs:
        raise RunError(f"{run} holds no designs; expected the folder of a compare or a search")
    if design not in designs:
        raise RunError(f"{run} has no design {design!r}; it has {', '.join(designs)}")
    if not trust_code and (classes := foreign_classes(designs[design].network)):
        raise RunError(f"{run}: ", *refusal_of_code(f"loading {design}", classes))
    runs = [r for r in store.runs() if r.design == design]
    if seed is None and runs:
        seed = max(runs, key=lambda r: (r.validation_score, -r.seed)).seed
    chosen = next((r for r in runs if r.seed == seed), None)
    if chosen is None:
        seeds = ", ".join(str(r.seed) for r in runs) or "none"
        raise RunError(f"{run} has no finished run of {design} with seed {seed}; finished seeds: {seeds}")
    path, content = store.weights(design, chosen.seed), store.read_weights(chosen)
    if content is None:
        raise RunError(
            f"{path} is missing or not the file that the record names; the same call trains that run again"
        )
    try:
        module = Network.from_dict(designs[design].network).build()
        module.load_state_dict(read_tensors(content))
    except (SpecError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{path} is not of the network that {design} is in designs.jsonl: {reason}") from error
    return module.eval()
