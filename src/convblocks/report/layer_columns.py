"""The table of layers: one list of its columns, each with its definition."""

from collections.abc import Callable
from dataclasses import dataclass

from convblocks import formatting as fmt
from convblocks.records import Analysis, Layer
from convblocks.report.columns import Cell
from convblocks.report.totals import extent
from convblocks.text import times


@dataclass(frozen=True, slots=True)
class LayerColumn:
    """A column of layers; a cell is made of a layer and the analysis that it is part of."""

    title: str
    definition: str
    cell: Callable[[Layer, Analysis], Cell]
    numeric: bool = True


def _count(figure: str) -> Callable[[Layer, Analysis], Cell]:
    return lambda layer, _: Cell(fmt.count(getattr(layer, figure)), value=getattr(layer, figure))


def _size(figure: str) -> Callable[[Layer, Analysis], Cell]:
    return lambda layer, _: Cell(fmt.size(getattr(layer, figure)), value=getattr(layer, figure))


def _name(layer: Layer, _: Analysis) -> Cell:
    return Cell(layer.name or "(the whole)", value=layer.name)


def _type(layer: Layer, _: Analysis) -> Cell:
    return Cell(layer.type, value=layer.type)


def _output(layer: Layer, _: Analysis) -> Cell:
    elements = 1
    for n in layer.output_shape:
        elements *= n
    return Cell(times(layer.output_shape[1:]), value=elements)


def _share(layer: Layer, analysis: Analysis) -> Cell:
    share = layer.macs / analysis.macs if analysis.macs else 0.0
    return Cell(fmt.percent(share, unit=False), value=share)


def _intensity(layer: Layer, _: Analysis) -> Cell:
    return Cell(fmt.significant(layer.intensity), value=layer.intensity)


def _field(layer: Layer, _: Analysis) -> Cell:
    sizes = [
        float("inf") if axis == "all" else float(axis[2] - axis[1] + 1)
        for axis in layer.receptive_field
        if axis is not None
    ]
    return Cell(extent(layer.receptive_field), value=max(sizes, default=None))


def _productive(layer: Layer, _: Analysis) -> Cell:
    text = {True: "yes", False: "no", None: fmt.MISSING}[layer.productive]
    return Cell(text, value=None if layer.productive is None else text)


WHERE = "Path of the module, in order of execution; an op stands in the module that calls it."
WASTED = "No: what enters already sees the whole image (Richter et al. 2021). —: no map is left."

COLUMNS = (
    LayerColumn("Layer", WHERE, _name, False),
    LayerColumn("Type", "Class of the module, or name of the op.", _type, False),
    LayerColumn("Output", "Shape without the batch.", _output),
    LayerColumn("Params", "Parameters first read here.", _count("params")),
    LayerColumn("MACs", "Multiply-accumulates of the forward pass of one image.", _count("macs")),
    LayerColumn("MACs, %", "Of those of the whole.", _share),
    LayerColumn(
        "Activations", "Bytes put out, of convolutions and linear layers.", _size("activation_bytes")
    ),
    LayerColumn("Saved", "Bytes kept for the backward pass from here on.", _size("saved_bytes")),
    LayerColumn("MACs/B", "Arithmetic intensity: MACs over bytes read and written.", _intensity),
    LayerColumn(
        "Field, px", "Receptive field: how much of the input one output sees; all: the whole.", _field
    ),
    LayerColumn("Productive", WASTED, _productive, False),
)
