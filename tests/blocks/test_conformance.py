"""Every family of ours, in every setting that changes its structure, through the public suite."""

import pytest
import torch
from torch import nn

from convblocks import (
    BLOCKS,
    BottleneckBlock,
    ConvNeXtBlock,
    DenseBlock,
    InvertedResidualBlock,
    PreActivationBlock,
    PreActivationBottleneckBlock,
    RepVGGBlock,
    ResidualBlock,
    ResNeXtBlock,
    ReversibleBlock,
    SimpleConvBlock,
    WideBlock,
)
from convblocks.testing import BlockConformance


class TestSimple(BlockConformance):
    block = SimpleConvBlock


class TestSimpleDeepDilated(BlockConformance):
    block = SimpleConvBlock
    options = {
        "depth": 5,
        "kernel_size": 5,
        "dilation": 2,
        "groups": 4,
        "norm": "group",
        "activation": "gelu",
    }


class TestSimpleSignal(BlockConformance):
    block = SimpleConvBlock
    options = {"dims": 1, "norm": "none", "padding_mode": "replicate"}
    dims = 1


class TestSimpleVolume(BlockConformance):
    block = SimpleConvBlock
    options = {"dims": 3, "norm": "instance", "activation": "silu"}
    dims = 3


class TestResidual(BlockConformance):
    block = ResidualBlock


class TestResidualDeep(BlockConformance):
    block = ResidualBlock
    options = {"depth": 4, "shortcut": "average", "norm": "layer", "stochastic_depth": 0.2}


class TestResidualSignal(BlockConformance):
    block = ResidualBlock
    options = {"dims": 1, "depth": 1, "shortcut": "average"}
    dims = 1


class TestResidualVolume(BlockConformance):
    block = ResidualBlock
    options = {"dims": 3, "groups": 2}
    dims = 3


class TestBottleneck(BlockConformance):
    block = BottleneckBlock


class TestBottleneckGrouped(BlockConformance):
    block = BottleneckBlock
    options = {"depth": 5, "groups": 2, "expansion": 2, "kernel_size": 5, "stochastic_depth": 0.1}


class TestBottleneckVolume(BlockConformance):
    block = BottleneckBlock
    options = {"dims": 3, "shortcut": "average", "norm": "group"}
    dims = 3


class TestPreActivation(BlockConformance):
    block = PreActivationBlock


class TestPreActivationDeepWithoutNorm(BlockConformance):
    block = PreActivationBlock
    options = {"depth": 5, "norm": "none", "shortcut": "average", "groups": 4, "stochastic_depth": 0.2}


class TestPreActivationSignal(BlockConformance):
    block = PreActivationBlock
    options = {"dims": 1, "depth": 1, "norm": "layer", "activation": "gelu"}
    dims = 1


class TestPreActivationVolume(BlockConformance):
    block = PreActivationBlock
    options = {"dims": 3, "kernel_size": (1, 3, 5), "dilation": 2}
    dims = 3


class TestPreActivationBottleneck(BlockConformance):
    block = PreActivationBottleneckBlock


class TestPreActivationBottleneckDeep(BlockConformance):
    block = PreActivationBottleneckBlock
    options = {"depth": 5, "groups": 2, "expansion": 2, "norm": "none", "stochastic_depth": 0.1}


class TestPreActivationBottleneckVolume(BlockConformance):
    block = PreActivationBottleneckBlock
    options = {"dims": 3, "shortcut": "average", "norm": "group"}
    dims = 3


class TestResNeXt(BlockConformance):
    block = ResNeXtBlock


class TestResNeXtDeep(BlockConformance):
    block = ResNeXtBlock
    options = {"depth": 5, "groups": 3, "base_width": 40, "kernel_size": 5, "shortcut": "average"}


class TestResNeXtSignal(BlockConformance):
    block = ResNeXtBlock
    options = {"dims": 1, "norm": "none", "stochastic_depth": 0.1}
    dims = 1


class TestResNeXtVolume(BlockConformance):
    block = ResNeXtBlock
    options = {"dims": 3, "norm": "group", "groups": 4}
    dims = 3


class TestWide(BlockConformance):
    block = WideBlock


class TestWideStraightenedBottleneck(BlockConformance):
    block = WideBlock
    options = {"kernels": "B(1,3,1)", "dropout": 0.3, "norm": "none", "shortcut": "average"}


class TestWideSignal(BlockConformance):
    block = WideBlock
    options = {"dims": 1, "kernels": "B(3,1)", "norm": "layer", "activation": "silu"}
    dims = 1


class TestWideVolume(BlockConformance):
    block = WideBlock
    options = {"dims": 3, "depth": 4, "norm": "group", "stochastic_depth": 0.1}
    dims = 3


class TestDense(BlockConformance):
    block = DenseBlock


class TestDenseBottleneck(BlockConformance):
    block = DenseBlock
    options = {"depth": 7, "bottleneck": True, "growth": 3, "kernel_size": 5, "norm": "none"}


class TestDenseSignal(BlockConformance):
    block = DenseBlock
    options = {"dims": 1, "norm": "layer", "dilation": 2}
    dims = 1


class TestDenseVolume(BlockConformance):
    block = DenseBlock
    options = {"dims": 3, "depth": 2, "activation": "gelu"}
    dims = 3


class TestInverted(BlockConformance):
    block = InvertedResidualBlock


class TestMBConv(BlockConformance):
    block = InvertedResidualBlock
    options = {"depth": 4, "squeeze_excite": True, "activation": "silu", "kernel_size": 5}


class TestInvertedNarrowVolume(BlockConformance):
    block = InvertedResidualBlock
    options = {"dims": 3, "expansion": 1, "depth": 2, "norm": "group", "stochastic_depth": 0.2}
    dims = 3


class TestConvNeXt(BlockConformance):
    block = ConvNeXtBlock
    options = {"layer_scale": 0.5}


class TestConvNeXtDeepVolume(BlockConformance):
    block = ConvNeXtBlock
    options = {"dims": 3, "depth": 4, "kernel_size": 3, "layer_scale": 1, "stochastic_depth": 0.2}
    dims = 3


class TestRepVGG(BlockConformance):
    block = RepVGGBlock


class TestRepVGGDeepVolume(BlockConformance):
    block = RepVGGBlock
    options = {"dims": 3, "depth": 3, "groups": 2}
    dims = 3


class TestRepVGGReparameterized(BlockConformance):
    block = RepVGGBlock
    options = {"depth": 2, "reparameterized": True}


class TestReversible(BlockConformance):
    block = ReversibleBlock


class TestReversibleDeep(BlockConformance):
    block = ReversibleBlock
    options = {"depth": 7, "function_depth": 3, "norm": "layer", "activation": "silu", "dilation": 2}


class TestReversibleSignal(BlockConformance):
    block = ReversibleBlock
    options = {"dims": 1, "depth": 3, "function_depth": 1, "norm": "none", "padding_mode": "replicate"}
    dims = 1


class TestReversibleVolume(BlockConformance):
    block = ReversibleBlock
    options = {"dims": 3, "groups": 2, "norm": "group"}
    dims = 3


class _StridesTwice(nn.Module):
    """The widespread mistake: the stride in each convolution."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1):
        super().__init__()
        self.a = nn.Conv2d(in_channels, out_channels, 3, stride, 1)
        self.b = nn.Conv2d(out_channels, out_channels, 3, stride, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x).relu_())


class _Overwrites(nn.Module):
    """Another: an in-place activation on the block's input."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1):
        super().__init__()
        self.a = nn.Conv2d(in_channels, out_channels, 3, stride, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(x.relu_())


class _LosesItsBias(nn.Conv2d):
    """A deployed form that is another function."""

    deployed = {"biased": False}

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, biased: bool = True):
        super().__init__(in_channels, out_channels, 3, stride, 1, bias=biased)

    def reparameterize(self) -> nn.Module:
        self.bias = None
        return self


def _suite(faulty: type[nn.Module]) -> BlockConformance:
    suite = BlockConformance()
    suite.block = faulty
    return suite


def test_the_suite_finds_a_stride_in_each_convolution():
    with pytest.raises(AssertionError):
        _suite(_StridesTwice).test_each_axis_shrinks_to_ceil_of_size_over_stride(2)


def test_the_suite_finds_an_overwritten_input():
    with pytest.raises(AssertionError):
        _suite(_Overwrites).test_the_input_is_left_as_it_was()


def test_the_suite_finds_a_deployed_form_that_computes_something_else():
    with pytest.raises(AssertionError, match="not close"):
        _suite(_LosesItsBias).test_the_deployed_form_computes_the_same()


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # of the compiler's own import
@pytest.mark.slow
@pytest.mark.parametrize("family", BLOCKS.values(), ids=BLOCKS)
def test_the_default_compiler_trains_it(family):
    """Inductor, not only the graph capture that the suite checks; for these sizes, not those of tests before it."""
    torch.compiler.reset()
    torch.manual_seed(0)
    block = family(8, 16, stride=2)
    x = torch.randn(4, 8, 9, 9)
    expected = block(x)
    expected.sum().backward()
    gradients = [p.grad.clone() for p in block.parameters()]
    block.zero_grad()
    found = torch.compile(block)(x)
    found.sum().backward()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for p, gradient in zip(block.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-3, atol=1e-3)
