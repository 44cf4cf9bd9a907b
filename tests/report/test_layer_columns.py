"""Cells of the table of layers."""

from convblocks.report.layer_columns import COLUMNS


def test_cells_are_the_figures_of_the_layer(analysis):
    columns = {column.title: column for column in COLUMNS}
    for layer in analysis.layers:
        assert columns["Params"].cell(layer, analysis).value == layer.params
        assert columns["MACs"].cell(layer, analysis).value == layer.macs
        assert columns["Saved"].cell(layer, analysis).value == layer.saved_bytes
    shares = [columns["MACs, %"].cell(layer, analysis).value for layer in analysis.layers]
    assert abs(sum(shares) - 1) < 1e-9
