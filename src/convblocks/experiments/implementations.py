"""Every way to fill a stack of D convolution layers: family × block depth × groups."""

from collections import Counter
from dataclasses import dataclass
from math import log2
from typing import Any

from msgspec.structs import replace

from convblocks.blocks.spec import BlockSpec, block_class, block_options, meta_block
from convblocks.errors import OptionError, SpecError
from convblocks.layers.init import INITIALISATIONS
from convblocks.networks.axes import Axes
from convblocks.networks.dilation import dilated
from convblocks.networks.heads import GridHead, Head, MeanHead
from convblocks.networks.segmentation import DilatedHead
from convblocks.networks.spec import Network, Stage, Stem

SEAMLESS = ("simple", "repvgg")
"""Families that are the same network however it is cut into blocks, so listed once, a block a stage."""

BODY_SIZE = 64  # the stem strides until no axis of the map is longer
SMALLEST_MAP = 4  # stages halve a map down to this
RATES_FOR = 64  # positions of the map that DeepLab's rates are for, an eighth of 512 pixels
MOST_LAYERS = 2000  # of a stack; matching 1,000 takes 20 s, and the deepest published ResNet has 1,202


@dataclass(frozen=True, slots=True)
class Implementation:
    """One way to fill a stack, before its width is chosen."""

    family: str
    block_depth: int
    groups: int
    stack_depth: int
    stages: int
    init: str = "he_normal"

    @property
    def blocks(self) -> int:
        """Blocks in a stage."""
        return self.stack_depth // self.stages // self.block_depth

    @property
    def spec(self) -> BlockSpec:
        grouped = {"groups": self.groups} if self.groups > 1 else {}  # a family may have no groups at all
        known = block_options(self.family)
        made_for = {n: v for n, v in INITIALISATIONS[self.init].options.items() if n in known}
        return BlockSpec(self.family, depth=self.block_depth, **grouped, **made_for)

    @property
    def unit(self) -> int:
        """Widths are multiples of this, so that the family and its groups divide what they split; 1 if any fits."""
        of_family: int = getattr(block_class(self.family), "channels_multiple_of", 1)
        if self.groups == 1 or _builds(self.spec, of_family * (self.groups + 1)):
            return of_family
        return of_family * self.groups * (self.spec.option("expansion") or 1)

    @property
    def name(self) -> str:
        """Unique in a study, fit for a file name: residual-2-d8, bottleneck-4-g8-d56."""
        family = self.family.rpartition(":")[2].lower()
        depth = "" if self.family in SEAMLESS else f"-{self.block_depth}"
        groups = f"-g{self.groups}" if self.groups > 1 else ""
        return f"{family}{depth}{groups}-d{self.stack_depth}"


CLASSIFIER = MeanHead()


@dataclass(frozen=True, slots=True)
class Frame:
    """All of a network but its blocks and widths: what implementations of a study share."""

    in_channels: int
    size: tuple[int, ...]  # spatial axes of an example
    classes: int
    stages: int
    head: Head = CLASSIFIER

    def network(self, implementation: Implementation, widths: tuple[int, ...]) -> Network:
        """The implementation with `widths[i]` channels in stage i. Raises SpecError if it cannot be built."""
        strides, made_for = self._stage_strides(), INITIALISATIONS[implementation.init].options
        stem = Stem(
            out_channels=widths[0],
            kernel_size=_short(self._stem_kernel()),
            stride=_short(self.stem_stride()),
        )
        stem = replace(stem, **{n: v for n, v in made_for.items() if n in ("norm", "activation")})
        head = self._head(widths)
        if getattr(block_class(implementation.family), "preactivated", False):
            # such blocks open with a norm and close with a convolution or an addition
            stem = replace(stem, norm="none", activation="none", bias=False)
            norm, activation = (implementation.spec.option(name) for name in ("norm", "activation"))
            if not isinstance(head, GridHead):
                head = replace(head, norm=norm, activation=activation)
        network = Network(
            in_channels=self.in_channels,
            classes=self.classes,
            stem=stem,
            stages=tuple(
                Stage(
                    block=implementation.spec,
                    blocks=implementation.blocks,
                    out_channels=width,
                    stride=_short(stride),
                )
                for width, stride in zip(widths, strides, strict=True)
            ),
            head=head,
            dims=len(self.size),
        )
        return dilated(network, self._most()) if isinstance(head, DilatedHead) else network

    def _head(self, widths: tuple[int, ...]) -> Head:
        """A dilated one's width is the first stage's, and its rates are the paper's share of the map's length."""
        if not isinstance(self.head, DilatedHead):
            return self.head
        longest = max(-(-n // self._most()) for n in self.size)
        rates = dict.fromkeys(max(1, round(rate * longest / RATES_FOR)) for rate in self.head.rates)
        return replace(self.head, width=widths[0], rates=tuple(rates))

    def _most(self) -> int:
        """A dilated backbone's map at its smallest: DeepLab's is half of that behind its stem, at an eighth."""
        return 2 * max(self.stem_stride())

    def stem_stride(self) -> tuple[int, ...]:
        """Powers of two that bring every axis down to BODY_SIZE."""
        return tuple(next(2**i for i in range(64) if -(-n // 2**i) <= BODY_SIZE) for n in self.size)

    def _stem_kernel(self) -> tuple[int, ...]:
        return tuple(max(3, 2 * stride - 1) for stride in self.stem_stride())  # so that it skips no input

    def _stage_strides(self) -> list[tuple[int, ...]]:
        """1 for the first stage, then 2 along every axis that stays at least SMALLEST_MAP long."""
        sizes = [-(-n // s) for n, s in zip(self.size, self.stem_stride(), strict=True)]
        strides = [(1,) * len(sizes)]
        for _ in range(self.stages - 1):
            stride = tuple(2 if n >= 2 * SMALLEST_MAP - 1 else 1 for n in sizes)
            sizes = [-(-n // s) for n, s in zip(sizes, stride, strict=True)]
            strides.append(stride)
        return strides


def default_stages(
    size: tuple[int, ...],
    depths: tuple[int, ...],
    families: tuple[str, ...],
    block_depths: tuple[int, ...],
    groups: tuple[int, ...],
    init: str = "he_normal",
) -> int:
    """As many stages as halvings leave a map of SMALLEST_MAP, up to 4, that share all depths out evenly.

    Fewer, if fewer notes come of it: a bottleneck takes 3 layers or more, which a short stage lacks.
    """
    longest = max(min(n, BODY_SIZE) for n in size)
    most = min(4, max(1, int(log2(longest / SMALLEST_MAP)) + 1))
    even = [s for s in range(most, 0, -1) if all(depth % s == 0 for depth in depths)]
    return min(even, key=lambda s: len(implementations(depths, s, families, block_depths, groups, init)[1]))


def implementations(
    depths: tuple[int, ...],
    stages: int,
    families: tuple[str, ...],
    block_depths: tuple[int, ...],
    groups: tuple[int, ...],
    init: str = "he_normal",
) -> tuple[list[Implementation], list[str]]:
    """All implementations of the stack depths, and in words those that a depth does not allow.

    Raises OptionError for a depth that the stages cannot share, and for an unknown family.
    """
    found: list[Implementation] = []
    notes: list[str] = []
    for depth in depths:
        share, rest = divmod(depth, stages)
        if rest or not share:
            below = max(stages, depth - rest)
            raise OptionError(
                "depths",
                depth,
                f"{stages} stages cannot share it evenly; use {below} or {below + stages}, or other stages",
            )
        for family in families:
            options = _options(family)
            wanted = (share,) if family in SEAMLESS else block_depths
            for group in _groups(options, groups):
                candidates = [
                    Implementation(family, d, group, depth, stages, init) for d in wanted if share % d == 0
                ]
                refusals = {c: refusal for c in candidates if (refusal := _refusal(c))}
                fitting = [c for c in candidates if c not in refusals]
                found += fitting
                if not fitting:
                    reason = f"; {refusals[candidates[-1]]}" if candidates else ""
                    notes.append(
                        f"{family}: none of the block depths {', '.join(map(str, wanted))} "
                        f"fills the {share} layers of a stage at stack depth {depth}{reason}"
                    )
                else:  # that a family refuses a depth is no news; that a class fails at one is
                    notes += [f"{family}: {refusal}" for refusal in refusals.values() if not refusal.path]
    for name, count in Counter(i.name for i in found).items():
        if count > 1:
            raise OptionError(
                "families", ",".join(families), f"two of them give designs called {name}; rename one class"
            )
    return found, notes


def _options(family: str) -> dict[str, Any]:
    try:
        options = block_options(family)
    except SpecError as error:
        raise OptionError("families", family, error.problem) from error
    if "depth" not in options:
        raise OptionError("families", family, "has no option depth, which compare varies")
    return options


def _groups(options: dict[str, Any], asked: tuple[int, ...]) -> tuple[int, ...]:
    """The groups to try: 1 stands for a family's own number, 32 for resnext; only 1 where a family has none."""
    if "groups" not in options:
        return (1,)
    return tuple(dict.fromkeys(group if group > 1 else options["groups"] or 1 for group in asked))


def _builds(spec: BlockSpec, channels: int) -> bool:
    try:
        meta_block(spec, channels, channels, 1, 2)
    except SpecError:
        return False
    return True


def _refusal(candidate: Implementation) -> SpecError | None:
    """Why the family cannot have that depth at all, if so."""
    try:
        _ = candidate.spec
    except SpecError as refusal:
        return refusal
    return None


def _short(axes: tuple[int, ...]) -> Axes:
    return axes[0] if len(set(axes)) == 1 else axes
