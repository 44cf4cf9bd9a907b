"""Records of signals go to JSON and back under the keys of earlier versions."""

import msgspec
import torch
from torch import nn

from convblocks.records import FixCheck, Signal, Symptom
from convblocks.signal import signal


def test_symptoms_and_checks_keep_their_keys():
    symptom = Symptom(kind="dead", evidence="e", fixes=("norm",))
    assert msgspec.to_builtins(symptom) == {"kind": "dead", "evidence": "e", "mends": ("norm",)}
    check = FixCheck(
        symptom="dead", fix="norm", change="c", figure="f", before=None, after=1.0, verdict="better",
        new_symptoms=("not finite",),
    )  # fmt: skip
    table = msgspec.json.decode(msgspec.json.encode(check))
    assert (table["mend"], table["others"], table["before"]) == ("norm", ["not finite"], None)
    assert msgspec.json.decode(msgspec.json.encode(check), type=FixCheck) == check


def test_a_measured_signal_comes_back_equal():
    torch.manual_seed(0)
    measured = signal(nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3)), torch.randn(4, 2, 8, 8))
    assert msgspec.json.decode(msgspec.json.encode(measured), type=Signal) == measured
