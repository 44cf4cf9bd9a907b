"""Charts of an analysis along depth."""

import pytest

from convblocks.report.layer_figures import layer_figures
from tests.report.analysed import values


def test_bars_add_up_to_the_totals_and_faint_ones_are_unproductive(analysis):
    costs = layer_figures(analysis)[0]
    assert [panel.title for panel in costs.panels] == ["MACs", "Parameters", "Saved for the backward pass"]
    macs, params, saved = (values(panel.chart) for panel in costs.panels)
    assert sum(bar["figure"] for bar in macs) == analysis.macs
    assert sum(bar["figure"] for bar in params) == analysis.params
    assert sum(bar["figure"] for bar in saved) * 1024 == pytest.approx(analysis.saved_bytes)
    assert {bar["layer"] for bar in macs if bar["wasted"]} == {layer.name for layer in analysis.unproductive}
    assert {bar["layer"] for bar in macs if bar["wasted"]} == {"6"}  # 3 + 4·1 + 4·2 + 2·6 = 27


def test_dots_are_the_fields_along_each_axis(analysis):
    fields = layer_figures(analysis)[1]
    assert [panel.title for panel in fields.panels] == ["Along the height", "Along the width"]
    dots = {dot["layer"]: dot["size"] for dot in values(fields.panels[0].chart)}
    assert dots == {
        layer.name: layer.receptive_field[0][2] - layer.receptive_field[0][1] + 1
        for layer in analysis.layers
        if layer.receptive_field[0] != "all"
    }
