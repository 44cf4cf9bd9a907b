"""The record of `analyze`: totals, and one entry for each layer in order of execution."""

from typing import Any, Literal

import msgspec
from msgspec import Struct

Number = int | float  # a float only behind up-sampling, where it is a fraction
AxisField = tuple[Number, Number, Number] | Literal["all"] | None
"""[step, lo, hi] along one spatial axis: output i sees inputs step·i + lo … step·i + hi. None: unknown."""


class Layer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call of a module without submodules, or one op outside such calls. Figures are of one image."""

    name: str  # module path
    type: str  # of the module, or the op's name where it stands in a module that has submodules
    output_shape: tuple[int, ...]  # with the batch axis
    params: int  # first read here
    macs: int  # forward
    macs_weight_gradient: int
    macs_input_gradient: int
    activations: int  # elements put out by a convolution or linear layer
    activation_bytes: int
    saved_bytes: (
        int  # kept for backward from here on: what an earlier layer keeps already does not count again
    )
    bytes_read: int
    bytes_written: int
    receptive_field: tuple[AxisField, ...]  # of the output, per spatial axis of the input
    local_field: tuple[
        AxisField, ...
    ]  # the same without what gates such as squeeze-excite show of the whole input
    productive: (
        bool | None
    )  # False: its input already sees the whole image; None where no map is left or known

    @property
    def intensity(self) -> float:
        """MACs per byte moved."""
        moved = self.bytes_read + self.bytes_written
        return self.macs / moved if moved else 0.0


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A module that was called, for the tree."""

    name: str  # module path; empty for the whole
    type: str


class Analysis(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cost, memory and receptive field of a module, from one traced forward. MACs are not time."""

    module: str  # its class
    input_size: tuple[
        int, ...
    ]  # of the first input, without the batch axis: (channels, *spatial) but for what `axes` says
    input_sizes: tuple[tuple[int, ...], ...]
    # Names of the first input's axes: channels, and length, height, width, depth for the spatial ones.
    # Records of earlier versions have none: their channels come first.
    axes: tuple[str, ...] = ()
    # Why they are assumed, where nothing in the forward shows which is which.
    axes_assumed: str = ""
    dtypes: tuple[str, ...]
    params: int
    trainable_params: int
    param_bytes: int
    macs: int  # forward, one image
    macs_weight_gradient: int
    macs_input_gradient: int  # the input itself needs none
    activations: int
    activation_bytes: int
    saved_bytes: (
        int  # kept for backward in training, one image, each storage once; without parameters and buffers
    )
    bytes_read: int
    bytes_written: int
    receptive_field: tuple[AxisField, ...]  # of the first output
    ops: int
    unknown_ops: tuple[str, ...]  # without a rule; if any, macs and what follows from them are lower bounds
    unknown_share: float  # of all ops
    unsaved_ops: tuple[
        str, ...
    ] = ()  # of which it is not known what they keep; if any, saved_bytes is a lower bound
    batch_first: bool = True  # whether the example has one row of the first output; else see advise, CB501
    layers: tuple[Layer, ...]
    parts: tuple[Part, ...]  # in order of their first call

    @property
    def spatial_size(self) -> tuple[int, ...]:
        """Lengths of the first input's spatial axes."""
        if not self.axes:
            return self.input_size[1:]
        named = zip(self.axes, self.input_size, strict=True)
        return tuple([n for name, n in named if name != "channels"])

    @property
    def channels(self) -> int:
        """Channels of the first input; 1 where it has no such axis."""
        if not self.axes:
            return self.input_size[0]
        return self.input_size[self.axes.index("channels")] if "channels" in self.axes else 1

    @property
    def lower_bounds(self) -> bool:
        """Returns True where some op had no rule, so that totals may be too small."""
        return bool(self.unknown_ops)

    @property
    def unproductive(self) -> tuple[Layer, ...]:
        """Layers with MACs whose input already sees the whole image (Richter et al. 2021, arXiv:2106.12307)."""
        return tuple(layer for layer in self.layers if layer.productive is False and layer.macs)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain tables, lists and numbers, as `--json` prints them."""
        table: dict[str, Any] = msgspec.json.decode(self.to_json())
        return table

    def to_json(self) -> str:
        """Returns the record as one line of JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Analysis":
        """Returns the record that `to_json` wrote."""
        return msgspec.json.decode(text, type=cls)
