"""What scores the pixels in a compare: a U-Net or DeepLab's head, in plan, records and a tiny study."""

import numpy as np
import pytest
from msgspec.structs import replace
from torch import nn

from convblocks import Network, Recipe, compare, load
from convblocks.blocks import SimpleConvBlock
from convblocks.data.dataset import assemble
from convblocks.errors import OptionError, RunError
from convblocks.experiments.implementations import Frame
from convblocks.experiments.plan import plan
from convblocks.networks import DilatedHead
from convblocks.records import Machine, Question
from tests.grid_of import grid_of


class NoDilation(SimpleConvBlock):
    """A family of one's own, of few options."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, depth: int = 1):
        nn.Module.__init__(self)
        self.layers = SimpleConvBlock(in_channels, out_channels, stride=stride, depth=depth)
        self.pool = nn.Identity()


OWN = f"{__name__}:NoDilation"


def squares(*, maps=True):
    """Bright squares in noise: which pixels they cover, or whether they are large."""
    rng, parts = np.random.default_rng(0), {}
    for part, n in (("train", 48), ("validation", 16), ("test", 16)):
        x, y = rng.normal(0, 0.3, (n, 1, 16, 16)).astype(np.float32), np.zeros((n, 16, 16), np.uint8)
        for i, (row, column) in enumerate(rng.integers(0, 10, (n, 2))):
            y[i, row : row + 4 + 2 * (i % 2), column : column + 4] = 1
        parts[part] = (x + 3 * y[:, None], y if maps else np.arange(n) % 2)
    return assemble(parts, ["no", "yes"], name="squares", source="here", split="given", preparation="none")


def planned(head, families="simple", *, maps=True, depths=6):
    question = Question(
        depths=depths, families=families, block_depths=(1, 2), stages=3, match="none", seeds=1, head=head
    )
    return plan(squares(maps=maps), question, Machine(workers=1), command="")


def test_a_tiny_study_with_a_dilated_head(tmp_path):
    options = {"families": ("simple", OWN), "depths": 3, "block_depths": 1, "stages": 3, "match": "none"}
    options |= {"seeds": 1, "recipe": Recipe(epochs=3, batch_size=8), "out": tmp_path / "run", "workers": 1}
    folder = compare(squares(), head="dilated", **options)
    assert folder.study().head == "dilated"
    assert 'head="dilated"' in folder.study().command
    assert folder.study().notes == (
        f"{OWN}: has no option dilation, which a dilated head's last stages take",
    )
    (design,), (run,) = folder.designs(), folder.runs()
    network = Network.from_dict(design.network)
    assert [stage.stride for stage in network.stages] == [1, 2, 1]
    assert network.stages[2].block.option("dilation") == 2
    assert isinstance(network.head, DilatedHead)
    assert run.validation_score > 0.7
    assert load(tmp_path / "run", design.name).head.atrous
    assert "the last stages dilate" in (tmp_path / "run" / "report.md").read_text()
    with pytest.raises(RunError, match="holds another study: head dilated, not unet"):
        compare(squares(), **options)


def test_the_u_net_is_the_one_unless_another_is_asked_for():
    unet, default = planned("unet").study, planned(None).study
    assert unet.head == default.head == "unet"
    assert unet.digest == default.digest != planned("dilated").study.digest
    assert planned(None, maps=False).study.head == ""
    assert replace(default, head="").digest == default.digest  # a record of before a head was told


def test_what_no_head_can_do_is_refused():
    with pytest.raises(
        OptionError, match="head='unet': scores every pixel, and the data are to classify; leave"
    ):
        planned("unet", maps=False)
    with pytest.raises(OptionError, match="head='deeplab': expected unet or dilated"):
        planned("deeplab")
    with pytest.raises(
        OptionError, match=r"no implementation is possible: .*NoDilation: has no option dilation"
    ):
        planned("dilated", (OWN,))


@pytest.mark.parametrize(
    ("size", "stages", "strides", "rates"),
    [
        ((512, 512), 4, [1, 2, 1, 1], (3, 6, 9)),  # stem 8, so at a sixteenth, a map of 32
        ((64, 16), 3, [1, 2, 1], (3, 6, 9)),
        ((20, 20), 3, [1, 2, 1], (1, 2, 3)),
        ((8, 8), 2, [1, 2], (1,)),
    ],
)
def test_a_dilated_design_halves_its_map_once_behind_the_stem(size, stages, strides, rates):
    frame = Frame(3, size, 2, stages, DilatedHead())
    (implementation, *_), _ = grid_of((4 * stages,), stages, ("residual",), (2,), (1,))
    network = frame.network(implementation, tuple(8 * 2**i for i in range(stages)))
    assert [stage.stride for stage in network.stages] == strides
    assert network.head == DilatedHead(width=8, rates=rates)
