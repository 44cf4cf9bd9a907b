"""CB501 and CB502: what one example does not show of a batch, each beside what torch does with real batches."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import advise, analyze, largest_batch, load_target, step_memory
from convblocks.errors import TraceError
from convblocks.report.totals import unknown


class Does(nn.Module):
    """A convolution, a function of its map, and a layer behind it."""

    def __init__(self, function, *after):
        super().__init__()
        self.conv, self.function, self.after = nn.Conv2d(3, 8, 1), function, nn.Sequential(*after)

    def forward(self, x):
        return self.after(self.function(self.conv(x)))


SIZE = (3, 4, 4)  # of which the convolution makes 8 · 4 · 4 = 128 values


def found(module, rule="CB501", size=SIZE):
    return [(f.severity, f.message, f.fix) for f in advise(module, size, select=rule)]


def squeezed(x):
    return F.adaptive_avg_pool2d(x, 1).squeeze()


# A module, how severe it is, and words of its finding.
BATCHES = {
    "squeeze before a norm": (Does(squeezed, nn.BatchNorm1d(8)), "error", "fails with one example, and runs with 3"),
    "squeeze at the end": (Does(squeezed), "warning", "squeeze() takes the batch axis of one example away too"),
    "two rows an example": (Does(lambda x: x.view(-1, 64), nn.Linear(64, 5)), "warning", "and 128 features in"),
    "four rows an example": (Does(lambda x: x.reshape(-1, 32), nn.Linear(32, 5)), "warning", "4 rows an example"),
    "rows of positions": (Does(lambda x: x.permute(0, 2, 3, 1).reshape(-1, 8)), "warning", "16 rows an example"),
    "a batch of one that is fixed": (Does(lambda x: x.view(1, -1), nn.Linear(128, 5)), "error", "view gives 1 row"),
    "all examples in one row": (Does(lambda x: x.reshape(1, -1)), "warning", "all examples are laid in the same rows"),
    "a batch of four that is fixed": (Does(lambda x: x.view(4, -1)), "warning", "laid in the same rows"),
    "each example with each": (Does(lambda x: x.mean((1, 2, 3))[:, None] + x.mean((1, 2, 3))), "warning", "add meets"),
    "a constant of one example": (
        Does(lambda x: torch.cat([x, torch.zeros(1, 8, 4, 4)], 1)), "error", "fails with 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_axis_that_is_lost_folded_or_fixed(name):
    module, severity, words = BATCHES[name]
    ((level, message, fix),) = found(module)
    assert level == severity
    assert words in f"{message}; {fix}"
    shapes = []
    for batch in (1, 3):
        try:
            shapes.append(tuple(module.eval()(torch.rand(batch, *SIZE)).shape))
        except (RuntimeError, ValueError):
            shapes.append(None)
    one, several = shapes  # the form of an example's result is not that of one in a batch
    assert (
        None in shapes or len(one) != len(several) or (one[0], *several[:1], one[1:]) != (1, 3, several[1:])
    )


class Windows(nn.Module):
    """Attention in windows, which are folded into the batch and out again, by a table that no batch has."""

    def __init__(self):
        super().__init__()
        self.qkv, self.table, self.head = nn.Linear(8, 24), nn.Linear(2, 1), nn.Linear(8, 5)

    def forward(self, x):
        windows = x.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 4, 5, 1).reshape(-1, 4, 8)
        q, k, v = self.qkv(windows).chunk(3, -1)
        grid = torch.stack(torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij"), -1)
        y = (q @ k.mT + self.table(grid)[..., 0]).softmax(-1) @ v
        return self.head(y.reshape(x.shape[0], -1, 8).mean(1))


class OfEach(nn.Module):
    """A convolution whose weights an example chooses: the batch is folded into groups (CondConv)."""

    def __init__(self):
        super().__init__()
        self.route = nn.Linear(8, 8 * 8)

    def forward(self, x):
        weight = self.route(x.mean((2, 3))).view(-1, 8, 1, 1)
        return F.conv2d(x.view(1, -1, *x.shape[2:]), weight, groups=x.shape[0]).view(x.shape)


FINE = {
    "flattened": Does(lambda x: x.flatten(1), nn.Linear(128, 5)),
    "the right view": Does(lambda x: x.view(-1, 128), nn.Linear(128, 5)),
    "windows": Does(lambda x: x, Windows()),
    "weights of each example": Does(lambda x: x, OfEach()),
    "positions first": Does(lambda x: x.flatten(2).permute(2, 0, 1)),
    "a loss": Does(lambda x: x.square().mean()),
    "likeness of all examples": Does(lambda x: x.flatten(1) @ x.flatten(1).T),
    "sum of likenesses": Does(lambda x: torch.cdist(x.flatten(1), x.flatten(1)) + x.flatten(1) @ x.flatten(1).T),
    "one class": Does(lambda x: x.mean((1, 2, 3))),
}  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_what_is_meant(name):
    assert not found(FINE[name])


@pytest.mark.parametrize("name", ["swin_t", "maxvit_t", "googlenet", "densenet121"])
def test_well_known_networks_have_none_of_it(name):
    module = load_target(f"torchvision:{name}", on_meta=True).module
    assert not advise(module, (3, 224, 224), select="CB5")


def pooled(norm):
    return Does(lambda x: F.adaptive_avg_pool2d(x, 1), nn.Conv2d(8, 6, 1), norm)


def test_a_batch_norm_over_one_value():
    net = pooled(nn.BatchNorm2d(6))
    ((severity, message, fix),) = found(net, "CB502")
    assert severity == "note"
    assert "one value a channel" in message
    assert "after.1" in fix
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        net.train()(torch.rand(1, *SIZE))
    with pytest.raises(
        TraceError, match=r"a training step of one example fails in the batch norm after\.1.*2 or more$"
    ):
        step_memory(net, SIZE, batch=1)
    needed = step_memory(net, SIZE, batch=2).peak_bytes
    assert largest_batch(net, SIZE, memory_bytes=needed) == 2
    assert largest_batch(net, SIZE, memory_bytes=needed - 1) == 0


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 6), nn.Identity()])
def test_a_norm_of_each_example_needs_no_second_one(norm):
    assert not found(pooled(norm), "CB502")
    assert step_memory(pooled(norm), SIZE, batch=1).peak_bytes > 0


@pytest.mark.parametrize("size", [SIZE, (3, 1, 2)])
def test_a_map_that_is_larger_has_a_variance(size):
    net = Does(lambda x: x, nn.BatchNorm2d(8))
    assert not found(net, "CB502", size)
    net.train()(torch.rand(1, *size))


def test_a_forward_of_its_own_for_one_example_has_no_op_to_blame():
    """Other ops run, so that none of them is the same one with another number of axes."""
    net = Does(lambda x: x.exp() if len(x) == 1 else x.mean((2, 3)))
    ((_, message, fix),) = found(net)
    assert "3 give 3×8" in message
    assert fix == "keep the batch axis of one example"


def test_the_refusal_of_one_example_names_what_drops_its_axis():
    net = Does(squeezed, nn.BatchNorm1d(8), nn.Linear(8, 2))
    with pytest.raises(
        TraceError, match=r"cannot take one example at after\.0, and takes a batch of several: .*squeeze\(\)"
    ):
        analyze(net, SIZE)
    assert step_memory(net, SIZE, batch=4).peak_bytes > 0
    assert largest_batch(net, SIZE, memory_bytes=step_memory(net, SIZE, batch=5).peak_bytes) == 5


@pytest.mark.parametrize(("name", "first"), [("two rows an example", False), ("squeeze at the end", False)])
def test_an_analysis_says_that_its_output_has_no_row_for_its_example(name, first):
    assert analyze(BATCHES[name][0], SIZE).batch_first is first
    assert "convblocks advise" in unknown(analyze(BATCHES[name][0], SIZE))


@pytest.mark.parametrize("name", FINE)
def test_an_analysis_of_what_is_meant_says_nothing(name):
    found = analyze(FINE[name], SIZE)
    assert found.batch_first
    assert "advise" not in unknown(found)
