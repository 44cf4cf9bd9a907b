"""Specs: round trips by property, errors by path."""

import copy
import json
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convblocks import BLOCKS, BlockSpec, Network, ResidualBlock, SimpleConvBlock, Stage, Stem
from convblocks.blocks.block_spec import block_options, foreign_classes
from convblocks.errors import ConvblocksError, SpecError


class PlainBlock(nn.Module):
    """A user's own family."""

    def __init__(self, in_channels, out_channels, *, stride=1, depth=1, wide=False):
        super().__init__()
        layers = [
            nn.Conv2d(out_channels if i else in_channels, out_channels, 3, 1 if i else stride, 1)
            for i in range(depth)
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x).relu()


OWN = f"{__name__}:PlainBlock"


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


@pytest.mark.parametrize(
    ("read", "text"), [(Network.from_toml, "a = "), (Network.from_json, "{"), (Network.from_json, "[1]")]
)
def test_text_that_is_no_spec(read, text):
    with pytest.raises(SpecError):
        read(text)


DEEP = 900  # deeper than Python recurses, not than msgspec does


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (Network.from_json, "[" * 100_000),
        (Network.from_json, '{"stages":' * DEEP + "1" + "}" * DEEP),
        (Network.from_toml, "a = " + "[" * 100_000),
        (Network.from_toml, ".".join("a" * DEEP) + " = 1"),
        (Network.from_toml, "a = " + "[" * 40 + "]" * 40),
    ],
)
def test_text_that_nests_without_end_is_no_spec(read, text):
    with pytest.raises(
        SpecError, match=r"^tables and lists nest deeper than 32; expected a block's or network's"
    ):
        read(text)


def test_tables_that_nest_without_end_are_no_spec():
    deep = []
    for _ in range(DEEP):
        deep = [deep, deep]  # 2⁹⁰⁰ lists, if each is followed anew
    for read in (Network.from_dict, BlockSpec.from_dict):
        with pytest.raises(SpecError, match="nest deeper"):
            read({"family": "residual", "kernel_size": deep, "stages": deep})
    assert foreign_classes(json.loads('{"a":[' * 400 + '{"family":"os:b"}' + "]}" * 400)) == ["os:b"]
    table = {"family": "a:B", "stages": [{"family": "c:D"}, {"x": {"family": "a:B"}}, {"family": "simple"}]}
    assert foreign_classes(table) == ["a:B", "c:D"]


@pytest.mark.parametrize("text", ["a = " + "1" * 5000, "a = '\ud800'"])
def test_what_cannot_be_a_number_or_text_is_no_spec(text):
    with pytest.raises(SpecError):
        Network.from_toml(text)
    with pytest.raises(SpecError):
        Network.from_json(text.replace("a = ", "").replace("'", '"'))


def test_describing_a_network_takes_no_memory():
    """A stem of 2⁵⁰ weights is a petabyte."""
    wide = 2**25
    stage = Stage(block=BlockSpec("residual"), blocks=1, out_channels=wide)
    assert (
        network(in_channels=wide, stem=Stem(out_channels=wide, kernel_size=1), stages=(stage,)).classes == 5
    )


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        (
            3,
            {},
            r"^family: got 3; expected a name, one of simple, residual, bottleneck.* or package\.module:Class",
        ),
        (ResidualBlock, {}, r"^family: got <class .*; expected a name"),
        (None, {"depth": 3}, r"^family: got None"),
        ("residual", {"depth": -1}, r"^depth: got -1; expected a whole number of at least 1"),
        ("bottleneck", {"depth": 2}, r"^depth: got 2; .*ResidualBlock"),
        ("simple", {"norm": "bach"}, r"^norm: got 'bach'"),
        ("simple", {"kernel_size": (3, 5, 7), "depth": 0}, r"^depth: got 0"),
        ("simple", {"kernel_size": (3, 5, 7, 9)}, r"^kernel_size: "),
        ("residual", {"padding": 0}, r"^padding: got 0"),
        (OWN, {"depth": "two"}, r"PlainBlock', depth='two'\) with .*'str' object"),
        (OWN, {"stride": 2}, r"^stride: is set by the block's place"),
    ],
)
def test_a_spec_that_cannot_be_built_is_refused_when_it_is_made(family, options, message):
    with pytest.raises(SpecError, match=message):
        BlockSpec(family, **options)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("residual", {"groups": 7}),
        ("bottleneck", {"groups": 32, "expansion": 3}),
        ("bottleneck", {"groups": 11, "expansion": 13, "depth": 17}),
        ("simple", {"kernel_size": (3, 5, 7)}),
        ("simple", {"kernel_size": (3,), "norm": "group"}),
        ("simple", {"kernel_size": 1001, "groups": 1000}),
        (f"{__name__}:FlatBlock", {}),
    ],
)
def test_a_spec_that_can_be_built_somewhere_is_not_refused(family, options):
    assert BlockSpec(family=family, **options).options == options


class FlatBlock(nn.Conv1d):
    """Of 32 groups, for signals alone."""

    def __init__(self, in_channels, out_channels, *, stride=1, dims=1):
        assert dims == 1
        super().__init__(in_channels, out_channels, 3, stride, groups=32)


def test_block_specs_are_values():
    a, b = (
        BlockSpec("residual", depth=4, kernel_size=[3, 5]),
        BlockSpec("residual", kernel_size=(3, 5), depth=4),
    )
    assert a == b
    assert hash(a) == hash(b)
    assert pickle.loads(pickle.dumps(a)) == a  # noqa: S301 - how specs reach worker processes
    assert BlockSpec.from_dict(a.to_dict()) == a
    with pytest.raises(AttributeError, match="frozen"):
        a.family = "simple"
    with pytest.raises(TypeError):
        a.options["depth"] = 3
    assert eval(repr(a)) == a  # noqa: S307
    assert a.option("norm") == "batch"


@pytest.mark.parametrize(("first", "other"), [(3, 3.0), (1, True), ((3, 1), (3.0, 1)), (0.0, False)])
def test_equal_numbers_of_other_types_are_other_specs(first, other):
    assert first == other
    specs = {BlockSpec(OWN, wide=first), BlockSpec(OWN, wide=other), BlockSpec(OWN, wide=first)}
    assert len(specs) == 2


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"depth": 3}, {"depth": 3.0}),
        ({"depth": 1}, {"depth": True}),
        ({"kernel_size": (3, 1)}, {"kernel_size": (3.0, 1)}),
    ],
)
def test_what_was_built_before_lets_no_other_type_pass(good, bad):
    def made(options):
        return network(stages=(Stage(block=BlockSpec("residual", **options), blocks=1, out_channels=8),))

    made(good)
    with pytest.raises(SpecError, match=rf"^{next(iter(bad))}: got .*whole number"):
        made(bad)


@pytest.mark.parametrize(("good", "bad"), [(2, 2.0), (1, True), ((2, 1), (2.0, 1))])
def test_a_stride_built_before_lets_no_other_type_pass(good, bad):
    def made(stride):
        return network(stages=(Stage(block=BlockSpec("residual"), blocks=1, out_channels=8, stride=stride),))

    made(good)
    with pytest.raises(SpecError, match=r"^stages\[0\].stride: got .*whole number"):
        made(bad)


def test_options_are_the_constructor_s():
    assert block_options("residual") == {
        "kernel_size": 3,
        "padding": None,
        "depth": 2,
        "dilation": 1,
        "groups": 1,
        "bias": None,
        "norm": "batch",
        "activation": "relu",
        "padding_mode": "zeros",
        "shortcut": "projection",
        "attention": "none",
        "stochastic_depth": 0.0,
        "branch_scale": "none",
        "zero_init": False,
    }


def test_a_class_of_the_user_s_is_a_family():
    stage = Stage(block=BlockSpec(OWN, depth=2), blocks=2, out_channels=8, stride=2)
    spec = network(stages=(stage,))
    assert Network.from_toml(spec.to_toml()) == spec
    assert spec.build()(torch.zeros(1, 3, 9, 9)).shape == (1, 5)
    with pytest.raises(SpecError, match="no option dims"):
        network(stages=(stage,), dims=3)


def test_a_class_without_stride_is_no_family():
    with pytest.raises(SpecError, match=r"must take \(in_channels, out_channels, \*, stride, …\); it lacks"):
        BlockSpec("torch.nn:Linear")


def test_standardise_takes_examples_as_they_come():
    net = network().build().eval()
    x = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    mean, std = x.float().mean((0, 2, 3)), x.float().std((0, 2, 3))
    expected = net((x.float() - mean.view(-1, 1, 1)) / std.view(-1, 1, 1))
    net.standardise.fit_(mean, std)
    torch.testing.assert_close(net(x), expected)


def test_blocks_are_built_in_order():
    net = network().build()
    assert [type(block).__name__ for stage in net.stages for block in stage] == ["ResidualBlock"] * 2 + [
        "BottleneckBlock"
    ]
    assert isinstance(net.stages[0][0], ResidualBlock)


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
