"""One entry, `load_target`, for all that a command can read; the form of the text tells which kind it is."""

from pathlib import Path

from torch import nn

from convblocks.blocks.block_spec import foreign_classes, refusal_of_code
from convblocks.blocks.spec_files import read_table
from convblocks.errors import SpecError, TargetError
from convblocks.files import read_text
from convblocks.networks import Network
from convblocks.networks.zoo import PIXELS, ZOO
from convblocks.runs.store import RunFolder
from convblocks.runs.trained import load
from convblocks.targets.target import Target, built, hint
from convblocks.targets.user_code import from_file, from_import
from convblocks.targets.zoos import from_timm, from_torchvision
from convblocks.text import shown

ALL_OF_ZOO = 'python -c "from convblocks.networks.zoo import ZOO; print(*ZOO)"'
FORMS = (
    "file.py:NAME, package.module:NAME, timm:NAME, torchvision:NAME, zoo:NAME, a network's .toml or .json, "
    "or RUN:DESIGN for a run folder of compare"
)


def load_target(text: str, *, trust_code: bool = False, on_meta: bool = False) -> Target:
    """Loads the module that a command's TARGET names.

    Args:
        text: file.py:NAME or package.module:NAME, where NAME is a function without arguments, a
            torch.nn.Module class or a module; timm:NAME, torchvision:NAME or zoo:NAME, with random weights;
            a Network's .toml or .json file; RUN:DESIGN, a design that compare trained, with its best weights.
        trust_code: let a run folder or a network's file name classes as package.module:Class, which runs
            their code. Code that the target itself names is run in any case.
        on_meta: build on the meta device where that works, so that weights take no memory; modules that
            exist already and trained ones stay as they are.

    Returns:
        The module with its name, and its input size where that is stated.

    Raises:
        TargetError: there is no such thing, it is no module, or the user's code fails (names the line).
        RunError: a run folder is damaged.
        SpecError: a network's file is wrong.
        MissingExtra: timm or torchvision is not installed.
    """
    kind, named, model = text.partition(":")
    if named and kind in ("timm", "torchvision"):
        return (from_timm if kind == "timm" else from_torchvision)(text, model, on_meta)
    if named and kind == "zoo":
        return _from_zoo(text, model, on_meta)
    where, colon, name = text.rpartition(":") if ":" in text else (text, "", "")
    path = Path(where)
    if not colon and path.suffix in (".toml", ".json"):
        return _spec(path, trust_code, on_meta)
    if path.suffix == ".py":
        return from_file(text, path, name, on_meta)
    if _is_run(path):
        return _trained(text, path, name, trust_code)
    if name and not path.is_file() and all(part.isidentifier() for part in where.split(".")):
        return from_import(text, where, name, on_meta)
    if colon and "/" in where and not path.exists():
        raise TargetError(f"{shown(text)}: there is no folder {shown(where)}")
    raise TargetError(f"{shown(text)!r}: {_problem(where)}; expected {FORMS}")


def _from_zoo(text: str, name: str, on_meta: bool) -> Target:
    """Builds ``zoo:NAME``, a paper's network."""
    if name not in ZOO:
        problem = f"the zoo has no network called {name!r}" if name else "needs a name, as in zoo:resnet50"
        close = hint(name, ZOO)
        command = "" if close.startswith("did") else f"; {ALL_OF_ZOO} prints all"
        raise TargetError(f"{shown(text.removesuffix(':'))}: {problem}; {close}{command}")
    network = ZOO[name]()
    module: nn.Module = built(network.build, on_meta)
    return Target(
        module=module,
        name=text,
        kind="zoo",
        channels=network.in_channels,
        dims=network.dims,
        input_size=(network.in_channels, *[PIXELS[name]] * network.dims),
    )


def _problem(where: str) -> str:
    """Returns why the part of a target before its colon names nothing."""
    path = Path(where)
    if where and path.is_dir():
        return f"{shown(where)} is a folder, but not of a compare that has designs"
    if path.is_file():
        return f"{shown(path.name)} is neither Python nor a network's description"
    return "there is nothing of that name"


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("study.json", "designs.jsonl"))


def _spec(path: Path, trust_code: bool, on_meta: bool) -> Target:
    """Builds the Network of a file; its weights are random."""
    try:
        table = read_table(read_text(path), path.suffix[1:].upper())
    except FileNotFoundError as error:
        raise TargetError(f"{shown(path)}: there is no such file; expected {FORMS}") from error
    except SpecError as error:
        raise TargetError(f"{shown(path)}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise TargetError(f"{shown(path)}: cannot be read as {path.suffix[1:].upper()}: {problem}") from error
    if not trust_code and (classes := foreign_classes(table)):
        raise TargetError(f"{shown(path)}: ", *refusal_of_code("building it", classes))
    try:
        network = Network.from_dict(table)
    except SpecError as error:
        raise TargetError(f"{shown(path)}: {error}") from error
    module: nn.Module = built(network.build, on_meta)
    return Target(module=module, name=str(path), kind="spec", channels=network.in_channels, dims=network.dims)


def _trained(text: str, run: Path, design: str, trust_code: bool) -> Target:
    """Loads ``RUN:DESIGN``, with the weights of its best seed."""
    folder = RunFolder(run)
    names = [d.name for d in folder.designs() if not d.problem]
    if design not in names:
        problem = f"has no design {design!r}" if design else "needs a design, as in RUN:DESIGN"
        raise TargetError(f"{shown(text)}: the run folder {problem}; {hint(design, names)}")
    module, study = load(run, design, trust_code=trust_code), folder.study()
    size = study.data.shape if study else None
    channels, dims = (size[0], len(size) - 1) if size else (None, None)
    return Target(
        module=module,
        name=text,
        kind="run",
        channels=channels,
        dims=dims,
        input_size=size,
        run=run,
        design=design,
    )
