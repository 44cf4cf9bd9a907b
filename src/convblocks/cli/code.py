"""``convblocks code``: a block or network as a file of PyTorch code that stands alone."""

import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from convblocks.cli.block import CHANNELS, SIZES, described_block, refuse_of_block, size_of
from convblocks.cli.parse import shape, whole
from convblocks.cli.terminal import write_file
from convblocks.errors import ConvblocksError, OptionError, RunError
from convblocks.text import escaped, listed, shown

if TYPE_CHECKING:
    from convblocks.blocks import BlockSpec

Whole = Annotated[int, Parameter(converter=whole)]
Flag = Annotated[bool, Parameter(negative=())]


def code(
    target: str,
    /,
    *,
    input: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,  # noqa: A002 - the option's name
    out_channels: Whole | None = None,
    stride: Whole | None = None,
    design: str | None = None,
    trust_code: Flag = False,
    **options: str,
) -> None:
    """Print a Python file that imports torch alone: a block or network.

    With its shapes, cost and source. Its state dict has the keys of convblocks,
    its outputs the same bits. `python FILE --load WEIGHTS.safetensors` runs it.

    Parameters
    ----------
    target
        A family with its options, e.g. residual --depth 4, a block's or network's .toml or .json, a run
        folder, or any target of analyze.
    input
        Size of an example, e.g. 64x56x56; its axes say if a block is for signals, images or volumes.
    out_channels
        A block's output channels; as many as its input has if not given.
    stride
        A block's stride; 1 if not given.
    design
        The design of a run folder; the recommended one if not given.
    trust_code
        Allow a run folder or spec to import the classes it names.
    options
        A block's options, by the names in its constructor, e.g. --norm group.
    """
    size = None if input is None else shape("input", input)

    from convblocks.deploy.code import module_code

    command = escaped(shlex.join(["convblocks", *sys.argv[1:]]))
    # what the user's own code prints is no part of the file
    with redirect_stdout(sys.stderr):
        spec = described_block(target, options, trust_code)
        if spec is not None:
            if design is not None:
                raise OptionError("design", design, f"goes with a run folder; {target} is a block")
            text = block_code(
                spec, size or (CHANNELS, *SIZES[2]), out_channels, 1 if stride is None else stride, command
            )
        else:
            refuse_of_block(target, {"out_channels": out_channels, "stride": stride, **options})
            module, size, title = _module(target, design, size, trust_code)
            text = module_code(module, size, title=title, command=command)
    write_file(text)


def block_code(
    spec: "BlockSpec", size: tuple[int, ...], out_channels: int | None, stride: int, command: str
) -> str:
    """Returns the file of a block, in a class that takes any channels and stride.

    Args:
        spec: the block.
        size: (channels, *spatial) of an example.
        out_channels: as many as the input has, if None.
        stride: of the block.
        command: what made the file, for its docstring.
    """
    from convblocks.deploy.code import module_code

    inputs, dims = size[0], len(size) - 1
    outputs = inputs if out_channels is None else out_channels
    module = spec.build(inputs, outputs, stride, dims=dims)
    alike = []
    places = (
        (inputs, outputs, 1),
        (outputs, outputs, 1),
        (inputs, 2 * outputs, stride),
        (2 * inputs, 2 * outputs, stride + 1),
    )
    for place in places:
        try:
            alike.append(spec.build(*place, dims=dims))
        except ConvblocksError:  # a family that cannot change that
            continue
    title = f"{type(module).__name__}, {inputs} -> {outputs} channels, stride {stride}: {spec!r}."
    return module_code(module, size, title=title, command=command, alike=alike)


def _module(target: str, design: str | None, size: tuple[int, ...] | None, trust_code: bool) -> Any:
    """Returns (module, input size, title) of a network."""
    from convblocks.targets import load_target

    if design is not None and not Path(target).is_dir() and Path(target.rpartition(":")[0]).is_dir():
        raise OptionError("design", design, f"give the design once: {target} names it already")
    if design is not None or (Path(target) / "designs.jsonl").is_file():
        design = design or _recommended(target)
        target = f"{target}:{design}"
    loaded = load_target(target, trust_code=trust_code)
    return loaded.module, size or size_of(loaded), escaped(f"{type(loaded.module).__name__}: {target}.")


def _recommended(run: str) -> str:
    """Returns the design that a run folder recommends. Raises RunError, which lists the designs, if it has none."""
    from convblocks.runs.store import RunFolder

    summary = RunFolder(run).summary()
    if summary is not None and summary.recommended is not None and summary.conclusive:
        return summary.recommended
    why = "its data do not suffice to choose" if summary and summary.recommended else "too little is trained"
    choices = [shown(f"{run}:{d.name}") for d in RunFolder(run).designs() if not d.problem]
    raise RunError(f"{shown(run)} recommends no design, since {why}; choose one: {listed(choices, 'or')}")
