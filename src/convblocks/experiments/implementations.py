"""Every way to fill a stack of D convolution layers: family × block depth × groups."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import lcm, log2

from msgspec.structs import replace

from convblocks.blocks.block_spec import BlockSpec, block_class
from convblocks.errors import OptionError, SpecError
from convblocks.experiments.family_grid import FamilyGrid, family_grids
from convblocks.layers.init import INITIALISATIONS
from convblocks.networks.dilation import dilated
from convblocks.networks.heads import GridHead, Head, MeanHead
from convblocks.networks.network_spec import Network, Stage, Stem
from convblocks.networks.per_axis import Axes
from convblocks.networks.segmentation import DilatedHead
from convblocks.networks.widths import width_unit
from convblocks.records import Question
from convblocks.records.question import MOST_STACK_LAYERS
from convblocks.text import listed, plural

BODY_SIZE = 64  # the stem strides until no axis of the map is longer
SMALLEST_MAP = 4  # stages halve a map down to this
RATES_FOR = 64  # positions of the map that DeepLab's rates are for, an eighth of 512 pixels


@dataclass(frozen=True, slots=True)
class Implementation:
    """One way to fill a stack, before its width is chosen."""

    family: FamilyGrid
    block_depth: int
    groups: int
    block: BlockSpec
    stack_depth: int
    stages: int

    @property
    def blocks(self) -> int:
        """Returns the blocks in a stage."""
        return self.stack_depth // self.stages // self.block_depth

    @property
    def unit(self) -> int:
        """Returns what widths are multiples of, so that family and groups divide what they split; 1 if any fits."""
        return width_unit(self.block)

    @property
    def name(self) -> str:
        """Returns a name that is unique in a study and fit for a file: residual-2-d8, bottleneck-4-g8-d56."""
        of_blocks = self.family.label(self.block_depth, self.groups, self.stack_depth // self.stages)
        return f"{of_blocks}-d{self.stack_depth}"


CLASSIFIER = MeanHead()


@dataclass(frozen=True, slots=True)
class Frame:
    """The parts that all networks of a study share: all but their blocks and widths."""

    in_channels: int
    size: tuple[int, ...]  # spatial axes of an example
    classes: int
    stages: int
    head: Head = CLASSIFIER

    def network(self, implementation: Implementation, widths: tuple[int, ...]) -> Network:
        """Returns the implementation with `widths[i]` channels in stage i.

        Raises:
            SpecError: if it cannot be built.
        """
        strides, of_init = self._stage_strides(), INITIALISATIONS[implementation.family.init].options
        stem = Stem(
            out_channels=widths[0],
            kernel_size=_short(self._stem_kernel()),
            stride=_short(self.stem_stride()),
        )
        stem = replace(stem, **{n: v for n, v in of_init.items() if n in ("norm", "activation")})
        head = self._head(widths)
        if getattr(block_class(implementation.block.family), "preactivated", False):
            # such blocks open with a norm and close with a convolution or an addition
            stem = replace(stem, norm="none", activation="none", bias=False)
            norm, activation = (implementation.block.option(name) for name in ("norm", "activation"))
            if not isinstance(head, GridHead):
                head = replace(head, norm=norm, activation=activation)
        network = Network(
            in_channels=self.in_channels,
            classes=self.classes,
            stem=stem,
            stages=tuple(
                Stage(
                    block=implementation.block,
                    blocks=implementation.blocks,
                    out_channels=width,
                    stride=_short(stride),
                )
                for width, stride in zip(widths, strides, strict=True)
            ),
            head=head,
            dims=len(self.size),
        )
        return dilated(network, self._output_stride()) if isinstance(head, DilatedHead) else network

    def _head(self, widths: tuple[int, ...]) -> Head:
        """Returns the head; a dilated one has the first stage's width, and the paper's rates for the map's length."""
        if not isinstance(self.head, DilatedHead):
            return self.head
        longest = max(-(-n // self._output_stride()) for n in self.size)
        rates = dict.fromkeys(max(1, round(rate * longest / RATES_FOR)) for rate in self.head.rates)
        return replace(self.head, width=widths[0], rates=tuple(rates))

    def _output_stride(self) -> int:
        """Returns the stride of a dilated backbone: DeepLab's map is half of that behind its stem, an eighth."""
        return 2 * max(self.stem_stride())

    def stem_stride(self) -> tuple[int, ...]:
        """Returns the powers of two that bring every axis down to BODY_SIZE."""
        return tuple(next(2**i for i in range(64) if -(-n // 2**i) <= BODY_SIZE) for n in self.size)

    def _stem_kernel(self) -> tuple[int, ...]:
        return tuple(max(3, 2 * stride - 1) for stride in self.stem_stride())  # so that it skips no input

    def _stage_strides(self) -> list[tuple[int, ...]]:
        """Returns 1 for the first stage, then 2 along every axis that stays at least SMALLEST_MAP long."""
        sizes = [-(-n // s) for n, s in zip(self.size, self.stem_stride(), strict=True)]
        strides = [(1,) * len(sizes)]
        for _ in range(self.stages - 1):
            stride = tuple(2 if n >= 2 * SMALLEST_MAP - 1 else 1 for n in sizes)
            sizes = [-(-n // s) for n, s in zip(sizes, stride, strict=True)]
            strides.append(stride)
        return strides


def default_stages(question: Question, size: tuple[int, ...]) -> int:
    """Returns as many stages as halvings leave a map of SMALLEST_MAP, up to 4, that share all depths out evenly.

    Fewer, if fewer notes come of it: a bottleneck takes 3 layers or more, which a short stage lacks.

    Args:
        question: its own `stages` do not count.
        size: spatial axes of an example.
    """
    longest = max(min(n, BODY_SIZE) for n in size)
    most = min(4, max(1, int(log2(longest / SMALLEST_MAP)) + 1))
    step = _step(family_grids(question))
    even = [s for s in range(most, 0, -1) if all(depth % (s * step) == 0 for depth in question.depths)] or [1]
    return min(even, key=lambda stages: len(implementations(replace(question, stages=stages))[1]))


def implementations(question: Question) -> tuple[list[Implementation], list[str]]:
    """Returns all implementations of the question, whose stages are given, and a note on each that a depth forbids.

    Raises:
        OptionError: for a depth that the stages cannot share, or the blocks of a family whose depth its options fix;
            for a family that cannot be; and for two families whose designs would have one name.
    """
    assert question.stages is not None
    families = family_grids(question)
    grid: list[Implementation] = []
    notes: list[str] = []
    for depth in question.depths:
        layers = _share(depth, question.stages, families)
        for family in families:
            for group in family.groups(question.groups):
                block_depths = family.depths(layers, question.block_depths)
                blocks, refusals = _blocks(family, [d for d in block_depths if layers % d == 0], group)
                grid += [
                    Implementation(family, block_depth, group, block, depth, question.stages)
                    for block_depth, block in blocks.items()
                ]
                if not blocks:
                    reason = f"; {refusals[-1]}" if refusals else ""
                    notes.append(
                        f"{family.text}: none of the block depths {', '.join(map(str, block_depths))} fills the "
                        f"{plural(layers, 'layer')} of a stage at stack depth {depth}{reason}"
                        f"{_fix(question, family, depth, group)}"
                    )
                else:  # that a family refuses a depth is no news; that a class fails at one is
                    notes += [f"{family.text}: {refusal}" for refusal in refusals if not refusal.path]
    _require_different_names(grid, families)
    return grid, notes


def _require_different_names(grid: Sequence[Implementation], families: Sequence[FamilyGrid]) -> None:
    for name, count in Counter(i.name for i in grid).items():
        if count > 1:
            raise OptionError(
                "families",
                ",".join(family.text for family in families),
                f"two of them give designs called {name}; compare them in two studies, or rename one class",
            )


def _fix(question: Question, family: FamilyGrid, depth: int, group: int) -> str:
    """Returns what would give the family a place in the study, one thing changed at a time; "" where nothing does."""
    stages, block_depths = question.stages or 1, question.block_depths
    share = depth // stages

    def fits(layers: int, tried: tuple[int, ...]) -> bool:
        return bool(_blocks(family, [d for d in family.depths(layers, tried) if layers % d == 0], group)[0])

    fewer = [s for s in range(stages - 1, 0, -1) if depth % s == 0]
    deeper = sorted(n for d in block_depths if (n := (share // d + 1) * d) * stages <= MOST_STACK_LAYERS)
    untried = [d for d in range(1, share + 1) if share % d == 0 and d not in block_depths]
    ways = (  # of each the first that fits; to try one is to build its block
        (plural(s, "stage") for s in fewer if fits(depth // s, block_depths)),
        (f"depth {layers * stages}" for layers in deeper if fits(layers, block_depths)),
        (f"block depth {d}" for d in untried if fits(share, (d,))),
    )
    both = (
        f"{plural(s, 'stage')} and block depth {depth // s}" for s in fewer if fits(depth // s, (depth // s,))
    )
    texts = [text for way in ways if (text := next(way, ""))] or [*islice(both, 1)]
    return f"; give {listed(texts, 'or')}" if texts else ""


def _step(families: Iterable[FamilyGrid]) -> int:
    """Returns what the layers of a stage are a multiple of, for the families whose options fix a block depth."""
    return lcm(*(family.depth or 1 for family in families))


def _share(depth: int, stages: int, families: Sequence[FamilyGrid]) -> int:
    """Returns the layers of a stage.

    Raises:
        OptionError: if they are no whole number, or no multiple of a block depth that a family fixes.
    """
    share, rest = divmod(depth, stages)
    if rest or not share:
        below, above = _depths_around(depth, stages)
        raise OptionError(
            "depths",
            depth,
            f"{stages} stages cannot share it evenly; use {below} or {above}, or other stages",
        )
    for family in families:
        if share % (family.depth or 1):
            below, above = _depths_around(depth, stages * _step(families))
            raise OptionError(
                "families",
                family.text,
                f"its blocks of {family.depth} layers do not fill the {share} of a stage at stack depth {depth}; "
                f"use depth {below} or {above}, or other stages",
            )
    return share


def _depths_around(depth: int, step: int) -> tuple[int, int]:
    below = max(step, depth // step * step)
    return below, below + step


def _blocks(
    family: FamilyGrid, depths: Iterable[int], groups: int
) -> tuple[dict[int, BlockSpec], list[SpecError]]:
    """Returns the blocks that the family can have by their depth, and why it cannot have the others."""
    fitting, refusals = {}, []
    for depth in depths:
        try:
            fitting[depth] = family.block(depth, groups)
        except SpecError as refusal:
            refusals.append(refusal)
    return fitting, refusals


def _short(axes: tuple[int, ...]) -> Axes:
    return axes[0] if len(set(axes)) == 1 else axes
