"""Blocks and networks at random, over every family and all of its options, per axis too."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from convblocks import BLOCKS, BlockSpec, Network, Stage, Stem
from convblocks.blocks.block_spec import block_options
from convblocks.cli.code import block_code
from convblocks.deploy.code import module_code
from convblocks.errors import ConvblocksError
from convblocks.layers import ATTENTIONS, BRANCH_SCALES, NORMS, POOLS, SHORTCUTS
from convblocks.layers.activation import ACTIVATIONS
from convblocks.layers.conv import PADDING_MODES

OPTIONS = {  # of any family, all of them; three numbers are one for each axis
    "activation": list(ACTIVATIONS),
    "attention": list(ATTENTIONS),
    "base_width": [4, 8],
    "bias": [None, True, False],
    "bottleneck": [False, True],
    "branch_scale": list(BRANCH_SCALES),
    "depth": [1, 2, 3, 4, 5, 6, 7],
    "dilation": [1, 2, (1, 2, 1), (2, 1, 3)],
    "dropout": [0.0, 0.2],
    "expansion": [1, 2, 4, 6],
    "function_depth": [1, 2, 3],
    "groups": [1, 2, 4],
    "growth": [None, 3, 4],
    "kernel_size": [1, 3, 5, (1, 3, 5), (3, 1, 3)],
    "kernels": ["B(3,3)", "B(3,1,3)", "B(1,3,1)", "B(1,3)", "B(3,1)", "B(3,1,1)", "B(5)"],
    "layer_scale": [0.1, 1.0],
    "norm": list(NORMS),
    "padding": [
        1,
        1,
        1,
        (1, 1, 1),
        (1, 1, 1),
        3,
        2,
        0,
        (0, 1, 2),
    ],  # most families refuse what changes the size
    "padding_mode": list(PADDING_MODES),
    "pool": list(POOLS),
    "reparameterized": [False, True],
    "shortcut": list(SHORTCUTS),
    "squeeze_excite": [False, True],
    "stochastic_depth": [0.0, 0.3],
    "zero_init": [False, True],
}
STRIDES = [1, 1, 2, 3, (1, 2, 3), (2, 1, 1)]
SIZES = {1: (17,), 2: (9, 11), 3: (5, 6, 7)}
DRAWS = 300  # of all tests together


@dataclass
class Drawn:
    """A module, what it was built from, and the text of its file, which is made on demand."""

    specs: list[BlockSpec]
    module: nn.Module
    size: tuple[int, ...]  # (channels, *spatial)
    text: Callable[[], str]


class Draw:
    """The draws of one seed. `tried` counts, by family and name, the options that were not to be their default."""

    def __init__(self, seed: int):
        self.seed, self.random = seed, random.Random(seed)
        self.tried: Counter[tuple[str, str]] = Counter()

    def run(self) -> Drawn:
        """A block of the seed's family or, every third time, a network that has it."""
        family = list(BLOCKS)[self.seed % len(BLOCKS)]
        while True:
            dims = self.random.choice([1, 2, 3])
            spec = self.block(family, dims)
            torch.manual_seed(self.seed)
            network = self.random.random() < 1 / 3
            try:
                drawn = self.network(spec, dims) if network else self.alone(spec, dims)
                drawn.module(torch.zeros(2, *drawn.size))
            except (ConvblocksError, ValueError, RuntimeError):  # such as a map too small for its padding
                continue
            return drawn

    def block(self, family: str, dims: int) -> BlockSpec:
        """With about half of its options drawn, less those that the others refuse."""
        spec, defaults = BlockSpec(family), block_options(family)
        names = [name for name in defaults if self.random.random() < 0.5]
        self.random.shuffle(names)
        for name in names:
            value = self.axes(self.random.choice(OPTIONS[name]), dims)
            if value == defaults[name]:
                continue
            self.tried[family, name] += 1
            try:
                spec = BlockSpec(family, **{**spec.options, name: value})
            except ConvblocksError:
                continue
        return spec

    def axes(self, value, dims):
        return value[:dims] if isinstance(value, tuple) else value

    def stride(self, dims):
        return self.axes(self.random.choice(STRIDES), dims)

    def alone(self, spec: BlockSpec, dims: int) -> Drawn:
        inputs, outputs, stride = (
            self.random.choice([8, 16]),
            self.random.choice([8, 16, 32]),
            self.stride(dims),
        )
        size = (inputs, *SIZES[dims])
        module = spec.build(inputs, outputs, stride, dims=dims)
        if isinstance(stride, int) and self.random.random() < 0.75:  # as the command line prints it
            return Drawn([spec], module, size, lambda: block_code(spec, size, outputs, stride, "the test"))
        return Drawn([spec], module, size, lambda: module_code(module, size))

    def network(self, spec: BlockSpec, dims: int) -> Drawn:
        choice = self.random.choice
        other = self.block(choice(list(BLOCKS)), dims)
        stages = (
            Stage(
                block=spec, blocks=choice([1, 2, 4]), out_channels=16, stride=choice([1, self.stride(dims)])
            ),
            Stage(block=other, blocks=2, out_channels=choice([16, 32]), stride=self.stride(dims)),
        )
        stem = Stem(out_channels=16, kernel_size=choice([3, 5]), pool=choice([*["none"] * 6, *POOLS]))
        module = Network(in_channels=3, classes=5, stem=stem, stages=stages, dims=dims).build()
        size = (3, *SIZES[dims])
        return Drawn([spec, other], module, size, lambda: module_code(module, size))
