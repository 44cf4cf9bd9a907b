"""Norms against autograd by hand, rates against closed forms, and a module that is left as it was."""

from copy import deepcopy
from math import log, sqrt

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import BLOCKS, ResidualBlock, ReversibleBlock, advise
from convblocks.errors import OptionError, TraceError
from convblocks.layers.reversible_chain import couple
from convblocks.signal import gradient_norms, signal, signal_along


class Backwards(nn.Module):
    """Registers its layers in another order than it runs them; one is never run, one is in vain."""

    def __init__(self):
        super().__init__()
        self.last = nn.Conv2d(4, 3, 3)
        self.unused = nn.Conv2d(4, 4, 3)
        self.vain = nn.Conv2d(4, 4, 3)
        self.first = ResidualBlock(2, 4)
        self.downsample = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.first(x)
        self.vain(x)
        return self.last(x + self.downsample(x)).mean((2, 3))


@pytest.fixture
def example():
    torch.manual_seed(0)
    return Backwards(), torch.randn(6, 2, 5, 5), torch.tensor([0, 1, 2, 2, 1, 0])


def mlp(depth, width, start, activation=nn.Identity):
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(width, width, bias=False), activation()]
        start(layers[-2].weight)
    return nn.Sequential(*layers)


def scaled_orthogonal(factor):
    return lambda weight: nn.init.orthogonal_(weight).data.mul_(factor)


def normal(sigma):
    return lambda weight: nn.init.normal_(weight, std=sigma / sqrt(weight.shape[1]))


def test_norms_are_autograd_s_on_the_main_path_in_order_of_execution(example):
    module, x, y = example
    found = gradient_norms(module, x, y)
    assert list(found) == ["first.main.0.conv", "first.main.1.conv", "last"]
    loss = -module(x).log_softmax(1)[torch.arange(6), y].mean()
    for name, norm in found.items():
        (gradient,) = torch.autograd.grad(loss, module.get_submodule(name).weight, retain_graph=True)
        assert norm == pytest.approx(gradient.square().sum().sqrt().item(), rel=1e-4)
        assert norm > 0


@pytest.mark.parametrize("dims", [1, 3])
def test_signals_and_volumes(dims):
    block = ResidualBlock(2, 4, dims=dims)
    module = nn.Sequential(block, nn.Flatten(), nn.LazyLinear(3))
    x, y = torch.randn(2, 2, *(4,) * dims), torch.tensor([0, 2])
    module(x)
    assert list(gradient_norms(module, x, y)) == ["0.main.0.conv", "0.main.1.conv"]


def test_activations_are_taken_before_an_activation_changes_them_in_place():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.Conv2d(3, 4, 3), nn.Flatten())
    x, v = torch.randn(5, 2, 6, 6), torch.tensor(1.0)
    first, second = signal(module, x, v, loss=lambda output, y: (output**3).mean() * y).layers
    a = F.conv2d(x, module[0].weight, module[0].bias).requires_grad_()
    b = F.conv2d(a.clamp(min=0), module[2].weight, module[2].bias)
    of_a, of_b = torch.autograd.grad((b**3).mean(), (a, b))
    for layer, output, gradient in ((first, a, of_a), (second, b, of_b)):
        spread = np.sqrt(output.detach().numpy().astype(float).var(axis=0).mean())
        assert layer.rms == pytest.approx(output.square().mean().sqrt().item(), rel=1e-5)
        assert layer.spread == pytest.approx(spread, rel=1e-5)
        assert layer.gradient_norm == pytest.approx(gradient.norm().item(), rel=1e-5)
    assert (first.type, first.name) == ("Conv2d", "0")


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_orthogonal_linear_layers_scale_both_ways_by_exactly_their_factor(factor):
    torch.manual_seed(0)
    found = signal(mlp(30, 16, scaled_orthogonal(factor)), torch.randn(8, 16))
    for rate in (found.activation, found.gradient):
        assert rate.factor == pytest.approx(factor, rel=1e-5)
        assert rate.over_all == pytest.approx(factor**29, rel=1e-4)
        assert rate.standard_error < 1e-5
        assert rate.layers_to_bound == pytest.approx(log(1e-4 if factor < 1 else 1e4) / log(factor), rel=1e-4)
    how = "vanishing" if factor < 1 else "exploding"
    assert [s.kind for s in found.symptoms] == [f"{how} gradient", f"{how} activation"]
    assert "over 29 layers" in found.symptoms[0].evidence
    assert "shortcut" in found.symptoms[0].fixes


def test_a_shallow_network_has_the_rate_but_not_yet_the_symptom():
    torch.manual_seed(0)
    found = signal(mlp(8, 16, scaled_orthogonal(0.5)), torch.randn(8, 16))
    assert found.gradient.layers_to_bound == pytest.approx(13.3, abs=0.1)
    assert found.symptoms == ()


def test_he_normal_weights_keep_the_mean_square_through_relu():
    torch.manual_seed(0)
    module = mlp(12, 1024, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"), nn.ReLU)
    found = signal(module, torch.randn(32, 1024))
    assert all(layer.rms == pytest.approx(sqrt(2), rel=0.15) for layer in found.layers)
    assert found.gradient.factor == pytest.approx(1, abs=0.03)
    assert not found.symptoms


@pytest.mark.parametrize(("sigma", "how"), [(0.5, "vanishing"), (1.0, "")])
def test_small_tanh_networks_shrink_by_their_weights_scale(sigma, how):
    """Schoenholz et al. 2017: towards 0, χ = σ_w² φ'(0)², a factor of σ_w a layer; σ_w = 1 is critical."""
    torch.manual_seed(0)
    found = signal(mlp(25, 512, normal(sigma), nn.Tanh), 0.01 * torch.randn(16, 512))
    assert found.gradient.factor == pytest.approx(sigma, rel=0.02)
    assert [s.kind for s in found.symptoms if "gradient" in s.kind] == ([f"{how} gradient"] if how else [])


def test_a_relu_network_with_doubled_he_weights_explodes_by_2_a_layer():
    torch.manual_seed(0)
    found = signal(mlp(20, 512, normal(2 * sqrt(2)), nn.ReLU), torch.randn(16, 512))
    assert found.gradient.factor == pytest.approx(2, rel=0.05)
    assert found.symptoms[0].kind == "exploding gradient"


def test_the_head_is_measured_but_not_fitted():
    torch.manual_seed(0)
    body = [nn.Conv2d(8, 8, 1, bias=False) for _ in range(6)]
    for layer in body:
        nn.init.orthogonal_(layer.weight).data.mul_(0.7)
    module = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000))
    found = signal(module, torch.randn(4, 8, 3, 3))
    assert len(found.layers) == 7
    assert found.gradient.steps == 5
    assert found.gradient.factor == pytest.approx(0.7, rel=1e-4)


def test_the_module_the_generator_and_the_batch_stay_as_they_were(example):
    module, x, y = example
    module.first.requires_grad_(False)
    module.last.weight.grad = torch.ones_like(module.last.weight)
    module.eval()
    state, batch, generator = deepcopy(module.state_dict()), x.clone(), torch.get_rng_state()
    found = signal(module, x, y)
    signal_along(module, [(x, y)], steps=[0, 2])
    assert found.layers[0].weight_gradient_norm > 0, "a frozen layer has a signal too"
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert torch.equal(x, batch)
    assert not x.requires_grad
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.equal(module.last.weight.grad, torch.ones_like(module.last.weight))
    assert not module.first.main[0].conv.weight.requires_grad
    assert not any(m.training or m._forward_hooks for m in module.modules())


def test_it_repeats_bit_for_bit_and_counts_parametrised_weights():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 3, 3)), nn.Dropout(), nn.Conv1d(3, 3, 3)
    )
    x = torch.randn(4, 2, 9)
    assert signal(module, x) == signal(module, x)
    assert signal(module, x) != signal(module, x, seed=1)
    assert signal(module, x).layers[0].weight_gradient_norm > 0


def test_along_training_is_sgd_on_a_copy(example):
    module, x, y = example
    found = signal_along(module, [(x, y), (x.flip(0), y)], steps=[0, 3], learning_rate=0.1, momentum=0.9)
    twin = deepcopy(module).train()
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    for batch in (x, x.flip(0), x):
        optimizer.zero_grad()
        F.cross_entropy(twin(batch), y).backward()
        optimizer.step()
    assert [step.step for step in found.steps] == [0, 3]
    assert found.steps[0].signal == signal(module, x, y, shattering=False)
    assert found.steps[1].signal == signal(twin, x, y, shattering=False)
    assert found.steps[1].loss == pytest.approx(F.cross_entropy(twin(x), y).item(), rel=1e-5)


def test_along_training_ends_where_the_loss_does(example):
    module, x, y = example
    with torch.no_grad():
        module.last.weight.fill_(torch.inf)
    found = signal_along(module, [(x, y)], steps=[0, 1, 2])
    assert [(step.step, step.loss) for step in found.steps] == [(0, None)]


class Uncopied(nn.Linear):
    def __deepcopy__(self, memo):
        raise RuntimeError("holds\na socket")


@pytest.mark.parametrize(
    ("module", "x", "y", "error", "message"),
    [
        (nn.ReLU(), torch.zeros(2, 3), None, TraceError, "ReLU calls no convolution or linear module"),
        (nn.Linear(3, 2), torch.zeros(0, 3), None, OptionError, "at least one example"),
        (
            nn.Linear(3, 2),
            torch.zeros(2, 4),
            None,
            TraceError,
            "Linear cannot take an input of 4 in linear(1×4, 2×3, 2)",
        ),
        (
            nn.Linear(3, 2),
            torch.zeros(2, 3),
            torch.tensor([0, 5]),
            TraceError,
            "cross-entropy cannot take output (2, 2)",
        ),
        (Uncopied(3, 2), torch.zeros(2, 3), None, TraceError, "Uncopied cannot be copied"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(module, x, y, error, message):
    with pytest.raises(error) as caught:
        signal(module, x, y)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("batches", "steps"), [([], [0]), ([(torch.zeros(2, 3), torch.zeros(2).long())], [])]
)
def test_along_needs_batches_and_steps(batches, steps):
    with pytest.raises(OptionError, match="expected"):
        signal_along(nn.Linear(3, 2), batches, steps=steps)


def test_layers_run_without_autograd_are_named_and_the_rest_is_measured():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.still, self.learns = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, x):
            with torch.no_grad():
                x = self.still(x)
            return self.learns(x).mean((2, 3))

    found = signal(Frozen(), torch.randn(4, 1, 8, 8), shattering=False)
    assert found.unreached == ("still",)
    assert [layer.name for layer in found.layers] == ["learns"]
    with pytest.raises(TraceError, match=r"reaches its input.*shattering=False"):
        signal(Frozen(), torch.randn(4, 1, 8, 8))
    net = Frozen()
    net.learns = nn.Identity()
    with pytest.raises(TraceError, match="no gradient reaches a layer of Frozen"):
        signal(net, torch.randn(4, 1, 8, 8))


@pytest.mark.parametrize("family", BLOCKS)
def test_every_family_shows_the_gradients_of_all_its_layers(family):
    block = BLOCKS[family](8, 8)
    found = signal(block, torch.randn(4, 8, 8, 8))
    assert not found.unreached
    assert all(layer.gradient_norm > 0 and layer.weight_gradient_norm > 0 for layer in found.layers)


def test_a_reversible_chain_shows_what_the_stored_one_has():
    """`couple` by ordinary autograd through the same weights is the reference."""
    block = ReversibleBlock(8, 8, depth=6)
    x, v = torch.randn(4, 8, 8, 8), torch.randn(4, 8, 8, 8)
    found = signal(block, x, v, loss=lambda out, v: (out * v).sum())
    a, b = couple(block.functions, *x.chunk(2, 1))
    (torch.cat([a, b], 1) * v).sum().backward()
    expected = [p.grad.norm().item() for name, p in block.named_parameters() if name.endswith("conv.weight")]
    assert [layer.weight_gradient_norm for layer in found.layers] == pytest.approx(expected, rel=1e-4)


class Overwrites(nn.Module):
    """Each overwrites in place what the backward of an op before it needs."""

    def __init__(self, act):
        super().__init__()
        self.conv, self.head, self.act = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), act

    def forward(self, x):
        return self.head(self.act(self.conv(x)))


def _gate(x):
    g = torch.sigmoid(x)
    g += 0.5
    return x * g


def _indexed(x):
    y = x.exp()
    y[:, 0] = 0
    return y


OVERWRITING = {"gate": _gate, "indexed": _indexed, "method": lambda x: x.tanh().mul_(2)}
OVERWRITING["no grad"] = lambda x: torch.relu_(torch.sqrt(x.square() + 1))


@pytest.mark.parametrize("act", OVERWRITING)
def test_a_backward_that_cannot_run_is_one_line_with_the_fix(act):
    net = Overwrites(OVERWRITING[act])
    with pytest.raises(RuntimeError, match="inplace operation"):  # of torch, without us
        net(torch.ones(2, 3, 4, 4)).sum().backward()
    for ask in (
        lambda: signal(net, torch.randn(4, 3, 4, 4)),
        lambda: advise(net, (3, 4, 4), signal=True),
        lambda: signal_along(net, [(torch.randn(4, 3, 4, 4), torch.zeros(4, 4, 4).long())], steps=[0, 1]),
    ):
        with pytest.raises(TraceError, match=r"backward fails: .* overwritten in place .*; fix: ") as e:
            ask()
        assert "\n" not in str(e.value)
