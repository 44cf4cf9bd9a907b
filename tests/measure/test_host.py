"""The host of a figure: this machine and its versions."""

import os

import torch

from convblocks.measure import describe_host


def test_the_host_has_torchs_build_where_the_package_lacks_it(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.13.0+cu130")
    assert describe_host().versions["torch"] == "2.13.0+cu130"


def test_the_host_names_the_device_that_is_asked_of_several(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", {"cuda": "A100", "cuda:1": "H200"}.get)
    devices = [describe_host(device).device for device in ("cpu", "cuda", "cuda:1")]
    assert devices == ["cpu", "A100", "H200"]


def test_the_host_is_this_machine():
    host = describe_host()
    assert host.cores == len(os.sched_getaffinity(0))
    assert host.memory_bytes > 2**28
    assert host.versions["torch"] == str(torch.__version__)
    assert host.cpu
