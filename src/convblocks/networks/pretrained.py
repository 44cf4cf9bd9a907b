"""A network and its weights in a folder, in huggingface_hub's form: config.json and model.safetensors."""

from pathlib import Path

import msgspec
from safetensors.torch import save_file
from torch import nn

from convblocks.blocks.block_spec import foreign_classes, refusal_of_code
from convblocks.blocks.spec_files import read_table
from convblocks.errors import MissingExtra, SpecError, WeightsError
from convblocks.files import read_text, replacing, write
from convblocks.networks.module import ConvNet
from convblocks.networks.network_spec import Network
from convblocks.networks.weight_files import read_weights
from convblocks.networks.weights import fitting

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def save_pretrained(network: Network, module: nn.Module, folder: str | Path) -> None:
    """Writes `module`, built from `network`, into `folder`. Raises WeightsError if it is of another network."""
    state = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    fitting(network, state)
    folder = Path(folder)
    with replacing(folder / WEIGHTS) as temporary:
        save_file(state, temporary)
    write(folder / CONFIG, msgspec.json.format(network.to_json()).encode())


def from_pretrained(name: str | Path, *, trust_code: bool = False) -> tuple[Network, ConvNet]:
    """Loads a network and its module in eval mode, from a folder or, if there is none, from huggingface's hub.

    Each weight keeps the file's dtype, so that a network saved in half precision comes back in it, as with
    huggingface's ``dtype="auto"``; ``.float()`` widens it.

    Args:
        name: a folder that `save_pretrained` wrote, or OWNER/NAME on the hub.
        trust_code: lets the configuration name classes as package.module:Class, which runs their code.

    Raises:
        SpecError: a configuration that describes no network, or names classes that are not trusted.
        WeightsError: weights that cannot be read or do not fit.
        MissingExtra: a name on the hub without the extra ``hub``.
    """
    if Path(name).exists() and not Path(name).is_dir():
        raise WeightsError(f"{name}: is no folder; expected one that save_pretrained wrote")
    folder = Path(name) if Path(name).is_dir() else _fetched(str(name))
    try:
        table = read_table(read_text(folder / CONFIG))
    except FileNotFoundError as error:
        raise WeightsError(f"{folder}: has no {CONFIG}; save_pretrained writes one") from error
    except OSError as error:
        raise WeightsError(f"{folder / CONFIG} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SpecError("", f"{folder / CONFIG}: not JSON: {error}") from error
    except SpecError as error:
        raise SpecError("", f"{folder / CONFIG}: {error.problem}") from error
    if not trust_code and (classes := foreign_classes(table)):
        raise SpecError("stages", "".join(map(str, refusal_of_code("building it", classes))))
    network = Network.from_dict(table)
    state = read_weights(folder / WEIGHTS)
    fitting(network, state)
    module = network.build()
    module.load_state_dict(state, assign=True)
    return network, module.eval()


def _fetched(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError as error:
        raise MissingExtra("huggingface_hub", "hub", f"{name!r} is no folder here; fetching it") from error
    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS]))
    except Exception as error:  # a name that cannot be one, nobody's, no network: each has a class of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(
            f"{name}: there is no such folder, and the hub could not give it: {reason}; "
            "expected a folder that save_pretrained wrote, or OWNER/NAME on the hub"
        ) from error
