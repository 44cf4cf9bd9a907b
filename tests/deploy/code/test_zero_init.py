"""Weights that start at zero do so in the printed file, in its classes where all instances agree."""

import pytest
from torch import nn

from convblocks import BlockSpec, Network, Stage, Stem
from convblocks.deploy.code import module_code
from tests.deploy.code.printed import made


def zeros(module):
    """Names of what starts at zero and could learn."""
    return [name for name, p in module.named_parameters() if not p.any() and not name.endswith("bias")]


@pytest.mark.parametrize("norm", ["batch", "layer"])  # PyTorch's class, and one that derives from it
@pytest.mark.parametrize(
    ("family", "last"), [("residual", "main[1]"), ("bottleneck", "expand"), ("resnext", "expand")]
)
def test_a_branch_that_starts_at_zero_does_so_in_the_file(family, last, norm):
    spec = BlockSpec(family, zero_init=True, norm=norm)
    block, wider = spec.build(32, 32), spec.build(32, 64, 2)
    text = module_code(block, (32, 9, 9), alike=[wider])
    assert len(zeros(block)) == 1
    assert zeros(made(text)) == zeros(block)
    assert (
        f"        nn.init.zeros_(self.{last}.norm.weight)\n" in text
    )  # in the block's class, for other places too
    assert "nn.init" not in module_code(BlockSpec(family).build(32, 32), (32, 9, 9))


def test_initialisations_that_differ_within_a_class_are_written_outside_of_it():
    specs = [BlockSpec("residual", zero_init=start) for start in (True, False)]
    blocks = nn.Sequential(*(spec.build(8, 8) for spec in specs))
    text = module_code(blocks, (8, 9, 9))
    assert zeros(made(text)) == zeros(blocks) == ["0.main.1.norm.weight"]
    assert text.count("    nn.init.zeros_(module[0].main[1].norm.weight)\n    return module\n") == 1
    stages = tuple(Stage(block=spec, blocks=1, out_channels=8) for spec in specs)
    network = Network(in_channels=3, classes=5, stem=Stem(out_channels=8), stages=stages).build()
    text = module_code(network, (3, 9, 9))
    assert zeros(made(text)) == zeros(network)
    assert text.count("        nn.init.zeros_(self.stages[0]") == text.count("nn.init") == 1


def test_a_zero_weight_is_initialised_in_every_container():
    norms = nn.ModuleDict({"a": nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)), "b": nn.BatchNorm2d(4)})

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = norms

        def forward(self, x):
            return self.norms["b"](self.norms["a"](x))

    nn.init.zeros_(norms["a"][1].weight)
    assert 'nn.init.zeros_(self.norms["a"][1].weight)' in module_code(Normed(), (4, 2, 2))
