"""A conformance suite that any block class can be put through, ours and yours. Needs pytest.

    from convblocks.testing import BlockConformance

    class TestMyBlock(BlockConformance):
        block = MyBlock
        options = {"depth": 3}      # on top of (in_channels, out_channels, *, stride)
        dims = 2                    # spatial axes of its input

A block promises (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)) for any stride and size,
gradients for every parameter and for the input, an untouched input, the same bits again in eval mode and the same
function in the form that is deployed, if that is another,
and that PyTorch can move it: meta, channels last, autocast, torch.export, torch.compile, a state dict.
"""

from collections.abc import Mapping
from copy import deepcopy
from math import prod
from typing import Any

import pytest
import torch
from torch import nn

IN_CHANNELS, OUT_CHANNELS = 8, 16
SIZES = {1: (11,), 2: (9, 7), 3: (5, 6, 7)}


class BlockConformance:
    """The tests of a block: subclass it with `block`, and `options` and `dims` where needed; pytest runs the rest."""

    block: type[nn.Module]
    options: Mapping[str, Any] = {}
    dims: int = 2

    def make(
        self, in_channels: int = IN_CHANNELS, out_channels: int = OUT_CHANNELS, **place: Any
    ) -> nn.Module:
        """Returns the block under test."""
        torch.manual_seed(0)
        return self.block(in_channels, out_channels, **{**place, **self.options})

    def example(self, *, batch: int = 2, channels: int = IN_CHANNELS) -> torch.Tensor:
        """Returns a random input with axes of different, odd and even lengths."""
        shape = (batch, channels, *SIZES[self.dims])
        return torch.randn(shape, generator=torch.Generator().manual_seed(1))

    @pytest.mark.parametrize("stride", [1, 2, 3, 4])
    def test_each_axis_shrinks_to_ceil_of_size_over_stride(self, stride: int) -> None:
        x = self.example()
        expected = tuple(-(-n // stride) for n in x.shape[2:])
        assert self.make(stride=stride)(x).shape == (2, OUT_CHANNELS, *expected)

    @pytest.mark.parametrize(("inputs", "outputs"), [(8, 8), (8, 16), (16, 8)])
    def test_channels_may_grow_stay_or_shrink(self, inputs: int, outputs: int) -> None:
        assert self.make(inputs, outputs)(self.example(channels=inputs)).shape[1] == outputs

    def test_one_pixel_is_a_map_too(self) -> None:
        x = torch.randn(2, IN_CHANNELS, *(1,) * self.dims)
        assert self.make(stride=2)(x).shape == (2, OUT_CHANNELS, *(1,) * self.dims)

    def test_every_parameter_and_the_input_get_a_gradient(self) -> None:
        block, x = self.make(), self.example().requires_grad_()
        out = block(x)
        out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(2)))
        missing = [
            name for name, p in block.named_parameters() if p.grad is None or not p.grad.isfinite().all()
        ]
        assert not missing
        assert x.grad is not None
        assert x.grad.isfinite().all()

    def test_the_input_is_left_as_it_was(self) -> None:
        x = self.example()
        before = x.clone()
        self.make()(x)
        assert torch.equal(x, before)

    def test_eval_mode_repeats_to_the_bit(self) -> None:
        block, x = self.make().eval(), self.example()
        assert torch.equal(block(x), block(x))

    def test_an_example_in_eval_mode_does_not_depend_on_its_batch(self) -> None:
        block, x = self.make().eval(), self.example()
        torch.testing.assert_close(block(x)[:1], block(x[:1]), rtol=1e-4, atol=1e-5)

    def test_state_dict_carries_all_that_training_changes(self) -> None:
        trained, fresh, x = self.make(), self.make(), self.example()
        for parameter in trained.parameters():
            parameter.detach().add_(0.1)
        # moves running statistics
        trained(x)
        fresh.load_state_dict(trained.state_dict())
        assert torch.equal(trained.eval()(x), fresh.eval()(x))

    def test_the_deployed_form_computes_the_same(self) -> None:
        form = getattr(self.block, "deployed", {})
        if not form:
            pytest.skip("it is deployed as it is trained")
        block, x = self.make(), self.example()
        for parameter in block.parameters():
            parameter.detach().add_(0.1)
        # moves running statistics
        block(x)
        expected = block.eval()(x)
        turned = deepcopy(block)
        turned.reparameterize()  # type: ignore[operator]
        torch.testing.assert_close(turned(x), expected, rtol=1e-4, atol=1e-4)
        built = self.block(IN_CHANNELS, OUT_CHANNELS, **{**self.options, **form})
        built.load_state_dict(turned.state_dict())
        assert torch.equal(built.eval()(x), turned(x))

    def test_shapes_are_known_on_the_meta_device(self) -> None:
        with torch.device("meta"):
            block = self.make(stride=2)
        out = block(self.example().to("meta"))
        assert out.is_meta
        assert out.shape == self.make(stride=2)(self.example()).shape

    def test_channels_last_changes_the_layout_and_nothing_else(self) -> None:
        if self.dims == 1:
            pytest.skip("PyTorch has no channels-last layout for one axis")
        layout = torch.channels_last if self.dims == 2 else torch.channels_last_3d
        block, x = self.make().eval(), self.example()
        expected = block(x)
        moved = block.to(memory_format=layout)(  # type: ignore[call-overload]
            x.to(memory_format=layout)
        )
        torch.testing.assert_close(moved, expected, rtol=1e-4, atol=1e-4)

    def test_autocast_stays_near_full_precision(self) -> None:
        block, x = self.make().eval(), self.example()
        expected = block(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = block(x)
        assert out.isfinite().all()
        assert (out - expected).norm() <= 0.1 * expected.norm() + 1e-3 * prod(expected.shape) ** 0.5

    def test_export_gives_the_same_program(self) -> None:
        block, x = self.make().eval(), self.example()
        exported = torch.export.export(block, (x,)).module()
        torch.testing.assert_close(exported(x), block(x), rtol=1e-5, atol=1e-5)

    def test_compile_needs_no_graph_break(self) -> None:
        block, x = self.make().eval(), self.example()
        torch._dynamo.reset()
        compiled = torch.compile(block, backend="aot_eager", fullgraph=True)
        with torch.no_grad():
            torch.testing.assert_close(compiled(x), block(x), rtol=1e-5, atol=1e-5)
