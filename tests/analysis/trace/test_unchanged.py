"""Whatever a forward does to its module while it is analysed, the module is afterwards what it was."""

import contextlib
import types
from collections import Counter, deque
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.ao.quantization import FakeQuantize, FusedMovingAvgObsFakeQuantize, MinMaxObserver

from convblocks import advise, analyze
from convblocks.analysis import largest_batch, step_memory
from convblocks.deploy.code import module_code
from convblocks.drawing import outline
from convblocks.errors import TraceError
from convblocks.measure import latencies
from convblocks.report.outline_svg import outline_text
from convblocks.signal import probe, signal

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own, of deprecated quantization and weight norms


@dataclass(slots=True)
class Inner:
    tensor: torch.Tensor | None
    statistics: torch.Tensor


class Slots:
    """A helper object of the user's, without a __dict__."""

    __slots__ = ("__hidden", "count", "gone", "history", "inner", "late")

    def __init__(self):
        self.count, self.gone, self.history, self.inner = 0, 1, [], Inner(torch.ones(2), torch.ones(3))
        self.hide(1)

    def hide(self, value):
        self.__hidden = value

    def shown(self):
        """All of it, by name."""
        own = {name: getattr(self, name, "nothing") for name in self.__slots__ if name != "__hidden"}
        inner = self.inner.tensor is None, self.inner.statistics.tolist()
        return repr(own), inner, self.__hidden


class Net(nn.Module):
    """A convolution, and everything that a forward could write on."""

    def __init__(self, act):
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), act
        self.tied = nn.Conv2d(3, 4, 3, padding=1)
        self.tied.weight = self.conv.weight
        self.register_buffer("kept", torch.ones(4))
        self.register_buffer("unsaved", torch.ones(4), persistent=False)
        self.conv.bias.grad = torch.ones(4)
        self.table, self.array, self.unregistered = torch.zeros(3), np.zeros(3), [nn.BatchNorm2d(4)]
        self.nested, self.queue, self.names = {"a": [{}]}, deque(maxlen=3), {1}
        self.counts, self.generator = Counter(), torch.Generator()
        self.meter = types.SimpleNamespace(total=0, history=[], tensor=torch.zeros(2))
        self.fake, self.fused, self.observer = (
            FakeQuantize(),
            FusedMovingAvgObsFakeQuantize(),
            MinMaxObserver(),
        )
        self.slots = Slots()
        self.old = nn.utils.spectral_norm(nn.Conv2d(4, 4, 1))
        self.new = nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 1))

    def forward(self, x):
        self.act(self, x)
        return self.norm(self.conv(x))


def _through_data(net, x):
    net.conv.weight.data *= 2
    net.conv.weight.data = net.conv.weight.data.clamp(-0.1, 0.1)
    net.kept.data.add_(1)


def _without_grad(net, x):
    with torch.no_grad():
        net.tied.weight.copy_(net.conv.weight * 2)
        net.conv.weight[0] = 1
        nn.init.zeros_(net.conv.bias)
        nn.utils.vector_to_parameters(torch.zeros(112), net.conv.parameters())


def _on_buffers(net, x):
    net.kept += 1
    net.unsaved[1:].fill_(3)
    net.kept.copy_(x.mean().expand(4))
    torch.add(net.kept, 1, out=net.kept)
    torch._foreach_add_([net.kept], 1)
    F.batch_norm(net.conv.weight, net.table, net.table, training=True)


def _through_memory(net, x):
    net.conv.weight.detach().numpy()[...] = 0
    net.kept.untyped_storage().fill_(0)
    net.array += 1
    torch.from_numpy(net.array).add_(1)


def _observers(net, x):
    net.fake(x)
    net.fused(x)
    net.fused(net.conv.weight)
    net.observer(x)


def _hooks(net, x):
    net.conv.register_forward_hook(print)
    net.conv.register_forward_pre_hook(print)
    net.register_full_backward_hook(print)
    net.register_state_dict_pre_hook(print)
    net.conv.weight.register_hook(print)
    x.register_hook(print)
    net.conv._forward_hooks.clear()
    net.conv._forward_pre_hooks.clear()


def _gradients(net, x):
    net.conv.weight.requires_grad_(False)
    net.norm.bias.requires_grad = False
    net.conv.weight.grad = torch.ones_like(net.conv.weight)
    net.conv.bias.grad = None


def _flags(net, x):
    net.train()
    net.conv.eval()
    net.norm(net.conv(x))


def _containers(net, x):
    net.nested["a"][0]["z"] = 1
    net.nested["a"].append(2)
    net.queue.append(1)
    net.names.add(2)
    net.counts["calls"] += 1
    net.meter.total += 1
    net.meter.history.append(x)
    net.meter.tensor.add_(1)
    net.table.zero_()
    torch.rand(2, generator=net.generator)


def _parts(net, x):
    net.head = nn.Linear(4, 5)
    net.late = nn.LazyLinear(3)
    net.late(x)
    net.register_buffer("added", torch.ones(3))
    net.register_parameter("weight", nn.Parameter(torch.ones(3)))
    net.conv.weight = nn.Parameter(net.conv.weight * 2)
    net.norm.weight.tag = 1
    del net.kept


def _unregistered(net, x):
    net.unregistered[0].calls = 1
    net.unregistered[0](net.conv(x))


def _norms_of_weights(net, x):
    net.new(net.old(net.conv(x)))


def _rows_scaled_to_a_norm(net, x):
    rows, table = torch.tensor([0, 1]), net.conv.weight.flatten(1)
    F.embedding(rows, table, max_norm=0.1)
    F.embedding(rows, table, None, 0.01)
    F.embedding_bag(rows[None], net.old.weight.flatten(1), max_norm=0.1)
    table = net.new.parametrizations.weight.original.flatten(1)
    F.embedding_bag(rows[None], table, None, 0.1)


def _in_ways_of_torch_s_own(net, x):
    with torch.no_grad():
        F.rrelu_(net.conv.weight)
        F.relu(net.old.bias, True)
        torch.sum(net.conv.weight, (1, 2, 3), out=net.kept)
        torch.max(net.conv.weight.flatten(1), 1, out=(net.unsaved, torch.zeros(4, dtype=torch.int64)))
        torch._foreach_mul_([net.conv.weight, net.norm.weight], 2.0)
        torch.ops.aten.mul_.Tensor(net.norm.running_var, torch.tensor(3.0))
        torch.native_batch_norm(
            torch.ones(2, 4), None, None, net.norm.running_mean, net.norm.running_var, True, 0.1, 1e-5
        )
        F.instance_norm(torch.ones(1, 4, 3), net.kept, net.unsaved)
        torch.from_dlpack(net.norm.weight.detach()).zero_()


def _learns(net, x):
    for kind in (torch.optim.SGD, torch.optim.Adam):
        optimizer = kind(net.parameters(), lr=0.1)
        with torch.no_grad():
            for p in net.parameters():
                p.grad = torch.ones_like(p)
        nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        optimizer.step()
        optimizer.zero_grad()


def _other_memory(net, x):
    """These pass through no function of torch's that could be watched."""
    net.conv.weight.set_(torch.zeros(4, 3, 3, 3))
    net.kept.set_(torch.zeros(8).untyped_storage(), 4, (2, 2), (2, 1))
    net.table.set_(torch.zeros(7))
    net.meter.tensor.set_(torch.zeros(5))
    torch.utils.swap_tensors(net.unsaved, nn.Parameter(torch.ones(4)))
    net.unsaved.tag = 1
    torch.utils.swap_tensors(net.norm.bias, nn.Parameter(torch.zeros(4), requires_grad=False))
    torch.utils.swap_tensors(net.conv.bias, nn.Parameter(torch.zeros(4)))
    net.old.bias.data = torch.zeros(1)
    net.old.bias.data.set_(torch.zeros(4))


def _converted_by_swaps(net, x):
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        net.conv.double()
        net.conv.float()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def _slots(net, x):
    net.slots.count += 1
    net.slots.history.append(x)
    net.slots.hide(2)
    del net.slots.gone
    net.slots.late = torch.ones(2)
    net.slots.inner.tensor = None
    net.slots.inner.statistics.zero_()


def _raises(net, x):
    _through_data(net, x)
    _containers(net, x)
    net.head = nn.Linear(4, 5)
    raise ValueError("too small")


ACTS = [_through_data, _without_grad, _on_buffers, _through_memory, _observers, _hooks, _gradients, _flags]
ACTS += [
    _containers,
    _parts,
    _unregistered,
    _norms_of_weights,
    _rows_scaled_to_a_norm,
    _in_ways_of_torch_s_own,
    _learns,
]


ACTS += [_other_memory, _converted_by_swaps, _slots, _raises]


def _state(net):
    """All of it, by identity and by value, read without any of convblocks' code."""
    state = {}
    for place, m in [*net.named_modules(), ("unregistered", net.unregistered[0])]:
        for name, value in vars(m).items():
            shown = value.tolist() if isinstance(value, torch.Tensor | np.ndarray) else repr(value)
            state[place, name] = id(value), shown
        for name, t in [*m._parameters.items(), *m._buffers.items()]:
            if t is not None:
                gradient = None if t.grad is None else (id(t.grad), t.grad.tolist())
                facts = (
                    t.data_ptr(),
                    t.tolist(),
                    t.requires_grad,
                    gradient,
                    repr(vars(t)),
                    repr(t._backward_hooks),
                )
                state[place, name, "tensor"] = id(t), facts
    state["generator"] = net.generator.get_state().tolist()
    state["slots"] = net.slots.shown()
    state["memory"] = [(t.data_ptr(), t.shape, t.stride()) for t in (net.table, net.meter.tensor)]
    state["meter"] = net.meter.tensor.tolist()
    return state


def _classifier(net):
    return nn.Sequential(net, nn.AdaptiveAvgPool2d(1), nn.Flatten())


LOOKS = {
    "analyze": lambda net: analyze(net, (3, 8, 8)),
    "advise": lambda net: advise(net, (3, 8, 8)),
    "step_memory": lambda net: step_memory(net, (3, 8, 8), batch=2),
    "signal": lambda net: signal(net, torch.ones(2, 3, 8, 8), shattering=False),
    "probe": lambda net: probe(_classifier(net), *[(torch.rand(4, 3, 8, 8), torch.arange(4) % 2)] * 2),
    "largest_batch": lambda net: largest_batch(net, (3, 8, 8), memory_bytes=1e5),
    "draw": lambda net: outline_text(outline(net, (3, 8, 8))),
    "latencies": lambda net: latencies({"net": net}, torch.ones(1, 3, 8, 8), repeats=1),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__[1:])
def test_the_module_is_what_it_was(act, look):
    net = Net(act).train()
    net.tied.eval()
    before, keys = _state(net), list(net.state_dict())
    # latencies runs a forward as it is, with its own errors
    own = (ValueError, RuntimeError, AttributeError) if look == "latencies" else ()
    with contextlib.suppress(TraceError, *own):
        LOOKS[look](net)
    assert _state(net) == before
    assert list(net.state_dict()) == keys


class Notes(nn.Module):
    """A layer of a kind that can be printed as code, and writes on itself."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        self.conv.weight.data.mul_(2)
        return self.conv(x)


@pytest.mark.parametrize("computed", [False, True])
def test_what_is_printed_as_code_stays_too(computed):
    net = Notes().train()
    if computed:  # a weight with a history, which deepcopy refuses
        net.conv.weight.data = torch.ones(4, 3, 1, 1)
        net.extra = nn.Parameter(torch.ones(3)) * 2
    before = {name: t.clone() for name, t in net.state_dict().items()}
    module_code(net, (3, 2, 2))
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    assert net.training


@pytest.mark.parametrize("act", ACTS[:-1], ids=lambda act: act.__name__[1:])
def test_and_is_analysed_to_the_end(act):
    assert analyze(Net(act), (3, 8, 8)).layers[-1].type == "BatchNorm2d"


def test_a_head_made_by_the_first_forward_counts():
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), None

        def forward(self, x):
            x = self.conv(x).flatten(1)
            if self.head is None:
                self.head = nn.Linear(x.shape[1], 10)
            return self.head(x)

    net = Late()
    before, memory = analyze(net, (3, 8, 8)), step_memory(net, (3, 8, 8))
    net(torch.zeros(1, 3, 8, 8))
    after = analyze(net, (3, 8, 8))
    assert (before.params, before.trainable_params, before.param_bytes, before.macs, before.unknown_ops) == (
        after.params,
        after.trainable_params,
        after.param_bytes,
        after.macs,
        after.unknown_ops,
    )
    assert sum(layer.params for layer in before.layers) == after.params
    assert memory.param_bytes == after.param_bytes


def test_a_list_that_a_user_s_hook_fills_holds_no_tensor_of_a_trace():
    features, net = [], nn.Sequential(nn.Conv2d(3, 4, 3))
    net[0].register_forward_hook(lambda module, given, output: features.append(output))
    analyze(net, (3, 8, 8))
    assert features == []
    net(torch.zeros(1, 3, 8, 8))
    signal(net, torch.ones(2, 3, 8, 8))
    assert len(features) == 1
