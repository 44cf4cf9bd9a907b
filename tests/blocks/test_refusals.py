"""What cannot work is refused with both values and the fix; any other spec of any family works as promised."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convblocks import (
    BLOCKS,
    BlockSpec,
    ConvblocksError,
    Stem,
)
from convblocks.blocks.block_spec import block_options
from convblocks.errors import OptionError, SpecError

REFUSALS = [
    ("simple", {"kernel_size": 4}, "kernel_size=4: .*3 or 5"),
    ("simple", {"depth": 0}, "depth=0: .*at least 1"),
    ("simple", {"depth": 2.0}, "depth=2.0: expected a whole number"),
    ("simple", {"depth": True}, "depth=True: expected a whole number"),
    ("residual", {"depth": 0}, "depth=0: .*at least 1"),
    ("bottleneck", {"depth": 2}, "depth=2: .*at least 3.*ResidualBlock"),
    ("simple", {"groups": 5}, "groups=5: must divide in_channels=4 and out_channels=16; use 1, 2 or 4"),
    ("bottleneck", {"groups": 3}, r"groups=3: must divide the 4 channels.*out_channels=12 would fit"),
    ("residual", {"padding": 0}, "padding=0: breaks the addition.*only at 1; leave padding=None"),
    (
        "residual",
        {"kernel_size": 5, "padding": 1},
        "padding=1: breaks the addition: with kernel_size=5.* only at 2",
    ),
    ("bottleneck", {"padding": 0}, "padding=0: breaks the addition"),
    ("simple", {"norm": "bach"}, "norm='bach': expected batch, group, layer, instance or none"),
    ("simple", {"activation": 3}, "activation=3: expected relu"),
    ("simple", {"stride": 0}, "stride=0: .*at least 1"),
    ("simple", {"dilation": -1}, "dilation=-1: .*at least 1"),
    ("simple", {"kernel_size": (3, 3, 3)}, r"kernel_size=\(3, 3, 3\): expected one number, or 2 of them"),
    ("simple", {"dims": 4}, "dims=4: expected 1"),
    ("simple", {"pool": "min"}, "pool='min': expected none, max, max3, max3_unpadded, average or blur"),
    ("simple", {"padding_mode": "wrap"}, "padding_mode='wrap': expected zeros, reflect"),
    ("residual", {"shortcut": "none"}, "shortcut='none': expected projection, average or zeros"),
    ("residual", {"attention": "se"}, "attention='se': expected none, squeeze_excite, eca or cbam"),
    ("residual", {"stochastic_depth": 1.0}, "stochastic_depth=1.0: expected a probability"),
    ("residual", {"zero_init": True, "norm": "none"}, "zero_init=True: .*choose a norm"),
    ("inverted", {"depth": 2}, "depth=2: .*at least 3: at least one depthwise convolution between two 1×1"),
    ("inverted", {"depth": 1, "expansion": 1}, "depth=1: .*at least 2: at least one depthwise"),
    ("inverted", {"expansion": 0}, "expansion=0: .*at least 1"),
    ("inverted", {"padding": 0}, "padding=0: breaks the addition"),
    ("convnext", {"depth": 2}, "depth=2: .*at least 3: at least one depthwise convolution, then two 1×1"),
    ("convnext", {"padding": 1}, "padding=1: breaks the addition.*only at 3"),
    ("convnext", {"layer_scale": "1"}, "layer_scale='1': expected a finite number"),
    ("repvgg", {"depth": 0}, "depth=0: .*at least 1"),
    ("repvgg", {"padding": 0}, "padding=0: breaks the addition"),
    ("repvgg", {"groups": 3}, "groups=3: must divide in_channels=4"),
    ("bottleneck", {"expansion": 0}, "expansion=0: .*at least 1"),
    ("reversible", {"depth": 0}, "depth=0: .*at least 1"),
    ("reversible", {"function_depth": 0}, "function_depth=0: .*at least 1"),
    ("reversible", {"groups": 4}, "groups=4: must divide in_channels/2=2 and out_channels/2=8; use 1 or 2"),
    ("reversible", {"padding": 0}, "padding=0: breaks the addition"),
]


@pytest.mark.parametrize(("family", "options", "message"), REFUSALS)
def test_what_cannot_work_is_refused_with_both_values_and_the_fix(family, options, message):
    with pytest.raises(OptionError, match=message):
        BLOCKS[family](4, 16, **options)


TRUTHS = [
    (family, option)
    for family, block in BLOCKS.items()
    for option, parameter in inspect.signature(block).parameters.items()
    if parameter.annotation in (bool, bool | None)
]


@pytest.mark.parametrize(("family", "option"), TRUTHS)
@pytest.mark.parametrize("typo", ["no", "False", "", 3, 1, 0, 0.25])
def test_what_is_true_or_false_is_neither_text_nor_number(family, option, typo):
    """Or ``bias="no"`` would build one."""
    with pytest.raises(OptionError, match=rf"^{option}={typo!r}: expected True(,| or) False( or None)?$"):
        BLOCKS[family](4, 16, **{option: typo})
    with pytest.raises(SpecError, match=rf"^{option}: got {typo!r}; expected True(,| or) False"):
        BlockSpec(family, **{option: typo})


@pytest.mark.parametrize("family", [family for family in BLOCKS if "depth" in block_options(family)])
def test_a_file_cannot_ask_for_a_block_that_takes_minutes_to_build(family):
    with pytest.raises(SpecError, match=r"^depth: got 1000000; expected a whole number of at most 10,000$"):
        BlockSpec.from_dict({"family": family, "depth": 10**6})


def test_nor_for_its_other_ways_to_be_deep():
    with pytest.raises(SpecError, match=r"^kernels: .*at most 10,000 kernel sizes, not 10,001"):
        BlockSpec("wide", kernels=f"B({','.join(['3'] * 10_001)})")
    with pytest.raises(OptionError, match=r"^depth=1000000: expected a whole number of at most 10,000"):
        Stem(out_channels=8, depth=10**6).build(3, 2)


def test_every_kind_of_truth_is_among_them():
    assert {option for _, option in TRUTHS} == {
        "bias",
        "zero_init",
        "bottleneck",
        "squeeze_excite",
        "reparameterized",
    }
    with_bias = [family for family, block in BLOCKS.items() if "bias" in inspect.signature(block).parameters]
    assert [family for family, option in TRUTHS if option == "bias"] == with_bias


@pytest.mark.parametrize("family", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("channels", [(0, 4), (4, 0), (4, -1), ("4", 4)])
def test_channels_must_be_positive(family, channels):
    with pytest.raises(OptionError, match="channels="):
        family(*channels)


OPTIONS = {  # of any family; what a family's constructor does not take is left out
    "depth": st.integers(1, 12),
    "kernel_size": st.integers(1, 9),
    "stride": st.integers(1, 4),
    "dilation": st.integers(1, 3),
    "groups": st.sampled_from([1, 1, 2, 3, 4]),
    "norm": st.sampled_from(["batch", "group", "layer", "instance", "none"]),
    "activation": st.sampled_from(["relu", "gelu", "silu", "tanh", "leaky_relu", "none"]),
    "pool": st.sampled_from(["none", "max", "average", "blur"]),
    "shortcut": st.sampled_from(["projection", "average"]),
    "stochastic_depth": st.sampled_from([0.0, 0.3]),
    "zero_init": st.booleans(),
    "base_width": st.sampled_from([1, 4, 64]),
    "expansion": st.integers(1, 5),
    "dropout": st.sampled_from([0.0, 0.3]),
    "bottleneck": st.booleans(),
    "growth": st.integers(1, 5),
    "function_depth": st.integers(1, 3),
    "attention": st.sampled_from(["none", "none", "squeeze_excite", "eca", "cbam"]),
    "squeeze_excite": st.booleans(),
    "reparameterized": st.booleans(),
}


@st.composite
def specs(draw):
    family = draw(st.sampled_from(sorted(BLOCKS)))
    dims = draw(st.integers(1, 3))
    taken = {"stride", *block_options(family)}
    options = {name: draw(values) for name, values in OPTIONS.items() if name in taken} | {"dims": dims}
    channels = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    longest = {1: 33, 2: 13, 3: 7}[dims]
    size = draw(st.tuples(*[st.integers(1, longest)] * dims))
    return family, channels, options, size


# The same examples each time: one in some ten thousand makes a kernel of torch 2.13 write beyond its buffer, which ends
# the process ("corrupted double-linked list"), whatever the test checks.
@settings(max_examples=400, deadline=None, derandomize=True)
@given(specs())
def test_any_spec_either_works_as_promised_or_is_refused(spec):
    family, (inputs, outputs), options, size = spec
    try:
        block = BLOCKS[family](inputs, outputs, **options)
    except ConvblocksError as refusal:
        assert "\n" not in str(refusal)
        assert _should_refuse(family, inputs, outputs, options), refusal
        return
    assert not _should_refuse(family, inputs, outputs, options)
    x = torch.randn(2, inputs, *size, requires_grad=True)
    out = block(x)
    expected = tuple(-(-n // options["stride"]) for n in size)
    if options.get("pool", "none") != "none":
        expected = tuple(-(-n // 2) for n in expected)
    assert out.shape == (2, outputs, *expected)
    out.sum().backward()
    assert x.grad is not None
    assert all(p.grad is not None for p in block.parameters())


def least_depth(family, options):
    """Of a main path that has all the layers its figure shows."""
    if family == "inverted":
        return 2 if options["expansion"] == 1 else 3
    return LEAST_DEPTH.get(family, 1)


LEAST_DEPTH = {"bottleneck": 3, "preactivation_bottleneck": 3, "resnext": 3, "convnext": 3, "dense": 2}


def _should_refuse(family, inputs, outputs, options):
    """The rules of the docstrings, written a second time."""
    if options.get("dropout") and options["depth"] == 1:
        return True
    if options.get("bottleneck") and (options["depth"] < 3 or options["depth"] % 2 == 0):
        return True
    return (
        options.get("kernel_size", 3) % 2 == 0
        or options.get("depth", 1) < least_depth(family, options)
        or GROUPED.get(family, fails_to_divide_both)(inputs, outputs, options)
        or (options.get("zero_init", False) and options["norm"] == "none")
    )


def fails_to_divide_both(inputs, outputs, options):
    groups = options.get("groups", 1)
    return inputs % groups != 0 or outputs % groups != 0


def fails_to_divide_halves(inputs, outputs, options):
    odd = inputs % 2 != 0 or outputs % 2 != 0
    return odd or fails_to_divide_both(inputs // 2, outputs // 2, options)


def fails_to_divide_the_middle(inputs, outputs, options):
    return max(1, outputs // options["expansion"]) % options["groups"] != 0


GROUPED = {
    "bottleneck": fails_to_divide_the_middle,
    "preactivation_bottleneck": fails_to_divide_the_middle,
    "resnext": lambda *_: False,
    "reversible": fails_to_divide_halves,
}
