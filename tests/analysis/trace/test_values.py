"""Code of a forward that names devices or asks for values: they work where no value is needed."""

import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.analysis import trace
from convblocks.errors import TraceError
from convblocks.signal import signal


class Net(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 8, 3, padding=1), act
        self.device, self.log = torch.device("cpu"), []

    def forward(self, x):
        return self.conv(self.act(self, x))


def _states(net, x):
    assert x.device == net.conv.weight.device
    assert x.is_cpu
    assert not x.is_cuda
    assert not x.is_meta
    assert x.get_device() == -1
    assert x.type() == "torch.FloatTensor"
    return x + torch.zeros(x.shape[-1], device=x.device) + torch.arange(16, device=x.device).max().item()


def _prints(net, x):
    shown = [
        x.mean().item(),
        f"{x.std().item():.3f}",
        x.sum(),
        f"{x.sum()}",
        x[0, 0, 0].tolist(),
        str(x.mean()),
    ]
    shown.append("%.2f %d" % (x.min().item(), x.max()))  # noqa: UP031
    shown.append("{:.1f}".format(x.amax().item()))  # noqa: UP032
    print(*shown)  # noqa: T201
    net.log.append(x.mean().item())
    return x


def _scales(net, x):
    return x / x.abs().max().item()


def _stores(net, x):
    maps = x.detach().cpu().numpy()
    assert maps.shape == tuple(x.shape)
    assert str(maps.dtype) == "float32"
    assert (maps.ndim, maps.size, len(maps)) == (4, x.numel(), 1)
    net.log.append(maps.copy().astype("float64"))
    return x


WORKING = {
    "to weights": lambda net, x: x.to(next(net.parameters()).device),
    "to cpu": lambda net, x: x.to("cpu"),
    "to device": lambda net, x: x.to(net.device, non_blocking=True),
    "to keyword": lambda net, x: x.to(device="cpu", dtype=torch.float32),
    "to both": lambda net, x: x.to("cpu", torch.float64).float(),
    "to own": lambda net, x: x.to(x.device),
    "to tensor": lambda net, x: x.to(net.conv.weight),
    "cpu": lambda net, x: x.cpu(),
    "type": lambda net, x: x.type(torch.FloatTensor),
    "type name": lambda net, x: x.type("torch.FloatTensor"),
    "type dtype": lambda net, x: x.double().type(torch.float32),
    "type as": lambda net, x: x.type_as(net.conv.weight),
    "like": lambda net, x: x + torch.zeros_like(x, device="cpu") + x.new_zeros(x.shape, device=x.device),
    "properties": _states,
    "prints": _prints,
    "scales": _scales,
    "stores": _stores,
}


@pytest.mark.parametrize("act", WORKING)
def test_devices_types_and_printed_values_work(act):
    net = Net(WORKING[act])
    net(torch.rand(1, 3, 16, 16))  # as it does on data
    net.log.clear()
    found = analyze(net, (3, 16, 16))
    assert (found.macs, found.unknown_ops) == (16 * 16 * 8 * 27, ())
    assert net.log == []


def test_a_dtype_that_a_conversion_gives_is_followed():
    class Half(nn.Module):
        def forward(self, x):
            return (
                x.to("cpu", torch.float16),
                x.type(torch.DoubleTensor),
                x.to(torch.ones(1, dtype=torch.int64)),
            )

    kinds = [value.dtype for value in trace(Half(), (3, 4, 4)).outputs]
    assert kinds == [torch.float16, torch.float64, torch.int64]


def test_a_value_depends_on_all_that_it_was_made_of():
    found = analyze(Net(_scales), (3, 16, 16))
    assert found.receptive_field == ("all", "all")


def test_large_constants_are_not_allocated():
    class States(nn.Module):
        def forward(self, x):
            return x + torch.zeros(2**40, 1, device=x.device)[:1]

    assert analyze(States(), (3,)).ops == 2


DECIDING = {
    "branch": lambda net, x: x if x.sum() > 0 else -x,
    "item": lambda net, x: x if x.sum().item() > 0 else -x,
    "float": lambda net, x: x * float(x.mean()),
    "int": lambda net, x: x[:, :, : int(x.max())],
    "index": lambda net, x: x[: x.max().long().item() + 1],
    "range": lambda net, x: sum(x for _ in range(x.max().long().item() + 1)),
    "list": lambda net, x: x if x[0, 0, 0].tolist()[0] > 0 else -x,
    "array": lambda net, x: x * float(x.numpy().mean()),
    "numpy": lambda net, x: x + torch.from_numpy(x.numpy().clip(0, 1)),
    "assertion": lambda net, x: x if (x == x).all() else None,
    "equal": lambda net, x: x if torch.equal(x, x) else None,
    "nonzero": lambda net, x: x[x > 0],
    "rounded": lambda net, x: x * round(x.max().item()),
}


@pytest.mark.parametrize("act", DECIDING)
def test_a_value_that_decides_is_the_cause_that_is_named(act):
    with pytest.raises(TraceError, match="asks for a tensor's values") as caught:
        analyze(Net(DECIDING[act]), (3, 16, 16))
    assert "test_values.py, line" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_decides_by_values_is_still_measured_on_data():
    assert signal(Net(DECIDING["branch"]), torch.rand(2, 3, 16, 16), shattering=False).layers
