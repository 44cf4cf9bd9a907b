"""A dilated backbone keeps its maps large and sees as far as before."""

import pytest
import torch
from msgspec.structs import replace

from convblocks import BLOCKS, BlockSpec, Network, Stage, Stem
from convblocks.analysis import receptive_field, trace
from convblocks.errors import OptionError, SpecError
from convblocks.networks import DilatedHead, UNetHead, dilated, zoo


def net(head, family="residual", dims=2, strides=(1, 2, 2), stem_stride=1, **options):
    return Network(
        in_channels=3,
        classes=5,
        stem=Stem(out_channels=4, stride=stem_stride),
        stages=tuple(
            Stage(block=BlockSpec(family, **options), blocks=2, out_channels=4 * 2**i, stride=stride)
            for i, stride in enumerate(strides)
        ),
        head=head,
        dims=dims,
    )


RESNET_50 = zoo.resnet50()


def test_dilated_moves_strides_into_dilation():
    network = dilated(net(DilatedHead(), strides=(1, 2, 2, 2)), most=2)
    assert [stage.stride for stage in network.stages] == [1, 2, 1, 1]
    assert [stage.block.option("dilation") for stage in network.stages] == [1, 1, 2, 4]
    assert network.reductions == (1, 2, 2, 2)
    keep = net(DilatedHead(), strides=(1, 2, 2))
    assert dilated(keep, most=4) == keep


@pytest.mark.parametrize("family", BLOCKS)
def test_every_family_can_dilate(family):
    network = dilated(net(DilatedHead(width=4, rates=(1,)), family=family, strides=(1, 2, 2)), most=2)
    assert network.reductions == (1, 2, 2)
    assert network.build()(torch.zeros(2, 3, 13, 18)).shape == (2, 5, 13, 18)


def test_a_pool_within_most_stays_and_one_beyond_is_refused():
    vgg = zoo.vgg(16, norm="batch")
    assert dilated(vgg, 32) == vgg
    with pytest.raises(
        SpecError, match=r"stages\[3\].block.pool: got 'max', which shrinks the map to 1/16, and most=8; give"
    ):
        dilated(vgg, 8)


@pytest.mark.parametrize("most", [0, 3, True, 2.5])
def test_a_map_smaller_than_the_stem_s_is_not_promised(most):
    with pytest.raises(
        OptionError, match=rf"most={most}: expected a whole number of at least 4: the stem shrinks"
    ):
        dilated(RESNET_50, most)
    assert dilated(RESNET_50, 4).reductions == (4, 4, 4, 4)
    with pytest.raises(OptionError, match=r"most=0: expected a whole number of at least 1$"):
        dilated(net(DilatedHead()), 0)


def seen_by_nan(module, length, at):
    """First and last input position that output `at` depends on: NaN in, NaN out."""
    x = torch.zeros(length, 1, length)
    x[torch.arange(length), 0, torch.arange(length)] = torch.nan
    with torch.no_grad():
        hit = module(x).isnan().any(1)[:, at].nonzero().flatten()
    return int(hit[0]), int(hit[-1])


@pytest.mark.parametrize("most", [1, 2, 4])
def test_the_dilated_backbone_sees_what_nan_reaches(most):
    network = dilated(
        Network(
            in_channels=1,
            classes=2,
            stem=Stem(out_channels=2),
            stages=tuple(
                Stage(block=BlockSpec("simple", depth=2), blocks=1, out_channels=2, stride=s)
                for s in (1, 2, 2)
            ),
            head=DilatedHead(width=2, rates=(1,)),
            dims=1,
        ),
        most,
    )
    length = 160
    body = network.build().body().eval()
    ((step, low, high),) = receptive_field(trace(body, (1, length)))
    assert step == min(most, 4)
    at = 80 // int(step)
    assert seen_by_nan(body, length, at) == (step * at + low, step * at + high)


def test_what_cannot_dilate_is_refused():
    pooled = net(DilatedHead(), family="simple", strides=(1, 2, 2), pool="max", depth=1)
    with pytest.raises(
        SpecError, match=r"stages\[0\].block.pool: got 'max', which shrinks .* 1/4, and most=1; give"
    ):
        dilated(pooled, 1)
    first = replace(pooled.stages[0], block=BlockSpec("simple"))
    with pytest.raises(
        SpecError, match=r"stages\[1\].block.pool: got 'max', which cannot stand in a dilated"
    ):
        dilated(replace(pooled, stages=(first, *pooled.stages[1:])), 1)
    with pytest.raises(SpecError, match=r"^head.rates: got 101; expected a whole number of at most 100$"):
        net(DilatedHead(rates=(1,) * 101))
    with pytest.raises(SpecError, match=r"^head.width: got 0"):
        net(DilatedHead(width=0))
    with pytest.raises(SpecError, match=r"^head.block.groups: got 3; must divide"):
        net(UNetHead(block=BlockSpec("residual", groups=3)))
