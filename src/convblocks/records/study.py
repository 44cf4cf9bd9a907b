"""The records that a study leaves behind: frozen, one JSON object a line.

    Study     the question, the data and the conditions                 study.json
    Design    one implementation at its solved width, and its cost      designs.jsonl
    Run       one design trained with one seed                          runs.jsonl
    Latency   one design timed on this machine                          latency.jsonl
    Summary   the statistics and the recommendation                     summary.json

Everything measured with a clock lives in fields named ``timing`` or in `Latency`; all else
repeats bit for bit on the same machine with the same thread count. JSON has no NaN: what is not finite is None.
"""

import warnings
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from convblocks.records.data_card import DataCard
from convblocks.records.option import fields
from convblocks.records.outline import Outline
from convblocks.records.question import Question

Axis = tuple[int, int, int]
"""Receptive field along one axis, (step, lo, hi): output i sees inputs step·i + lo … step·i + hi."""

Verdict = Literal["best", "within noise", "perhaps worse", "worse", "one seed", "unfinished"]
"""A design against the best on validation; "unfinished" where too few of its seeds are, "one seed" where one is all."""

TOLERANCE = 0.03
"""The part of the budget by which a matched design may miss it."""

Overlap = tuple[int, int, int, int]
"""(example, class, positions of the class in both answer and label, positions in either), where the last is not 0."""


class Host(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The machine that measured figures."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    device: str  # torch device that trains and is timed
    versions: dict[str, str]


OPTIONS = fields(Question)
FIRST_RECIPE = frozenset(
    ("epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "warmup", "augment", "init")
)
"""What version 1 of the digest hashed of a recipe, whatever its value."""


class Study(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question put to one data set."""

    name: str
    folder: str = ""  # as it was given, relative to where the command ran
    command: str
    started: str  # ISO 8601, UTC
    data: DataCard
    depths: tuple[int, ...]
    stages: int
    families: tuple[str, ...] = ()
    block_depths: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    sources: dict[str, str] = {}  # package.module:Class → SHA-256 of its source file
    notes: tuple[str, ...] = ()  # implementations that the stack depth does not allow, in words
    head: str = ""  # unet | dilated, to segment
    match: str  # macs | params | activations | none
    budget: int | None  # in units of `match`
    seeds: tuple[int, ...]
    recipe: dict[str, str | int | float]
    # what the question has and no field here, where it is not the default
    options: dict[str, object] = {}
    proposer: str = ""  # of a search, the class that proposes its designs; "" for a compare
    threads: int  # per worker
    workers: int
    host: Host

    @property
    def question(self) -> dict[str, object]:
        """Returns what makes two studies the same, flat: everything that changes a figure other than a timing.

        An option that came after version 1 stands in it only where it is not its default.
        """
        first = ("depths", "stages", "families", "block_depths", "groups", "match", "budget", "threads")
        recipe = {
            name: value
            for name, value in self.recipe.items()
            if name in FIRST_RECIPE or name not in OPTIONS or value != OPTIONS[name].default
        }
        later = {
            name: value
            for name, value in self.options.items()
            if name not in OPTIONS or OPTIONS[name].option.identity
        }
        # a U-Net, before a study recorded its head
        segments = {"head": self.head or "unet"} if self.data.task == "segment" else {}
        return {
            **{name: getattr(self, name) for name in first},
            **segments,
            **{f"sources.{family}": sha for family, sha in self.sources.items()},
            **{f"recipe.{name}": value for name, value in recipe.items()},
            **later,
            **({"proposer": self.proposer} if self.proposer else {}),
            "data": self.data.sha256,
            "device": self.host.device,
            "torch": self.host.versions.get("torch", ""),
            "convblocks": self.host.versions.get("convblocks", ""),
        }

    @property
    def digest(self) -> str:
        """Returns SHA-256 of the question; each record of the study carries it. More seeds leave it as it is.

        This is version 2 of what is hashed. Names of folders come from it, so its keys and texts never change.
        """
        return sha256(msgspec.json.encode(self._hashed(), order="sorted")).hexdigest()

    @property
    def first_digest(self) -> str:
        """Returns version 1 of the digest, which was of the processor too; folders of that version have its name."""
        hashed = {**self._hashed(), "processor": self.host.cpu}
        return sha256(msgspec.json.encode(hashed, order="sorted")).hexdigest()

    def _hashed(self) -> dict[str, object]:
        hashed = {key: value for key, value in self.question.items() if not key.startswith("sources.")}
        for family, sha in self.sources.items():
            hashed[f"source file of {family}"] = f"SHA-256 {sha[:12]}…"
        return hashed


def digest_of(network: dict[str, object]) -> str:
    """Returns the SHA-256 of a Network spec, given as its JSON."""
    return sha256(msgspec.json.encode(network, order="sorted")).hexdigest()


class Design(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network to train; one of a grid says which implementation of a stack it is."""

    name: str  # e.g. residual-2-d8; net- and the network's digest where nothing else names it
    family: str = ""  # of a grid's implementation, as the next three; "" and 0 for any other network
    block_depth: int = 0
    groups: int = 0
    stack_depth: int = 0
    blocks: int  # in the whole stack
    widths: tuple[int, ...]  # out_channels of each stage
    network: dict[str, object]  # the Network spec, as its JSON
    deployed: dict[str, object] | None = (
        None  # the spec of what that becomes after training, if another: costs and latency are of it
    )
    params: int
    macs: int  # one example, forward
    activations: int  # elements put out by all convolution and linear layers, one example
    activation_bytes: int  # the same in bytes, float32
    receptive_field: tuple[
        Axis | Literal["all"] | None, ...
    ]  # of the body's output, per spatial axis; None: unknown
    gradient_norms: tuple[
        float | None, ...
    ]  # None: not finite; ‖∂loss/∂weight‖ of each main-path convolution at initialisation
    gradients_unknown: str = ""  # why there are no gradient norms, where a trained design has none
    unknown_ops: tuple[str, ...] = ()  # if any, macs and activations are lower bounds
    block: Outline | None = None  # drawn: one within the first stage; None in older folders
    problem: str = ""  # why it could not be matched and was not trained; "" if it was

    @property
    def gradient_ratio(self) -> float:
        """Returns the gradient norm of the first convolution over the last's, at the start; nan if there is none."""
        first, last = (
            (self.gradient_norms[0], self.gradient_norms[-1]) if self.gradient_norms else (None, None)
        )
        return first / last if first is not None and last else float("nan")

    @property
    def digest(self) -> str:
        """SHA-256 of the network, which is what makes two designs the same."""
        return digest_of(self.network)

    @property
    def label(self) -> str:
        """Returns the implementation without its depth, the same at every stack depth: residual-2."""
        return self.name.removesuffix(f"-d{self.stack_depth}")


class Epoch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pass over the training data; scores are of the study's metric."""

    train_loss: float | None  # None: no longer finite
    train_score: float  # on the training batches as they passed
    validation_score: float


class RunTiming(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds on the clock; they differ from run to run."""

    epoch_s: tuple[float, ...]  # training alone, without validation
    images_per_s: float


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training: a design and a seed. It keeps what scores are made of: errors, or overlaps to segment."""

    design: str
    seed: int
    epochs: tuple[Epoch, ...]
    validation_errors: tuple[int, ...] = ()  # positions of the examples it got wrong
    test_errors: tuple[int, ...] = ()
    validation_overlaps: tuple[Overlap, ...] = ()
    test_overlaps: tuple[Overlap, ...] = ()
    validation_score: float
    test_score: float
    weights_sha256: str
    timing: RunTiming
    failure: str = ""  # e.g. the loss became NaN at epoch 3
    host: Host | None = None  # where it was trained; None in folders of earlier versions
    stopped: int = 0  # epochs after which it was ended early, as its proposer wanted; 0 if it was not


class Latency(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time of one forward pass in inference, designs interleaved."""

    design: str
    batch: int
    threads: int
    repeats: int
    median_ms: float
    lower_ms: float  # first quartile
    upper_ms: float  # third quartile
    host: Host | None = None  # where it was timed; None in folders of earlier versions


class Interval(Struct, frozen=True, forbid_unknown_fields=True):
    """An estimate and its 95 % confidence interval."""

    estimate: float
    low: float | None  # None where one seed tells nothing of the spread
    high: float | None


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One design in the final table."""

    design: str
    seeds: int  # finished runs
    validation: Interval
    validation_difference: Interval | None  # to the best design, paired; None for the best itself
    p_value: float | None  # of that difference, two-sided, one comparison
    p_holm: float | None = None  # the same after Holm's correction for all comparisons with the best
    test: Interval
    test_difference: Interval | None
    verdict: Verdict
    train_score: float  # last epoch, mean over seeds
    train_loss: float | None
    seconds_to_target: float | None  # median over the seeds that reached it
    reached: int  # how many seeds reached the target score
    images_per_s: float  # training throughput, median
    latency: Latency | None
    pareto: bool  # none is better on validation and not measurably dearer, or as good and measurably cheaper


class Paragraph(NamedTuple):
    """A few sentences of the answer."""

    lead: str  # what they are about, in two or three words
    text: str


class Summary(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer: what to use, why, and how sure that is."""

    recommended: str | None  # a design's name
    # False: the data do not suffice, and `recommended` is the cheapest of those not measurably worse
    conclusive: bool = True
    headline: str
    paragraphs: tuple[Paragraph, ...]
    rows: tuple[Row, ...]
    target_score: float | None  # the fixed score of seconds_to_target
    cost: str  # what "cheapest" means here, e.g. "latency"

    @property
    def told(self) -> bool:
        """The value of `conclusive`, by the name of earlier versions."""
        warnings.warn("Summary.told is now Summary.conclusive", DeprecationWarning, stacklevel=2)
        return self.conclusive
