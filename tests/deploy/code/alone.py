"""Runs each file of a folder in one fresh interpreter that has no convblocks; prints keys, bits and constants as JSON.

python -I alone.py FOLDER, with N.py and N.safetensors: its weights, and its input as "input of the test".
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

INPUT = "input of the test"


def digest(tensor):
    return sha256(tensor.detach().contiguous().cpu().numpy().tobytes()).hexdigest()


def passed(module, x):
    """Keys, and the bits of what a module gives: in eval mode, and of a training step with its gradients."""
    import torch

    with torch.no_grad():
        evaluated = digest(module.eval()(x.clone()))
    torch.manual_seed(3)
    trained = x.clone().requires_grad_()
    out = module.train()(trained)
    out.square().sum().backward()
    return {
        "keys": {name: list(t.shape) for name, t in module.state_dict().items()},
        "eval": evaluated,
        "training": digest(out),
        "input gradient": digest(trained.grad),
        "gradients": [digest(p.grad) for p in module.parameters()],
        "after": [digest(t) for t in module.state_dict().values()],
    }


def constants(module):
    """The numbers that weights start at, where all of a weight are one number, such as a norm's."""
    many = {n: t for n, t in module.named_parameters() if t.numel() > 1 or t.ndim == 0}
    return {n: t.flatten()[0].item() for n, t in many.items() if bool((t == t.flatten()[0]).all())}


class Refuse:
    """Nothing but torch and what torch and Python bring."""

    @staticmethod
    def find_spec(name, *_):
        if name.partition(".")[0] in ("convblocks", "safetensors", "timm", "torchvision"):
            raise ImportError(f"{name} is not for a file that stands alone")


def main(folder):
    sys.meta_path.insert(0, Refuse)
    results = {}
    for file in sorted(Path(folder).glob("*.py")):
        space = {"__name__": file.stem}
        exec(compile(file.read_text(), str(file), "exec"), space)  # noqa: S102
        tensors = space["read_safetensors"](str(file.with_suffix(".safetensors")))
        x, module = tensors.pop(INPUT), space["make"]()
        results[file.stem] = {"constants": constants(module)}
        module.load_state_dict(tensors)
        results[file.stem] |= passed(module, x)
    assert "convblocks" not in sys.modules
    print(json.dumps(results))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
