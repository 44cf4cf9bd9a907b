"""Networks of timm and torchvision by name."""

import sys

import pytest
import torch

from convblocks import load_target
from convblocks.errors import MissingExtra
from tests.targets.refusals import refusal


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_networks_of_timm_and_torchvision(monkeypatch):
    """25,557,032 parameters are the published ones of ResNet-50, also after timm."""
    for text in ("timm:resnet50", "torchvision:resnet50"):
        target = load_target(text, on_meta=True)
        assert sum(p.numel() for p in target.module.parameters()) == 25_557_032
        assert (target.channels, target.dims, target.input_size) == (3, 2, (3, 224, 224))
        assert next(target.module.parameters()).device.type == "meta"
    assert load_target("torchvision:inception_v3", on_meta=True).input_size == (3, 299, 299)
    assert (
        sum(p.numel() for p in load_target("torchvision.models:resnet18").module.parameters()) == 11_689_512
    )
    assert "timm has no model called 'reznet50'; did you mean 'resnet50'?" in refusal("timm:reznet50")
    assert "timm has no model called 'hf_hub:a/b'" in refusal("timm:hf_hub:a/b")
    assert "torchvision has no model called 'resnt18'; did you mean 'resnet18'?" in refusal(
        "torchvision:resnt18"
    )


def test_a_missing_zoo_is_named_with_its_install_line(monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtra) as found:
        load_target("timm:resnet50")
    assert str(found.value) == "the target timm:resnet50 needs timm: pip install 'convblocks[models]'"


def test_a_detection_network_downloads_no_backbone(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("a download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refused)
    target = load_target("torchvision:fasterrcnn_resnet50_fpn", on_meta=True)
    assert target.input_size is None
