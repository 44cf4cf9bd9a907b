"""Symptoms of networks made to have them, and the fixes that go with each."""

import torch
from torch import nn

from convblocks.signal import signal
from convblocks.signal.remedies import FIXES
from convblocks.signal.symptoms import FIXES_FOR, symptoms_of
from tests.signal.test_diagnose import mlp, scaled_orthogonal


def test_dead_layers_and_overflow_are_symptoms_too():
    dead = mlp(4, 8, scaled_orthogonal(1.0), nn.ReLU)
    dead.insert(4, nn.Threshold(1e9, 0.0))
    assert signal(dead, torch.randn(4, 8)).symptoms[0].kind == "dead"
    found = signal(mlp(4, 8, scaled_orthogonal(1e20)), torch.randn(4, 8))
    assert found.symptoms[0].kind == "not finite"
    assert found.layers[-1].rms is None


def test_every_fix_that_a_symptom_names_exists():
    assert set().union(*FIXES_FOR.values()) == FIXES.keys()


def test_nothing_measured_is_no_symptom_and_dead_layers_are_named():
    assert symptoms_of([], None, None, None, []) == ()
    layers = signal(mlp(3, 4, scaled_orthogonal(1.0)), torch.randn(4, 4)).layers
    (dead,) = symptoms_of(layers, None, None, None, [layer.name for layer in layers])
    assert dead.kind == "dead"
    assert all(layer.name in dead.evidence for layer in layers)
    assert dead.fixes == FIXES_FOR["dead"]
