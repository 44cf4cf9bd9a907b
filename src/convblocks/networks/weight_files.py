"""Reads state dicts as people have them: in a file, in a training's checkpoint, with a wrapper's prefix on each key."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from convblocks.errors import WeightsError
from convblocks.files import open_regular
from convblocks.text import listed

State = Mapping[str, torch.Tensor]
# of what torch.save writes, and wrote before torch 1.6
MAGIC = (b"PK\x03\x04", b"\x80")
# where a training's checkpoint has its weights
WRAPPED = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "ema",
    "ema_state_dict",
)
# DistributedDataParallel's and torch.compile's
PREFIXES = ("module.", "_orig_mod.")


def read_weights(path: Path) -> State:
    """Returns the tensors of a file that cannot run code: .safetensors, else torch's with ``weights_only``.

    Of a training's checkpoint its weights. Raises WeightsError.
    """
    try:
        with open_regular(path) as file:
            if path.suffix == ".safetensors":
                return load_file(path)
            if (head := file.read(4)) and not head.startswith(MAGIC):
                raise WeightsError(
                    f"{path}: is no file of weights; expected .safetensors, or what torch.save wrote"
                )
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: there is no such file") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read as weights: {error.strerror or error}") from error
    except (SafetensorError, RuntimeError, EOFError, ValueError) as error:  # whose words are long
        raise WeightsError(f"{path}: is damaged or cut short; fetch or save it again") from error
    except Exception as error:  # torch names its unpickler's error elsewhere in each version
        raise WeightsError(
            f"{path}: holds more than tensors, and opening it could run code; expected a state dict"
        ) from error
    state = plain(loaded, str(path))
    if not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path}: holds a {type(loaded).__name__}; expected a state dict of tensors alone")
    return state


def plain(source: Any, name: str) -> State:
    """Returns the state dict in `source`, which errors call `name`: itself or the only one of a checkpoint, unprefixed.

    Raises WeightsError for what is none, as a module, and for a checkpoint that leaves the choice.
    """
    if not isinstance(source, Mapping):
        fix = "pass its .state_dict()" if isinstance(source, nn.Module) else "as module.state_dict() gives"
        raise WeightsError(f"{name}: got a {type(source).__name__}, expected a state dict; {fix}")
    state_keys = [key for key, value in source.items() if _holds_tensors_alone(value)]
    if len(state_keys) == 1 and state_keys[0] in WRAPPED:
        source = source[state_keys[0]]
    elif state_keys:
        keys = ", ".join(map(repr, state_keys))
        raise WeightsError(
            f"{name}: has state dicts under {keys}; pass one, as checkpoint[{state_keys[0]!r}]"
        )
    return _without_prefix(source)


def _holds_tensors_alone(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(v, torch.Tensor) for v in value.values())
    )


def _without_prefix(state: Mapping[str, Any]) -> State:
    # either may be around the other
    for prefix in PREFIXES * 2:
        if state and all(isinstance(key, str) and key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def under_prefix(state: State, names: Collection[str], *, alone: bool) -> State:
    """Returns the part of `state` whose keys are `names` behind one prefix, such as Lightning's "model.", without it.

    With `alone`, other keys beside are refused. Raises WeightsError, which names the prefixes, where there are several
    or other keys beside.
    """
    counts = Counter(
        key[: -len(end)] for key in state if isinstance(key, str) for end in _endings(key) if end in names
    )
    most = max(counts.values(), default=0)
    prefixes = [
        prefix for prefix, number in counts.items() if 2 * number > most
    ]  # others end alike by chance
    if not prefixes or "" in prefixes:
        return state
    prefix = prefixes[0]
    other_keys = [key for key in state if not key.startswith(prefix)]
    if len(prefixes) > 1 or (other_keys and alone):
        prefix_names = listed(map(repr, sorted(prefixes)))
        beside = f", beside {len(other_keys)} other keys, as {other_keys[0]!r}" if len(prefixes) == 1 else ""
        raise WeightsError(
            f"the weights' keys have the {'prefixes' if len(prefixes) > 1 else 'prefix'} {prefix_names}{beside}; keep "
            f"those of one and take its prefix away: {{key.removeprefix({prefix!r}): value for key, value "
            f"in state.items() if key.startswith({prefix!r})}}"
        )
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _endings(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[i:]) for i in range(len(parts))]
