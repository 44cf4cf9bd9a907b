"""Specs: round trips by property, errors by path."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convblocks import BLOCKS, BlockSpec, Network, SimpleConvBlock, Stage, Stem
from convblocks.blocks.block_spec import block_options
from convblocks.errors import ConvblocksError, SpecError


def network(**changes):
    stages = (
        Stage(block=BlockSpec("residual", depth=2), blocks=2, out_channels=8),
        Stage(block=BlockSpec("bottleneck", groups=2), blocks=1, out_channels=16, stride=2),
    )
    return Network(
        **{"in_channels": 3, "classes": 5, "stem": Stem(out_channels=8), "stages": stages, **changes}
    )


@st.composite
def networks(draw):
    dims = draw(st.integers(1, 3))
    stages = []
    even = draw(st.booleans())  # as reversible blocks ask for
    for _ in range(draw(st.integers(1, 3))):
        family = draw(st.sampled_from(sorted(BLOCKS if even else BLOCKS.keys() - {"reversible"})))
        options = {"depth": draw(st.integers(3, 5))}
        norm = draw(st.sampled_from(["batch", "layer", "none"]))
        if "norm" in block_options(family):
            options["norm"] = norm
        if "kernel_size" in block_options(family) and draw(st.booleans()):
            options["kernel_size"] = draw(st.one_of(st.just(5), st.just((3,) * dims)))
        spec = BlockSpec(family, **options)
        stages.append(
            Stage(
                block=spec,
                blocks=draw(st.integers(1, 3)),
                out_channels=draw(st.integers(1, 9)) * (1 + even),
                stride=draw(st.integers(1, 2)),
            )
        )
    stem = Stem(out_channels=draw(st.integers(1, 8)) * (1 + even), kernel_size=draw(st.sampled_from([1, 3])))
    return Network(
        in_channels=draw(st.integers(1, 4)),
        classes=draw(st.integers(2, 9)),
        stem=stem,
        stages=tuple(stages),
        dims=dims,
    )


@settings(max_examples=60, deadline=None)
@given(networks())
def test_a_network_survives_toml_and_json_and_builds(spec):
    for copied in (
        Network.from_toml(spec.to_toml()),
        Network.from_json(spec.to_json()),
        Network.from_dict(spec.to_dict()),
    ):
        assert copied == spec
        assert hash(copied) == hash(spec)
    out = spec.build().eval()(torch.zeros(1, spec.in_channels, *(9,) * spec.dims))
    assert out.shape == (1, spec.classes)


def test_an_example_as_a_person_writes_it():
    spec = Network.from_toml("""
        in_channels = 3
        classes = 5
        [stem]
        out_channels = 8
        [[stages]]
        blocks = 2
        out_channels = 8
        block = { family = "residual", depth = 2 }
        [[stages]]
        blocks = 1
        out_channels = 16
        stride = 2
        block = { family = "bottleneck", groups = 2 }
    """)
    assert spec == network()


MISTAKES = [
    ("d['stages'][1]['block']['depth'] = 2", r"^stages\[1\].block.depth: got 2; .*at least 3"),
    ("d['stages'][1]['block']['groups'] = 3", r"^stages\[1\].block.groups: got 3; must divide"),
    ("d['stages'][0]['block']['dept'] = 2", r"^stages\[0\].block.dept: .*did you mean 'depth'"),
    ("d['stages'][0]['block']['stride'] = 2", r"^stages\[0\].block.stride: is set by the block's place"),
    (
        "d['stages'][0]['block']['family'] = 'resdual'",
        r"^stages\[0\].block.family: .*did you mean 'residual'",
    ),
    (
        "d['stages'][0]['block']['family'] = 'os:path'",
        r"^stages\[0\].block.family: 'os:path' is not a torch.nn.Module",
    ),
    (
        "d['stages'][0]['block']['family'] = 'no.such:Block'",
        r"^stages\[0\].block.family: .*cannot be imported",
    ),
    ("d['stages'][0]['block'] = 3", r"^stages\[0\].block.family: expected a family"),
    ("d['stages'][1]['blocks'] = 'x'", r"^stages\[1\].blocks: Expected int, got str"),
    ("d['stages'][1]['blocks'] = 0", r"^stages\[1\].blocks: got 0"),
    ("d['stages'][1]['blocks'] = 10**9", r"^stages\[1\].blocks: got 1000000000; .*at most 2,000"),
    ("d['stages'][1]['stride'] = 0", r"^stages\[1\].stride: got 0"),
    ("d['stages'] = []", "^stages: got 0"),
    ("d['stem']['kernel_size'] = 2", "^stem.kernel_size: got 2; an even kernel"),
    (
        "d['in_channels'] = d['stem']['out_channels'] = 2**31 - 1",
        r"^stem: Stem\(out_channels=2147483647.*in_channels=2147483647: .*overflow",
    ),
    ("d['classes'] = 1", "^classes: got 1"),
    ("d['dims'] = 4", "^dims: got 4"),
    ("d['stage'] = 1", "unknown field stage"),
    ("del d['stages']", "missing required field stages"),
    ("d['stem']['depth'] = 0", "^stem.depth: got 0"),
    ("d['stem']['pool'] = 'min'", "^stem.pool: got 'min'"),
    ("d['head'] = {'kind': 'mean', 'norm': 'bach'}", "^head.norm: got 'bach'"),
    ("d['head'] = {'kind': 'mean', 'pooled_norm': 'instance'}", "^head.pooled_norm: got 'instance'"),
    ("d['head'] = {'kind': 'grid', 'grid': 0}", "^head.grid: got 0"),
    ("d['head'] = {'kind': 'gird'}", "^head.*gird"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_errors_say_where(mistake, message):
    d = copy.deepcopy(network().to_dict())
    exec(mistake, {"d": d})  # noqa: S102 - the edits stand in this file
    with pytest.raises(SpecError, match=message):
        Network.from_dict(d)


def test_describing_a_network_takes_no_memory():
    """A stem of 2⁵⁰ weights is a petabyte."""
    wide = 2**25
    stage = Stage(block=BlockSpec("residual"), blocks=1, out_channels=wide)
    assert (
        network(in_channels=wide, stem=Stem(out_channels=wide, kernel_size=1), stages=(stage,)).classes == 5
    )


@pytest.mark.parametrize(
    ("stages", "blocks", "depth", "problem"),
    [
        (200, 2_000, 2, "blocks: got 400000"),
        (3, 1_000, 1, "blocks: got 3000"),
        (1, 10_000, 2, r"stages\[0\].blocks: got 10000"),
        (1, None, 2, r"stages\[0\].blocks: got None"),
        (1, True, 2, r"stages\[0\].blocks: got True"),
        (1, 1.5, 2, r"stages\[0\].blocks: got 1.5"),
        (10, 100, 100, "depth: got 100000"),
    ],
)
def test_a_few_lines_that_ask_for_millions_of_layers_are_refused_before_any_is_built(
    stages, blocks, depth, problem, monkeypatch
):
    stage = Stage(block=BlockSpec("simple", depth=depth), blocks=blocks, out_channels=8)
    monkeypatch.setattr(
        "convblocks.networks.network_spec.meta_block", lambda *_: pytest.fail("a block was built")
    )
    with pytest.raises(SpecError, match=problem):
        Network(in_channels=3, classes=10, stages=(stage,) * stages)


def test_layers_that_kernels_ask_for_count_too():
    """A depth that an option implies was one layer a block."""
    kernels = f"B({','.join('3' * 2000)})"
    stage = {"blocks": 1000, "out_channels": 8, "block": {"family": "wide", "kernels": kernels}}
    with pytest.raises(SpecError, match=r"got 2000000; expected blocks of 10,000 layers at most"):
        Network.from_dict({"in_channels": 3, "classes": 2, "stages": [stage]})


def test_a_value_without_end_is_cut_where_it_is_told():
    """A refusal repeated a list of 200,000 numbers."""
    for option in ("kernel_size", "depth", "norm"):
        stage = {"blocks": 1, "out_channels": 8, "block": {"family": "simple", option: [3] * 200_000}}
        with pytest.raises(SpecError) as raised:
            Network.from_dict({"in_channels": 3, "classes": 2, "stages": [stage]})
        assert len(str(raised.value)) < 2_000
    for build in (lambda: SimpleConvBlock(3, 3, [3] * 200_000), lambda: BlockSpec("x" * 200_000)):
        with pytest.raises(ConvblocksError) as raised:
            build()
        assert len(str(raised.value)) < 2_000
