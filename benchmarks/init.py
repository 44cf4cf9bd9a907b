"""Gradient norms through a plain stack of 1,000 convolutions without norms, as each initialisation starts it.

    python benchmarks/init.py        # writes benchmarks/init.json and prints it

Digits of scikit-learn, 8×8, standardised; 32 channels; mean over the map and a linear layer; cross entropy of 16
examples.
"""

import json
from pathlib import Path

import msgspec
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from convblocks.blocks import SimpleConvBlock
from convblocks.layers import initialise_
from convblocks.measure import describe_host

DEPTH, CHANNELS, EXAMPLES, SEEDS = 1000, 32, 16, 3
STARTS = (
    ("delta_orthogonal", "tanh"),
    ("delta_orthogonal", "relu"),
    ("he_normal", "tanh"),
    ("he_normal", "relu"),
)


def measured(init: str, activation: str, seed: int) -> dict[str, object]:
    """Returns the gradient norms of the weights of all layers, and of the first and last layer's outputs."""
    torch.manual_seed(seed)
    images, classes = load_digits(return_X_y=True)
    x = torch.from_numpy(images[:EXAMPLES].reshape(-1, 1, 8, 8)).float()
    stack = SimpleConvBlock(1, CHANNELS, depth=DEPTH, norm="none", activation=activation)
    initialise_(stack, init)
    maps = [(x - images.mean()) / images.std()]
    for layer in stack.layers:
        maps.append(layer(maps[-1]))
    scores = nn.Linear(CHANNELS, 10)(maps[-1].mean((2, 3)))
    loss = F.cross_entropy(scores, torch.from_numpy(classes[:EXAMPLES]))
    gradients = torch.autograd.grad(
        loss, [*(p for name, p in stack.named_parameters() if name.endswith("weight")), maps[1], maps[-1]]
    )
    *weights, first, last = (gradient.double().norm().item() for gradient in gradients)
    return {
        "seed": seed,
        "weights_first": weights[0],
        "weights_middle": weights[DEPTH // 2],
        "weights_last": weights[-1],
        "weights_largest_over_smallest": max(weights) / min(weights) if min(weights) else None,
        "outputs_first_over_last": first / last if last else None,
    }


def main() -> None:
    result = {
        "command": "python benchmarks/init.py",
        "gradient_norms": {
            f"{init}, {activation}": [measured(init, activation, seed) for seed in range(SEEDS)]
            for init, activation in STARTS
        },
        "None": "the norm below is 0 in float32",
        "depth": DEPTH,
        "channels": CHANNELS,
        "examples": EXAMPLES,
        "host": msgspec.to_builtins(describe_host()),
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
