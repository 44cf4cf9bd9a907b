"""Prefixes that trainings put before the keys of a state dict: seen through, or named."""

import pytest
import torch
from safetensors.torch import save_file

from convblocks.errors import WeightsError
from convblocks.networks import zoo
from convblocks.networks.weight_files import read_weights
from convblocks.networks.weights import from_foreign, load_foreign, to_foreign
from convblocks.networks.zoo import ZOO

NETWORK = zoo.resnet18(classes=4)
OURS = NETWORK.build().state_dict()
THEIRS = dict(to_foreign(NETWORK, OURS))


def under(prefix, state=None):
    return {f"{prefix}{key}": value for key, value in (THEIRS if state is None else state).items()}


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "model.",
        "net.",
        "encoder.",
        "ema.module.",
        "_orig_mod.module.",
        "model.backbone.body.",
        "my_own.",
    ],
)
@pytest.mark.parametrize("wrapped", [None, "state_dict", "model", "ema_state_dict"])
def test_one_prefix_of_all_keys_is_seen_through(prefix, wrapped):
    state = under(prefix)
    loaded = from_foreign(NETWORK, {wrapped: state, "epoch": 3} if wrapped else state)
    for key, value in loaded.items():
        assert torch.equal(value, OURS[key])


def test_a_prefix_without_the_classifier():
    body = {key: value for key, value in THEIRS.items() if not key.startswith("fc.")}
    loaded = from_foreign(NETWORK, under("backbone.", body), classifier=False)
    assert torch.equal(loaded["stem.layers.conv.weight"], THEIRS["conv1.weight"])
    with pytest.raises(WeightsError, match=r"2 missing: fc.weight, fc.bias"):
        from_foreign(NETWORK, under("backbone.", body))


def test_vggs_and_alexnets_have_prefixes_too():
    for network in (zoo.ZOO["vgg11"](classes=4), zoo.alexnet(classes=4)):
        theirs = to_foreign(network, network.build().state_dict())
        assert from_foreign(network, under("model.", theirs)).keys() == from_foreign(network, theirs).keys()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            under("encoder_q.") | under("encoder_k."),
            r"the prefixes 'encoder_k.' and 'encoder_q.'; keep .*removeprefix",
        ),
        (
            under("model.") | {"loss.weight": torch.ones(4)},
            r"the prefix 'model.', beside 1 other keys, as 'loss.weight'; keep .*startswith\('model.'\)",
        ),
        (under("student.") | under("teacher.backbone."), "the prefixes 'student.' and 'teacher.backbone.'"),
        (
            under("backbone.") | {"neck.conv1.weight": torch.ones(2), "fc.weight": torch.ones(1)},
            r"the prefix 'backbone.', beside 2 other keys",
        ),
    ],
)
def test_what_leaves_a_choice_is_refused_with_the_prefix(state, message):
    with pytest.raises(WeightsError, match=message) as caught:
        from_foreign(NETWORK, state)
    assert "\n" not in str(caught.value)


def test_what_the_message_says_to_do_works():
    state = under("encoder_q.") | under("encoder_k.")
    with pytest.raises(WeightsError) as caught:
        from_foreign(NETWORK, state)
    kept = eval(str(caught.value).rpartition("away: ")[2], {"state": state})  # noqa: S307 - our own text
    assert kept.keys() == THEIRS.keys()
    assert len(from_foreign(NETWORK, under("model.") | {"loss.weight": torch.ones(4)}, strict=False)) == len(
        THEIRS
    )


def test_keys_without_a_prefix_are_taken_first():
    """A copy of the weights under a prefix does not hide those without, and is unexpected."""
    with pytest.raises(WeightsError, match=r"unexpected: ema.conv1.weight"):
        from_foreign(NETWORK, THEIRS | under("ema."))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "i.png",
            b"\x89PNG\r\n\x1a\n",
            r"is no file of weights; expected \.safetensors, or what torch\.save wrote$",
        ),
        ("w.pth", "half", "is damaged or cut short; fetch or save it again$"),
        ("w.safetensors", "half", "is damaged or cut short; fetch or save it again$"),
        ("w.pth", b"", "is damaged or cut short; fetch or save it again$"),
    ],
)
def test_what_is_no_weights_file_is_told_in_a_line(tmp_path, name, content, message):
    path, state = tmp_path / name, {"x": torch.zeros(100)}
    if content == "half":
        (save_file if name.endswith("safetensors") else torch.save)(state, path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"{name}: {message}"):
        read_weights(path)
    with pytest.raises(WeightsError, match=r"cannot be read as weights: Is a directory$"):
        read_weights(tmp_path)


def test_torch_s_older_files_are_read(tmp_path):
    torch.save({"x": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_weights(tmp_path / "old.pth")["x"].tolist() == [1, 1]


def test_a_file_that_could_run_code_is_not_opened(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(WeightsError, match="could run code"):
        load_foreign(ZOO["resnet18"]().build(), ZOO["resnet18"](), path)
    with pytest.raises(WeightsError, match="no such file"):
        load_foreign(ZOO["resnet18"]().build(), ZOO["resnet18"](), tmp_path / "none.pth")
