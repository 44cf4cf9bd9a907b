"""Stage and Network: a whole classifier as one frozen value that reads and writes TOML and JSON."""

import tomllib
from collections.abc import Iterator
from typing import Any, Self

import msgspec
import tomli_w
import torch
from msgspec import Struct

from convblocks.blocks.spec import BlockSpec, meta_block
from convblocks.errors import OptionError, SpecError
from convblocks.layers import ConvNormAct
from convblocks.layers.check import dimensions, per_axis, whole
from convblocks.networks.module import ClassificationHead, ConvNet, Standardise

Axes = int | tuple[int, ...]
MOST_BLOCKS = 10_000  # in a stage; more would build for minutes


class Stem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The convolution layer before the first stage."""

    out_channels: int
    kernel_size: Axes = 3
    stride: Axes = 1
    norm: str = "batch"
    activation: str = "relu"

    def build(self, in_channels: int, dims: int) -> ConvNormAct:
        return ConvNormAct(
            in_channels,
            self.out_channels,
            self.kernel_size,
            self.stride,
            norm=self.norm,
            activation=self.activation,
            dims=dims,
        )


class Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`blocks` equal blocks; the first changes the channels and applies the stride."""

    block: BlockSpec
    blocks: int
    out_channels: int
    stride: Axes = 1

    def places(self, in_channels: int) -> Iterator[tuple[int, Axes]]:
        """(in_channels, stride) of each block."""
        for i in range(self.blocks):
            yield (in_channels, self.stride) if i == 0 else (self.out_channels, 1)


class Network(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A classifier: stem → stages → global average → linear. Frozen, hashable.

    Every block is tried on the meta device when a Network is made. Raises SpecError, whose path says
    where: ``stages[1].block.depth``.
    """

    in_channels: int
    classes: int
    stem: Stem
    stages: tuple[Stage, ...]
    dims: int = 2

    def __post_init__(self) -> None:
        try:
            dimensions(self.dims)
            whole("in_channels", self.in_channels, at_least=1)
            whole("classes", self.classes, at_least=2)
            whole("stages", len(self.stages), at_least=1)
        except OptionError as error:
            raise SpecError(error.option, f"got {error.given!r}; {error.expected}") from error
        try:
            with torch.device("meta"):  # a network may be described that this machine could not hold
                self.stem.build(self.in_channels, self.dims)
        except OptionError as error:
            raise SpecError(f"stem.{error.option}", f"got {error.given!r}; {error.expected}") from error
        except RuntimeError as error:  # more weights than torch can count
            raise SpecError("stem", f"{self.stem!r} with in_channels={self.in_channels}: {error}") from error
        channels = self.stem.out_channels
        for i, stage in enumerate(self.stages):
            self._check_stage(f"stages[{i}]", stage, channels)
            channels = stage.out_channels

    def _check_stage(self, path: str, stage: Stage, in_channels: int) -> None:
        try:
            whole("blocks", stage.blocks, at_least=1, at_most=MOST_BLOCKS)
            whole("out_channels", stage.out_channels, at_least=1)
            per_axis("stride", stage.stride, self.dims, at_least=1)
        except OptionError as error:
            raise SpecError(f"{path}.{error.option}", f"got {error.given!r}; {error.expected}") from error
        for channels, stride in set(stage.places(in_channels)):
            try:
                meta_block(stage.block, channels, stage.out_channels, stride, self.dims)
            except SpecError as error:
                inside = f"{path}.{error.path}" if error.path == "stride" else f"{path}.block.{error.path}"
                raise SpecError(inside.rstrip("."), error.problem) from error

    def build(self) -> ConvNet:
        """The module, with PyTorch's random weights; on the meta device under ``torch.device("meta")``."""
        stages, channels = [], self.stem.out_channels
        for stage in self.stages:
            stages.append(
                [
                    stage.block.build(before, stage.out_channels, stride, dims=self.dims)
                    for before, stride in stage.places(channels)
                ]
            )
            channels = stage.out_channels
        return ConvNet(
            Standardise(self.in_channels),
            self.stem.build(self.in_channels, self.dims),
            stages,
            ClassificationHead(channels, self.classes),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain tables, lists, strings and numbers."""
        table: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_encode)
        return table

    @classmethod
    def from_dict(cls, table: object) -> Self:
        """The inverse of to_dict. Raises SpecError."""
        try:
            return msgspec.convert(table, cls, dec_hook=_decode)
        except msgspec.ValidationError as error:
            path, cause = _path(str(error)), error.__cause__
            if isinstance(cause, SpecError):
                inside = ".".join(filter(None, (path, cause.path)))
                raise SpecError(inside, cause.problem) from error
            raise SpecError(path, str(error).partition(" - at ")[0].replace("`", "")) from error

    def to_toml(self) -> str:
        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Raises SpecError, also for text that is no TOML."""
        try:
            return cls.from_dict(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise SpecError("", f"not TOML: {error}") from error

    def to_json(self) -> str:
        return msgspec.json.encode(self, enc_hook=_encode).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises SpecError, also for text that is no JSON."""
        try:
            return cls.from_dict(msgspec.json.decode(text))
        except msgspec.DecodeError as error:
            raise SpecError("", f"not JSON: {error}") from error


def _encode(value: object) -> object:
    assert isinstance(value, BlockSpec)
    return value.to_dict()


def _decode(kind: type, value: Any) -> object:
    assert kind is BlockSpec
    return BlockSpec.from_dict(value)


def _path(message: str) -> str:
    """``stages[1].block`` from msgspec's "… - at `$.stages[1].block`"."""
    return message.rpartition(" - at `$")[2].rstrip("`").removeprefix(".") if " - at `$" in message else ""
