"""Blocks as a command's argument describes them."""

import pytest

from convblocks import BlockSpec
from convblocks.cli.block import described_block, refuse_of_block
from convblocks.errors import OptionError, SpecError, TargetError


@pytest.mark.parametrize(
    ("target", "options", "spec"),
    [
        ("residual", {}, BlockSpec("residual")),
        ("residual", {"depth": "4", "zero-init": "true"}, BlockSpec("residual", depth=4, zero_init=True)),
        ("residual(depth=4)", {"norm": "group"}, BlockSpec("residual", depth=4, norm="group")),
        ("convblocks.blocks:ResidualBlock", {}, BlockSpec("convblocks.blocks:ResidualBlock")),
        ("convblocks:zoo", {}, None),
        ("zoo:resnet50", {}, None),
        ("timm:resnet50", {}, None),
        ("model.py:make", {}, None),
        ("net.toml", {}, None),
    ],
)
def test_families_are_blocks_and_other_targets_are_not(target, options, spec):
    assert described_block(target, options, trust_code=False) == spec


def test_an_option_stands_once():
    with pytest.raises(OptionError, match="give it once"):
        described_block("residual(depth=4)", {"depth": "3"}, trust_code=False)


def test_an_option_that_cannot_work_is_refused():
    with pytest.raises(SpecError, match="depth"):
        described_block("residual", {"deep": "3"}, trust_code=False)


def test_a_file_of_a_block_takes_options_too_and_its_own_classes_need_trust(tmp_path):
    (tmp_path / "block.toml").write_text('family = "bottleneck"\ngroups = 2\n')
    file = str(tmp_path / "block.toml")
    assert described_block(file, {"depth": "4"}, trust_code=False) == BlockSpec(
        "bottleneck", groups=2, depth=4
    )
    (tmp_path / "own.json").write_text('{"family": "convblocks.blocks:ResidualBlock"}')
    own = str(tmp_path / "own.json")
    with pytest.raises(TargetError, match="imports convblocks"):
        described_block(own, {}, trust_code=False)
    assert described_block(own, {}, trust_code=True).family == "convblocks.blocks:ResidualBlock"


def test_options_of_a_block_need_a_block():
    refuse_of_block("zoo:resnet50", {"stride": None})
    with pytest.raises(OptionError, match="zoo:resnet50 is none"):
        refuse_of_block("zoo:resnet50", {"stride": 2})
