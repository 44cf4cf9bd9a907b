"""The table of probes is whole in 80 columns and has each figure of the record."""

from convblocks.cli.probe_table import print_probes, shortened
from convblocks.records import Interval, LayerProbe, Probes


def test_each_layer_has_its_accuracy_rise_and_mark(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    layers = (
        LayerProbe(name="first", accuracy=Interval(0.5, 0.4, 0.6), rise=None, productive=True, verdict=""),
        LayerProbe(
            name="a." * 30 + "last", accuracy=Interval(0.75, 0.7, 0.8), rise=Interval(0.25, 0.2, 0.3),
            productive=False, verdict="rises",
        ),
    )  # fmt: skip
    print_probes(
        Probes(
            layers=layers, model_accuracy=Interval(0.8, 0.7, 0.9), train=100, test=50, pool=1,
            last_productive="first", tail_rise=None, verdict="accuracy rises",
        ),
        "digits",
    )  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["first", "50.0", "[40.0,", "60.0]", "—"]
    assert lines[2].split()[:3] == [shortened(layers[1].name, 22), "75.0", "[70.0,"]
    assert lines[2].split()[4:] == ["+25.0", "[+20.0,", "+30.0]", "rises", "whole", "image"]
    assert lines[-1] == "Accuracy rises."
    assert "100 examples of digits" in " ".join(" ".join(lines).split())


def test_the_end_of_a_long_path_is_kept():
    assert shortened("stages.0.conv", 20) == "stages.0.conv"
    assert len(shortened("stages.0.0.layers.11.conv", 12)) == 12
