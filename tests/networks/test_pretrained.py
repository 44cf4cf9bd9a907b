"""A folder of config.json and model.safetensors, and what is refused of one."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file
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


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 900 + "1" + "}" * 900])
def test_a_configuration_that_nests_without_end_is_refused(tmp_path, text):
    network = cifar_resnet(8)
    save_pretrained(network, network.build(), tmp_path)
    (tmp_path / "config.json").write_text(text)
    for trusted in (True, False):
        with pytest.raises(SpecError, match=r"config\.json: tables and lists nest deeper than 32"):
            from_pretrained(tmp_path, trust_code=trusted)


def test_a_configuration_that_is_no_file_is_refused(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(WeightsError, match=r"config\.json cannot be read: Is a directory"):
        from_pretrained(tmp_path)


def test_weights_keep_their_dtypes(tmp_path):
    network = cifar_resnet(8)
    for change in (lambda m: m.half(), lambda m: m.double(), lambda m: m.stages[0].to(torch.bfloat16) and m):
        module = change(network.build())
        save_pretrained(network, module, tmp_path)
        loaded = from_pretrained(tmp_path)[1]
        for key, value in loaded.state_dict().items():
            assert value.dtype == module.state_dict()[key].dtype
            assert torch.equal(value, module.state_dict()[key])
        assert all(parameter.requires_grad for parameter in loaded.parameters())
    state = {key: value.int() for key, value in network.build().state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(
        WeightsError, match=r"of another kind of number: .* is torch.int32, expected torch.float32"
    ):
        from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["/no/such/dir/x", "nobody/nothing"])
def test_what_is_neither_here_nor_on_the_hub_is_said_in_a_line(monkeypatch, name):
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    message = f"^{name}: there is no such folder, and the hub could not give it: .*; expected a folder that save_pre"
    with pytest.raises(WeightsError, match=message) as raised:
        from_pretrained(name)
    assert "\n" not in str(raised.value)


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
