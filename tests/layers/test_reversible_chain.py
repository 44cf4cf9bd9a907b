"""The reversible chain against plain autograd through the same functions, and what it promises beside."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call

from convblocks.deploy.code import module_code
from convblocks.layers.reversible_chain import couple, reversible


def functions(count, width=4):
    """As a person would write them: norm, activation, convolution."""
    torch.manual_seed(0)
    return nn.ModuleList(
        [
            nn.Sequential(nn.BatchNorm2d(width), nn.Tanh(), nn.Conv2d(width, width, 3, padding=1))
            for _ in range(count)
        ]
    )


def pair(dtype=torch.float32, requires_grad=True):
    g = torch.Generator().manual_seed(1)
    return [torch.randn(3, 4, 5, 5, generator=g, dtype=dtype).requires_grad_(requires_grad) for _ in "ab"]


def results(chain, fs, *inputs):
    """Outputs, gradients and buffers after a step of one's own copy."""
    fs, inputs = copy.deepcopy(fs), [x.detach().clone().requires_grad_(x.requires_grad) for x in inputs]
    a, b = chain(fs, *inputs)
    (a.sin().sum() + (b * b).sum()).backward()
    return [
        a,
        b,
        *(x.grad for x in inputs if x.requires_grad),
        *(p.grad for p in fs.parameters()),
        *fs.buffers(),
    ]


def assert_equal(found, expected, tolerance=1e-5):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_gradients_and_statistics_are_those_of_plain_autograd(count, training, requires_grad):
    fs = functions(count).train(training)
    inputs = pair(requires_grad=requires_grad)
    assert_equal(results(reversible, fs, *inputs), results(couple, fs, *inputs))


def test_a_coupling_is_that_of_the_paper():
    f, g = fs = functions(2).eval()
    x1, x2 = pair()
    y1 = x1 + f(x2)
    assert_equal(reversible(fs, x1, x2), (y1, x2 + g(y1)))


def test_gradcheck():
    fs = functions(3).double().eval()
    assert torch.autograd.gradcheck(
        lambda a, b, *_: reversible(fs, a, b), (*pair(torch.float64), *fs.parameters())
    )


def test_frozen_parameters_get_none_and_let_the_rest_pass():
    fs = functions(4)
    fs[1].requires_grad_(False)
    fs[2][2].weight.requires_grad_(False)
    assert_equal(results(reversible, fs, *pair()), results(couple, fs, *pair()))


def test_one_chain_twice_in_a_graph_and_shared_functions():
    fs = functions(2)
    fs.append(fs[0])

    def twice(chain):
        return lambda fs, a, b: chain(fs, *chain(fs, a, b))

    assert_equal(results(twice(reversible), fs, *pair()), results(twice(couple), fs, *pair()))


def test_nothing_is_kept_but_output_and_parameters():
    fs, kept = functions(6), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        a, b = reversible(fs, *pair())
    assert [t.data_ptr() for t in kept] == [t.data_ptr() for t in (a, b, *fs.parameters())]


def test_without_gradients_it_is_ordinary_code():
    fs = functions(2)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            a, b = reversible(fs, *pair())
        assert not a.requires_grad
        assert not b.requires_grad


def test_a_mode_set_between_forward_and_backward_changes_nothing():
    fs = functions(3)
    expected = results(reversible, fs, *pair())

    def then_eval(fs, a, b):
        out = reversible(fs, a, b)
        fs.eval()
        return out

    assert_equal(results(then_eval, fs, *pair()), expected, 0)
    (a, b), again = pair(), copy.deepcopy(fs)
    sum(t.sum() for t in reversible(again, a, b)).backward()
    assert all(m.training for m in again.modules())


def test_a_parameter_or_output_changed_before_backward_is_noticed():
    fs = functions(2)
    a, b = reversible(fs, *pair())
    fs[0][2].weight.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        a.sum().backward()
    a, b = reversible(fs, *pair())
    loss = a.sum()
    b.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_parameters_put_in_for_one_call_get_the_gradients():
    """As torch.func.functional_call does; when backward runs they are no longer the module's."""

    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.functions = functions(3)

        def forward(self, x):
            return torch.cat(reversible(self.functions, *x.chunk(2, 1)), 1)

    block = Chain().double()
    own = {name: (p * 2).detach().requires_grad_() for name, p in block.named_parameters()}
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    functional_call(block, own, (x,)).square().sum().backward()
    twin = copy.deepcopy(block)
    twin.load_state_dict({**block.state_dict(), **own})
    twin(x).square().sum().backward()
    assert_equal([t.grad for t in own.values()], [p.grad for p in twin.parameters()], 1e-10)
    assert all(p.grad is None for p in block.parameters())


def test_a_forward_hook_is_shown_maps_that_are_part_of_the_graph():
    fs, shown = functions(3), []
    handles = [f.register_forward_hook(lambda _, given, out: shown.append(out)) for f in fs]
    sum(reversible(fs, *pair())).sum().backward()
    assert len(shown) == 3  # once each, not again in backward
    assert all(out.requires_grad for out in shown)
    for handle in handles:
        handle.remove()
    assert "_Chain" in type(reversible(fs, *pair())[0].grad_fn).__name__


@pytest.mark.parametrize("leaf", ["input", "parameter", "cotangent", "all"])
def test_gradients_of_gradients_are_refused_whoever_asks(leaf):
    """PyTorch's own once_differentiable takes them to be 0 where torch.autograd.grad asks for one leaf."""
    (a, b), fs = pair(), functions(2)
    v = torch.ones_like(a).requires_grad_()
    grad, _ = torch.autograd.grad((reversible(fs, a, b)[0] * v).sum(), (a, b), create_graph=True)
    of = {"input": [a], "parameter": [fs[0][2].weight], "cotangent": [v], "all": [a, b, v, *fs.parameters()]}
    with pytest.raises(RuntimeError, match="no gradients of gradients"):
        grad.square().sum().backward(inputs=of[leaf])


def test_backward_may_be_repeated():
    fs, (a, b) = functions(3), pair()
    loss = sum(t.square().sum() for t in reversible(fs, a, b))
    loss.backward(retain_graph=True)
    first = a.grad.clone()
    loss.backward()
    torch.testing.assert_close(a.grad, 2 * first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_is_repeated_backward_and_sums_are_in_single_precision(dtype):
    fs = functions(4)

    def under(chain):
        def run(fs, a, b):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                a, b = a.to(dtype), b.to(dtype)
                return chain(fs, a, b) if chain is reversible else chain(fs, a.float(), b.float())

        return run

    found, expected = (results(under(chain), fs, *pair()) for chain in (reversible, couple))
    assert found[0].dtype == torch.float32
    assert_equal(found, expected, 2e-2)


def test_the_chain_can_be_copied_into_a_file_that_stands_alone():
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.functions = functions(2)

        def forward(self, x):
            return torch.cat(reversible(self.functions, *x.chunk(2, 1)), 1)

    ours, space = Chain(), {"__name__": "printed"}
    exec(module_code(ours, (8, 5, 5)), space)  # noqa: S102
    theirs = space["make"]()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, 5, 5)
    for module in (ours, theirs):
        module(x).square().sum().backward()
    assert_equal([p.grad for p in theirs.parameters()], [p.grad for p in ours.parameters()], 0)
