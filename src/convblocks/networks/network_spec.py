"""Stage and Network: a whole network as one frozen value that reads and writes TOML and JSON."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import msgspec
import tomli_w
import torch
from msgspec import Struct
from msgspec.structs import replace
from torch import nn

from convblocks.blocks.block_spec import BlockSpec, fixed_depth, meta_block
from convblocks.blocks.spec_files import read_table, require_shallow
from convblocks.checks import dimensions, per_axis, whole
from convblocks.errors import OptionError, SpecError
from convblocks.networks.heads import Head, MeanHead
from convblocks.networks.module import ConvNet, Standardise
from convblocks.networks.per_axis import Axes, product
from convblocks.networks.stem import Stem as Stem
from convblocks.text import shown

# A network of so many blocks takes seconds to build, and the deepest that was published, ResNet-1202, has 600.
MOST_BLOCKS = 2_000
MOST_NETWORK_LAYERS = 10_000


class Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`blocks` equal blocks; the first changes the channels and applies the stride."""

    block: BlockSpec
    blocks: int
    out_channels: int
    stride: Axes = 1

    def places(self, in_channels: int) -> Iterator[tuple[int, Axes]]:
        """Yields (in_channels, stride) of each block."""
        for i in range(self.blocks):
            yield (in_channels, self.stride) if i == 0 else (self.out_channels, 1)

    def reduction(self, dims: int) -> Axes:
        """Returns the map's size before the stage over that after it; each block's pool halves."""
        pools = 1 if self.block.option("pool") in (None, "none") else 2**self.blocks
        return product(self.stride, pools, dims=dims)


class Network(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """stem → stages → head, by default the global average and a linear layer. Frozen, hashable.

    Without a stem the first stage sees the input. Every part is tried on the meta device when a Network is
    made. Raises SpecError, whose path says where: ``stages[1].block.depth``.
    """

    in_channels: int
    classes: int
    stem: Stem | None = None
    stages: tuple[Stage, ...]
    head: Head = MeanHead()
    dims: int = 2

    def __post_init__(self) -> None:
        try:
            dimensions(self.dims)
            whole("in_channels", self.in_channels, at_least=1)
            whole("classes", self.classes, at_least=2)
            whole("stages", len(self.stages), at_least=1, at_most=MOST_BLOCKS)
            self._check_size()
        except OptionError as error:
            raise error.at(error.option) from error
        self._try("stem", self.build_stem)
        channels = self.entering
        for i, stage in enumerate(self.stages):
            self._check_stage(f"stages[{i}]", stage, channels)
            channels = stage.out_channels
        self._try("head", self.build_head)

    def _check_size(self) -> None:
        """Refuses too many blocks before any is built: a file of a few lines may describe millions."""
        for i, stage in enumerate(self.stages):
            whole(f"stages[{i}].blocks", stage.blocks, at_least=1, at_most=MOST_BLOCKS)
        blocks = sum(stage.blocks for stage in self.stages)
        if blocks > MOST_BLOCKS:
            raise OptionError("blocks", blocks, f"expected at most {MOST_BLOCKS:,} in all stages together")
        layers = sum(stage.blocks * _layers(stage.block) for stage in self.stages)
        if layers > MOST_NETWORK_LAYERS:
            raise OptionError(
                "depth",
                layers,
                f"expected blocks of {MOST_NETWORK_LAYERS:,} layers at most in all stages together",
            )

    def _try(self, name: str, build: Callable[[], nn.Module]) -> None:
        try:
            # a network may be described that this machine could not hold
            with torch.device("meta"):
                build()
        except OptionError as error:
            raise error.at(f"{name}.{error.option}") from error
        except RuntimeError as error:  # more weights than torch can count
            part = getattr(self, name)
            raise SpecError(
                name, f"{shown(repr(part))} with in_channels={self.in_channels}: {error}"
            ) from error

    @property
    def entering(self) -> int:
        """Channels of the map that the first stage sees."""
        return self.stem.out_channels if self.stem else self.in_channels

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each stage's map."""
        return tuple(stage.out_channels for stage in self.stages)

    @property
    def reductions(self) -> tuple[Axes, ...]:
        """The input's size over each stage's map, as timm calls it."""
        reduction, reductions = (self.stem.reduction(self.dims) if self.stem else 1), []
        for stage in self.stages:
            reduction = product(reduction, stage.reduction(self.dims), dims=self.dims)
            reductions.append(reduction)
        return tuple(reductions)

    def _check_stage(self, path: str, stage: Stage, in_channels: int) -> None:
        try:
            whole("out_channels", stage.out_channels, at_least=1)
            per_axis("stride", stage.stride, self.dims, at_least=1)
        except OptionError as error:
            raise error.at(f"{path}.{error.option}") from error
        for channels, stride in set(stage.places(in_channels)):
            try:
                meta_block(stage.block, channels, stage.out_channels, stride, self.dims)
            except SpecError as error:
                inside = f"{path}.{error.path}" if error.path == "stride" else f"{path}.block.{error.path}"
                raise SpecError(inside.rstrip("."), error.problem) from error

    def build(self, *, features: bool = False, out_indices: Any = None) -> ConvNet:
        """Builds the module with PyTorch's random weights; on the meta device under ``torch.device("meta")``.

        ``features=True`` and `out_indices` are what ``features(network, out_indices)`` was called before.
        """
        if features or out_indices is not None:
            return self._build_features(features, out_indices)
        standardise, stem, stages = self.build_body()
        return ConvNet(standardise, stem, stages, self.build_head())

    def _build_features(self, features: bool, out_indices: Any) -> Any:
        # feature_maps imports this module; only this old way to it leads back
        from convblocks.networks import feature_maps

        if not features:
            raise OptionError(
                "out_indices", out_indices, "chooses among maps; call features(network, out_indices)"
            )
        warnings.warn(
            "network.build(features=True) is now convblocks.networks.features(network, out_indices)",
            DeprecationWarning,
            stacklevel=3,
        )
        return feature_maps.features(self, out_indices)

    def build_body(self) -> tuple[Standardise, nn.Module, list[list[nn.Module]]]:
        """Builds all but the head: the standardisation, the stem, and the blocks of each stage."""
        stages, channels = [], self.entering
        standardise, stem = Standardise(self.in_channels), self.build_stem()
        for stage in self.stages:
            stages.append(
                [
                    stage.block.build(before, stage.out_channels, stride, dims=self.dims)
                    for before, stride in stage.places(channels)
                ]
            )
            channels = stage.out_channels
        return standardise, stem, stages

    def build_stem(self) -> nn.Module:
        """Builds the stem alone; the identity where there is none."""
        return self.stem.build(self.in_channels, self.dims) if self.stem else nn.Identity()

    def build_head(self) -> nn.Module:
        """Builds the head alone."""
        return self.head.build(self.channels, self.reductions, self.classes, self.dims)

    def with_classes(self, classes: int) -> Self:
        """Returns the same network for another number of classes."""
        return replace(self, classes=classes)

    def with_in_channels(self, in_channels: int) -> Self:
        """Returns the same network for another number of input channels."""
        return replace(self, in_channels=in_channels)

    def with_blocks(
        self, block: BlockSpec | str, *, stages: int | Iterable[int] | None = None, **options: Any
    ) -> Self:
        """Returns the same network of other blocks: ``with_blocks("residual", depth=3)``.

        Each stage keeps its number of blocks, channels and stride.

        Args:
            block: a BlockSpec, or the name of a family.
            stages: the numbers of the stages to change, from the end where negative; None for all.
            options: the options of a family that is given by name.

        Raises:
            SpecError: a block that cannot be built there.
            OptionError: a stage that is not there, or options beside a BlockSpec, which has its own.
        """
        if options and not isinstance(block, str):
            name, value = next(iter(options.items()))
            raise OptionError(
                name, value, f"comes beside {block!r}, which has its options already; put it in there"
            )
        spec = BlockSpec(block, **options) if isinstance(block, str) else block
        changed, last = list(self.stages), len(self.stages) - 1
        numbers = range(last + 1) if stages is None else stages if isinstance(stages, Iterable) else [stages]
        for i in numbers:
            if isinstance(i, bool) or not isinstance(i, int) or not -last - 1 <= i <= last:
                raise OptionError("stages", stages, f"expected numbers of stages from 0 to {last}, not {i!r}")
            changed[i] = replace(changed[i], block=spec)
        return replace(self, stages=tuple(changed))

    def deployed(self) -> Self:
        """Returns the network of the same function whose blocks are as they are deployed, after training."""
        stages = tuple(replace(stage, block=stage.block.deployed()) for stage in self.stages)
        return self if stages == self.stages else replace(self, stages=stages)

    def to_dict(self) -> dict[str, Any]:
        """Returns the network as plain tables, lists, strings and numbers."""
        table: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_encode)
        return table

    @classmethod
    def from_dict(cls, table: object) -> Self:
        """Returns the network of a table that `to_dict` gave. Raises SpecError."""
        require_shallow(table)
        try:
            return msgspec.convert(table, cls, dec_hook=_decode)
        except msgspec.ValidationError as error:
            path, cause = _path(str(error)), error.__cause__
            if isinstance(cause, SpecError):
                inside = ".".join(filter(None, (path, cause.path)))
                raise SpecError(inside, cause.problem) from error
            raise SpecError(path, str(error).partition(" - at ")[0].replace("`", "")) from error

    def to_toml(self) -> str:
        """Returns the network as TOML."""
        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Returns the network that TOML describes. Raises SpecError, also for text that is no TOML."""
        return cls.from_dict(read_table(text, "TOML"))

    def to_json(self) -> str:
        """Returns the network as JSON."""
        return msgspec.json.encode(self, enc_hook=_encode).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Returns the network that JSON describes. Raises SpecError, also for text that is no JSON."""
        return cls.from_dict(read_table(text))


def _layers(block: BlockSpec) -> int:
    """Returns a block's depth, as an option or as other options fix it (kernels); 1 where neither says it."""
    depth = block.option("depth")
    if not isinstance(depth, int):
        try:
            depth = fixed_depth(block.family, block.options)
        except (OptionError, SpecError):  # which its building says
            depth = None
    return depth or 1


def _encode(value: object) -> object:
    assert isinstance(value, BlockSpec)
    return value.to_dict()


def _decode(kind: type, value: Any) -> object:
    assert kind is BlockSpec
    return BlockSpec.from_dict(value)


def _path(message: str) -> str:
    """Extracts ``stages[1].block`` from msgspec's "… - at `$.stages[1].block`"."""
    return message.rpartition(" - at `$")[2].rstrip("`").removeprefix(".") if " - at `$" in message else ""
