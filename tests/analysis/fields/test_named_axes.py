"""Axes of the input that its user names, or that the first layers imply; fields against what NaN reaches."""

import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.advice import advise
from convblocks.analysis import largest_batch, step_memory
from convblocks.analysis.fields.receptive_field import input_layout
from convblocks.analysis.trace import trace
from convblocks.drawing import outline
from convblocks.errors import OptionError
from convblocks.layout import axis_names, parse_axes
from convblocks.signal import effective_field, signal


class Net(nn.Module):
    """What a function does with one layer of each kind."""

    def __init__(self, forward):
        super().__init__()
        self.does = forward
        self.linear, self.norm, self.head = nn.Linear(12, 8), nn.LayerNorm(12), nn.Linear(8, 3)
        self.conv, self.stem = nn.Conv1d(8, 8, 5, padding=4, dilation=2), nn.Conv1d(1, 8, 9, stride=2)
        self.image, self.ids = nn.Conv2d(3, 4, (3, 5)), nn.Embedding(10, 8)
        self.first, self.rnn = nn.LSTM(12, 8, batch_first=True), nn.GRU(12, 8)
        self.causal = nn.Conv1d(12, 8, 3)

    def forward(self, x):
        return self.does(self, x)


def turned(layer, x):
    return layer(x.transpose(1, 2)).transpose(1, 2)


NETS = {  # function, size, axes as named, spatial axes of the input and of the output
    "linear, then convolution": (lambda n, x: turned(n.conv, n.linear(x)), (40, 12), "time,channels", [1], [1]),
    "norm and linear first": (
        lambda n, x: n.head(turned(n.conv, n.linear(n.norm(x)))), (40, 12), "time,features", [1], [1],
    ),
    "linear alone": (lambda n, x: n.head(n.linear(x).relu()), (40, 12), "time,channels", [1], [1]),
    "LSTM": (lambda n, x: n.first(x)[0], (20, 12), "time,channels", [1], [1]),
    "GRU on turned input": (lambda n, x: n.rnn(x.transpose(0, 1))[0], (20, 12), "time,channels", [1], [0]),
    "GRU, time first": (lambda n, x: n.rnn(x)[0], (20, 12), "time,batch,channels", [0], [0]),
    "convolution, time first": (
        lambda n, x: n.causal(x.permute(1, 2, 0)), (40, 12), "time,batch,channels", [0], [2],
    ),
    "convolution, batch last": (lambda n, x: n.causal(x.movedim(2, 0)), (12, 40), "channels,time,batch", [1], [2]),
    "images": (lambda n, x: n.image(x.permute(0, 3, 1, 2)), (9, 11, 3), "height,width,channels", [1, 2], [2, 3]),
    "waveform": (lambda n, x: n.conv(n.stem(x[:, None])), (80,), "length", [1], [2]),
    "spectrogram": (
        lambda n, x: n.image(x[:, None].expand(-1, 3, -1, -1)), (9, 11), "frequency,time", [1, 2], [2, 3],
    ),
}  # fmt: skip


def reached(net, x, axis, out_axis, position):
    """Positions along an input axis whose NaN reaches an output position."""
    found = []
    for i in range(x.shape[axis]):
        y = x.clone()
        y.select(axis, i).fill_(float("nan"))
        with torch.no_grad():
            if net(y).select(out_axis, position).isnan().any():
                found.append(i)
    return found


@pytest.mark.parametrize(
    # a batch that is not first has to be named
    ("case", "named"),
    [(case, named) for case in NETS for named in (True, False) if named or "batch" not in NETS[case][2]],
)
def test_the_field_is_what_nan_reaches(case, named):
    forward, size, axes, inputs, outputs = NETS[case]
    net, layout = Net(forward).eval(), parse_axes(axes)
    shape = list(size)
    shape.insert(layout.batch, 1)
    x = torch.randn(shape)
    found = analyze(net, size, axes=axes if named else None)
    assert found.spatial_size == tuple(shape[axis] for axis in inputs)
    for field, axis, out_axis in zip(found.receptive_field, inputs, outputs, strict=True):
        n = net(x).shape[out_axis]
        at = n // 2
        if field == "all":  # said of a whole sequence; one direction sees what came before
            assert reached(net, x, axis, out_axis, n - 1) == list(range(x.shape[axis]))
        else:
            step, lo, hi = field
            seen = reached(net, x, axis, out_axis, at)
            assert (seen[0], seen[-1]) == (step * at + lo, step * at + hi)


@pytest.mark.parametrize(
    ("forward", "size", "names", "assumed"),
    [
        (NETS["linear, then convolution"][0], (40, 12), ("length", "channels"), ""),
        (NETS["LSTM"][0], (40, 12), ("length", "channels"), ""),
        (NETS["GRU on turned input"][0], (40, 12), ("length", "channels"), ""),
        (NETS["waveform"][0], (80,), ("length",), ""),
        (lambda n, x: turned(n.causal, turned(n.conv, n.linear(x)) @ n.head.weight.new_ones(8, 12)), (40, 12),
         ("length", "channels"), ""),
        (lambda n, x: n.image(x), (3, 9, 11), ("channels", "height", "width"), ""),
        (lambda n, x: n.linear(x.flatten(1)), (3, 4), ("channels", "length"), ""),
        (NETS["linear alone"][0], (40, 12), ("length", "channels"), "linear comes first"),
        (NETS["GRU, time first"][0], (40, 12), ("length", "channels"), "gru takes the first axis as time"),
        (lambda n, x: x.relu(), (12, 40), ("channels", "length"), "no layer reads channels"),
        (lambda n, x: n.linear(x.transpose(1, 2)), (12, 40), ("channels", "length"), "a mix of axes"),
    ],
)  # fmt: skip
def test_what_the_layers_show_is_certain_and_the_rest_assumed(forward, size, names, assumed):
    found = analyze(Net(forward).eval(), size)
    assert found.axes == names
    assert assumed in found.axes_assumed
    assert bool(assumed) == bool(found.axes_assumed)
    assert outline(Net(forward).eval(), size).axes_assumed == found.axes_assumed


def test_named_axes_win_over_what_the_layers_show():
    net = nn.Sequential(nn.Linear(12, 8), nn.Linear(8, 4))
    assert analyze(net, (40, 12)).receptive_field == ((1, 0, 0),)
    named = analyze(net, (40, 12), axes="channels,time")
    assert (named.receptive_field, named.axes_assumed) == (("all",), "")


def test_token_ids_run_along_time():
    net = Net(lambda n, x: n.conv(n.ids(x).transpose(1, 2)))
    assert analyze(net, (40,), dtypes=[torch.int64]).receptive_field == ((1, -4, 4),)


@pytest.mark.parametrize(
    "axes", ["time,chanels", "time", "time,time", "", "time,channels,batch,depth", "batch"]
)
def test_axes_that_do_not_fit_are_refused(axes):
    for function in (analyze, advise, outline, trace, step_memory):
        with pytest.raises(OptionError, match=r"^axes="):
            function(nn.Linear(12, 8), (40, 12), axes=axes)
    with pytest.raises(OptionError, match=r"^axes="):
        effective_field(nn.Linear(12, 8), torch.randn(2, 40, 12), axes=axes)


def test_names_of_a_layout_describe_it_again():
    for axes in (
        "channels,height,width",
        "height,width,channels",
        "length",
        "channels",
        "depth,height,width",
    ):
        layout = parse_axes(axes)
        assert ",".join(axis_names(axes.count(",") + 2, layout)) == axes


def test_advice_reads_the_axes():
    """12 features are no image that a kernel of 25 sees at once; 40 steps are."""

    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.Sequential(*(nn.Conv1d(12, 12, 15, padding=7) for _ in range(5)))

        def forward(self, x):
            return turned(self.convs, x)

    tail = [finding for finding in advise(Deep(), (40, 12), axes="time,channels") if finding.id == "CB204"]
    assert ["whole image of 40" in finding.message for finding in tail] == [True]
    assert not [
        finding for finding in advise(Deep(), (400, 12), axes="time,channels") if finding.id == "CB204"
    ]
    with pytest.raises(OptionError, match="batch first"):
        advise(nn.LSTM(12, 8), (40, 12), axes="time,batch,channels", signal=True)


def test_advice_on_a_waveform_says_what_the_shortcut_leaves_out():
    """Past the shortcut a layer sees less than the 40 samples that the longest path shows it."""

    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.wide = nn.Conv1d(1, 4, 3, padding=1), nn.Conv1d(4, 4, 81, padding=40)
            self.last = nn.Conv1d(4, 4, 3, padding=1)

        def forward(self, x):
            x = self.stem(x[:, None])
            return self.last(self.wide(x) + x)

    tail = [finding for finding in advise(Skip(), (40,)) if finding.id == "CB204"]
    assert [finding.severity for finding in tail] == ["note"]


def test_larger_inputs_are_larger_along_space():
    """CB2 tries other sizes: more features would not fit the first layer, so that nothing would be tried."""

    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(12, 12, 2, stride=2, padding=0)
            self.up = nn.Upsample(scale_factor=2)

        def forward(self, x):
            x = x.transpose(1, 2)
            return self.up(self.conv(x)) + x

    ids = [finding.id for finding in advise(Skips(), (40, 12))]
    twin = nn.Sequential(Turn(), Skips())
    assert [finding.id for finding in advise(twin, (12, 40))] == ids
    assert "CB203" in ids or "CB202" in ids


class Turn(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


def test_memory_counts_the_batch_where_it_is():
    """Time first costs what batch first does, plus nothing: the same tensors in another order."""
    first, second = nn.Linear(12, 8), nn.Linear(12, 8)
    a = step_memory(first, (40, 12), batch=6)
    b = step_memory(second, (40, 12), batch=6, axes="time,batch,channels")
    assert (a.input_bytes, a.peak_bytes, a.input_sizes) == (b.input_bytes, b.peak_bytes, b.input_sizes)
    assert largest_batch(first, (40, 12), memory_bytes=10**6) == largest_batch(
        second, (40, 12), memory_bytes=10**6, axes="time,batch,channels"
    )


def test_the_effective_field_runs_along_time():
    """The same as of the channels-first twin, whatever the axes are called."""
    torch.manual_seed(0)
    conv = nn.Sequential(nn.Conv1d(12, 12, 5, padding=2), nn.ReLU(), nn.Conv1d(12, 12, 5, padding=2))
    last = nn.Sequential(Turn(), conv, Turn())
    x = torch.randn(4, 12, 40)
    usual = effective_field(conv, x)
    for axes in (None, "time,channels"):
        found = effective_field(last, x.transpose(1, 2), axes=axes, layer="1.2")
        assert (found.input_size, found.output_size) == ((40,), (40,))
        assert found.axes[0].size == pytest.approx(usual.axes[0].size)
        assert found.axes[0].theoretical == 9
    whole = effective_field(last, x.transpose(1, 2), layer="2")  # (N, time, channels)
    assert whole.output_size == (40,)
    assert whole.axes[0].theoretical == 9
    with pytest.raises(OptionError, match="batch first"):
        effective_field(last, x, axes="time,batch,channels")


@pytest.mark.parametrize("case", ["linear, then convolution", "linear alone", "images", "waveform"])
def test_signal_measures_any_layout(case):
    forward, size, *_ = NETS[case]
    found = signal(Net(forward), torch.randn(4, *size))
    assert all(layer.gradient_norm for layer in found.layers)
    assert input_layout(trace(Net(forward), size)).layout.batch == 0
