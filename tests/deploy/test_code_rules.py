"""What the printed file says of decorators, derived names and starts: the rule, and what it must not take in."""

from contextlib import contextmanager
from functools import wraps

import pytest
import torch
from torch import nn

from convblocks import BlockSpec, Network, Stage, Stem
from convblocks.deploy.code import module_code
from convblocks.errors import CodeError
from tests.deploy.test_code_cli import made

FACTOR = 3.0


def doubled(function):
    """A decorator as people write them."""

    @wraps(function)
    def twice(x):
        return 2 * function(x)

    return twice


@doubled
def tripled(x):
    return FACTOR * x


def squared(x):
    return x * x


@contextmanager
def training_of(module, mode):
    before = module.training
    module.training = mode
    try:
        yield
    finally:
        module.training = before


class Decorated(nn.Module):
    @torch.no_grad()
    def forward(self, x):
        with training_of(self, True):
            assert self.training
            y = tripled(x) if self.training else x
        return y + FACTOR


def test_a_decorated_function_comes_with_its_decorator():
    text = module_code(Decorated(), (2, 3))
    x = torch.randn(4, 2, 3, requires_grad=True)
    module = made(text).eval()
    assert torch.equal(module(x), 6 * x + 3)
    assert not module(x).requires_grad
    assert not module.training
    assert "@contextmanager" in text
    assert "@doubled" in text


hidden = doubled(squared)


class Hidden(nn.Module):
    def forward(self, x):
        return hidden(x)


def test_a_function_that_is_wrapped_elsewhere_is_refused():
    with pytest.raises(CodeError, match="squared is wrapped where its code does not say so"):
        module_code(Hidden(), (2, 3))


@pytest.mark.parametrize(
    ("family", "options", "stride"),
    [
        ("inverted", {}, 3),
        ("inverted", {"kernel_size": 5}, 5),
        ("bottleneck", {"groups": 1}, 3),
        ("bottleneck", {}, (3, 3)),
        ("resnext", {"groups": 1}, 3),
    ],
)
def test_a_kernel_as_wide_as_the_stride_is_no_window_beside_the_next(family, options, stride):
    block = BlockSpec(family, **options).build(8, 16, stride).eval()
    theirs = made(module_code(block, (8, 12, 12))).eval()
    theirs.load_state_dict(block.state_dict())
    x = torch.randn(2, 8, 12, 12)
    assert torch.equal(theirs(x), block(x))


def test_a_network_with_a_kernel_as_wide_as_a_stride():
    stage = Stage(block=BlockSpec("inverted"), blocks=1, out_channels=8, stride=3)
    network = Network(in_channels=3, classes=5, stem=Stem(out_channels=8), stages=(stage,)).build()
    assert "kernel_size // 2" in module_code(network, (3, 12, 12))


def test_patches_stand_side_by_side():
    """A downsampling whose windows do not overlap says its stride once."""
    places = [BlockSpec("convnext").build(8, 16, stride) for stride in (2, 3)]
    assert "nn.Conv2d(in_channels, out_channels, stride, stride=stride)" in module_code(
        places[0], (8, 12, 12), alike=places[1:]
    )


class Slices(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return nn.functional.max_pool2d(x, 1, self.stride)


class SometimesSliced(nn.Module):
    def __init__(self, stride, sliced):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, stride=stride)
        self.slices = Slices((stride, stride)) if sliced else nn.Identity()

    def forward(self, x):
        return self.conv(self.slices(x))


def test_a_part_that_the_stride_does_not_tell_has_a_parameter_of_its_own():
    network = nn.Sequential(*(SometimesSliced(s, sliced) for s, sliced in ((2, True), (2, False), (3, True))))
    theirs = made(module_code(network, (2, 99, 99)))
    theirs.load_state_dict(network.state_dict())
    x = torch.randn(1, 2, 99, 99)
    assert torch.equal(theirs(x), network(x))


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


def test_starts_that_differ_within_a_class_are_said_outside_of_it():
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


def test_a_start_is_found_in_every_container():
    norms = nn.ModuleDict({"a": nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)), "b": nn.BatchNorm2d(4)})

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = norms

        def forward(self, x):
            return self.norms["b"](self.norms["a"](x))

    nn.init.zeros_(norms["a"][1].weight)
    assert 'nn.init.zeros_(self.norms["a"][1].weight)' in module_code(Normed(), (4, 2, 2))


def test_what_takes_no_example_alone_is_printed():
    """PyTorch norms one position of one channel only where the batch has more of them."""
    block = BlockSpec("preactivation_bottleneck", norm="instance").build(8, 8)
    assert "(N, 8, 1, 1) -> (N, 8, 1, 1)" in module_code(block, (8, 1, 1))
