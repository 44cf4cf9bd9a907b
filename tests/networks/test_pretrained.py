"""A folder of config.json and model.safetensors, and what is refused of one."""

import json
import sys

import pytest
import torch
from torch import nn

from convblocks import BlockSpec
from convblocks.errors import MissingExtra, SpecError, WeightsError
from convblocks.networks.pretrained import from_pretrained, save_pretrained
from convblocks.networks.zoo import cifar_resnet


class Own(nn.Conv2d):
    def __init__(self, in_channels, out_channels, *, stride=1):
        super().__init__(in_channels, out_channels, 3, stride, 1)


def test_what_was_saved_comes_back(tmp_path):
    network = cifar_resnet(8, classes=4)
    module = network.build().eval()
    module.standardise.fit_(torch.rand(3), torch.rand(3) + 1)
    save_pretrained(network, module, tmp_path / "new")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["config.json", "model.safetensors"]
    again, loaded = from_pretrained(tmp_path / "new")
    assert again == network
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(loaded(x), module(x))


def test_what_does_not_fit_is_refused(tmp_path):
    network = cifar_resnet(8)
    with pytest.raises(WeightsError, match=r"2 of another shape: head.linear.weight is \(4, 64\)"):
        save_pretrained(network, cifar_resnet(8, classes=4).build(), tmp_path)
    save_pretrained(network, network.build(), tmp_path)
    config = tmp_path / "config.json"
    config.write_text(cifar_resnet(14).to_json())
    with pytest.raises(WeightsError, match="missing: stages"):
        from_pretrained(tmp_path)
    config.write_text("{")
    with pytest.raises(SpecError, match="not JSON"):
        from_pretrained(tmp_path)
    config.unlink()
    with pytest.raises(WeightsError, match=r"has no config\.json"):
        from_pretrained(tmp_path)


def test_code_is_named_before_it_runs(tmp_path):
    network = cifar_resnet(8).with_blocks(BlockSpec(f"{__name__}:Own"))
    save_pretrained(network, network.build(), tmp_path)
    with pytest.raises(SpecError, match=r"test_pretrained:Own.*trust_code=True"):
        from_pretrained(tmp_path)
    assert from_pretrained(tmp_path, trust_code=True)[0] == network
    assert json.loads((tmp_path / "config.json").read_text())["stages"][0]["block"]["family"].endswith("Own")


def test_a_name_of_the_hub_needs_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"'someone/net' .* pip install 'convblocks\[hub\]'"):
        from_pretrained("someone/net")
