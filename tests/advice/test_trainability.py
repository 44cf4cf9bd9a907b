"""CB503 and CB504, with the gradients that show them true."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import BLOCKS, BlockSpec, advise, load_target


def found(module, rule, size=(3, 8, 8)):
    return [(f.place, f.severity, f.figures) for f in advise(module, size, select=rule)]


class Classifier(nn.Module):
    def __init__(self, end=None):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6), nn.ReLU()
        )
        self.fc, self.end = nn.Linear(6, 4), end or nn.Identity()

    def forward(self, x):
        return self.end(self.fc(self.body(x).mean((2, 3))))


class Does(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 4, 1), function

    def forward(self, x):
        return self.function(self.conv(x))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (Classifier(nn.Softmax(1)), "softmax"),
        (Classifier(nn.LogSoftmax(1)), "log_softmax"),
        (Classifier(nn.Sigmoid()), "sigmoid"),
        (Classifier(nn.Sequential(nn.Softmax(1), nn.Flatten())), "softmax"),
        (Does(lambda x: (x, torch.sigmoid(x.mean((2, 3))))), "sigmoid"),
        (Does(lambda x: {"scores": x.softmax(1)}), "softmax"),
    ],
)
def test_an_activation_that_losses_apply_themselves(module, name):
    ((_, severity, figures),) = found(module, "CB503")
    assert (severity, figures["op"]) == ("note", name)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x,
        lambda x: x * x.softmax(1),
        lambda x: torch.sigmoid(x) * x,
        lambda x: (lambda a: (a * x, a))(x.softmax(1)),  # attention that is given out too
        lambda x: torch.relu(x.softmax(1)),
    ],
)
def test_an_activation_inside_is_no_end(function):
    assert not found(Does(function), "CB503")


def constant(value):
    net = Classifier()
    for layer in (net.body[0], net.body[2], net.fc):
        nn.init.constant_(layer.weight, value)
        nn.init.constant_(layer.bias, value)
    return net


@pytest.mark.parametrize("value", [0.01, 0.5, 0.0])
def test_constant_weights_have_one_gradient_for_all_filters(value):
    net = constant(value)
    assert [(place, severity) for place, severity, _ in found(net, "CB504")][:2] == [
        ("body.0", "warning"),
        ("body.2", "warning"),
    ]
    x, y = torch.rand(8, 3, 8, 8), torch.randint(4, (8,))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    weight = net.body[0].weight
    torch.testing.assert_close(weight, weight[:1].expand_as(weight))  # they have stayed copies


def test_filters_that_are_repeated_are_counted():
    net = Classifier()
    with torch.no_grad():
        net.body[0].weight[3:] = net.body[0].weight[:3]
        net.body[0].bias[3:] = net.body[0].bias[:3]
    ((place, severity, figures),) = found(net, "CB504")
    assert (place, severity) == ("body.0", "note")  # the next layer tells them apart
    assert figures == {"copies": 3, "filters": 6}
    with torch.no_grad():
        net.body[2].weight[:, 3:] = net.body[2].weight[:, :3]
    assert found(net, "CB504") == [("body.0", "warning", {"copies": 3, "filters": 6})]


def test_filters_that_their_biases_tell_apart_are_no_copies():
    net = Classifier()
    nn.init.constant_(net.body[0].weight, 0.1)
    assert not [place for place, *_ in found(net, "CB504") if place == "body.0"]


def test_copies_that_are_given_out_too_meet_more_than_the_next_layer():
    """Each channel of an output meets a target of its own, so that the copies get gradients of their own."""

    class Features(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 2, 1)
            for layer in (self.body, self.head):
                nn.init.constant_(layer.weight, 0.1)
                nn.init.constant_(layer.bias, 0.1)

        def forward(self, x):
            features = self.body(x)
            return self.head(features), features

    net = Features()
    assert ("body", "note", {"copies": 5, "filters": 6}) in found(net, "CB504")
    (net(torch.rand(2, 3, 4, 4))[1] * torch.arange(6.0).reshape(6, 1, 1)).sum().backward()
    assert len(net.body.bias.grad.unique()) == 6


def zeroed(*names):
    net = Classifier()
    for name in names:
        nn.init.zeros_(net.get_submodule(name).weight)
        nn.init.zeros_(net.get_submodule(name).bias)
    return net


@pytest.mark.parametrize("names", [["fc"], ["body.2"], ["body.3"]])
def test_zeros_that_are_meant(names):
    """A last layer, one that the next tells apart, a norm."""
    assert not found(zeroed(*names), "CB504")


def test_weights_that_do_not_learn_or_that_go_by_channel():
    blur = nn.Conv2d(6, 6, 3, groups=6)
    nn.init.constant_(blur.weight, 1 / 9)
    fixed = nn.Conv2d(6, 6, 3).requires_grad_(False)
    nn.init.constant_(fixed.weight, 1 / 9)
    for layer in (blur, fixed):
        assert not found(nn.Sequential(nn.Conv2d(3, 6, 1), layer, nn.Conv2d(6, 6, 1)), "CB504")


@pytest.mark.parametrize("family", BLOCKS)
def test_our_families_start_with_filters_of_their_own(family):
    block = BlockSpec(family).build(8, 8)
    assert not advise(block, (8, 8, 8), select=["CB503", "CB504"])


def test_well_known_networks_start_with_filters_of_their_own():
    for name in ("torchvision:resnet18", "timm:convnext_atto"):
        assert not advise(load_target(name).module, (3, 64, 64), select=["CB503", "CB504"])
