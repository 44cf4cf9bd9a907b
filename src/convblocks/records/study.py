"""What a study leaves behind: frozen records, one JSON object a line.

    Study     what was asked, of which data, under which conditions     study.json
    Design    one implementation at its solved width, and its cost      designs.jsonl
    Run       one design trained with one seed                          runs.jsonl
    Latency   one design timed on this machine                          latency.jsonl
    Summary   the statistics and the recommendation                     summary.json

Everything measured with a clock lives in fields named ``timing`` or in `Latency`; all else
repeats bit for bit on the same machine with the same thread count. JSON has no NaN: what is not finite is None.
"""

from hashlib import sha256
from math import prod
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from convblocks.records.outline import Outline

Axis = tuple[int, int, int]
"""Receptive field along one axis, (step, lo, hi): output i sees inputs step·i + lo … step·i + hi."""

Task = Literal["classify", "segment"]
Verdict = Literal["best", "within noise", "perhaps worse", "worse", "one seed", "unfinished"]
"""A design against the best on validation; "unfinished" where too few of its seeds are, "one seed" where one is all."""

METRICS: dict[Task, str] = {"classify": "accuracy", "segment": "mean IoU"}
"""What designs are judged by; a score is a part of one, and the higher the better."""

TOLERANCE = 0.03
"""The part of the budget by which a matched design may miss it."""

Overlap = tuple[int, int, int, int]
"""(example, class, positions of the class in both answer and label, positions in either), where the last is not 0."""


class Loading(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of load_dataset that gave a data set."""

    source: str  # as given: a name, or a path that may be relative to where the command ran
    image_size: int | tuple[int, ...] | None = None
    split_seed: int = 0
    skip_broken: bool = False
    layout: str | None = None
    task: Task | None = None


class DataCard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a data set before training on it."""

    name: str
    source: str  # the name or path the user gave
    classes: tuple[str, ...]
    shape: tuple[int, ...]  # of one example: channels, then 1, 2 or 3 spatial axes
    train: int  # examples in each part
    validation: int
    test: int
    split: str  # how the parts came about, in words, with the seed
    preparation: str  # what was done to the examples: resizing, channels, …
    skipped: int = 0  # broken files left out on request
    notes: tuple[str, ...] = ()  # how what may mean several things was read, e.g. masks of 0 and 255
    sha256: str = ""  # over all examples, labels and the split
    loading: Loading | None = None  # how to load it again; None for arrays that a script made
    task: Task = "classify"  # "segment": every position of an example has a class
    pixels: dict[str, tuple[int, ...]] = {}  # labelled positions of each class by part; {} to classify

    @property
    def metric(self) -> str:
        """What a trained network is judged by, in words: "accuracy" or "mean IoU"."""
        return METRICS[self.task]

    @property
    def ignored(self) -> float:
        """Which part of all positions has no class, to segment."""
        positions = (self.train + self.validation + self.test) * prod(self.shape[1:])
        return 1 - sum(map(sum, self.pixels.values())) / positions if self.pixels and positions else 0.0

    @property
    def unseen(self) -> dict[str, tuple[str, ...]]:
        """To segment, the classes that have no position in a part: part → their names."""
        missing = {
            part: tuple(name for name, n in zip(self.classes, counts, strict=True) if not n)
            for part, counts in self.pixels.items()
        }
        return {part: names for part, names in missing.items() if names}


class Host(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where figures were measured."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    device: str  # torch device that trains and is timed
    versions: dict[str, str]


ADDED = {"recipe.optimizer": "sgd"}
"""Parts of the question that older studies do not record, at the value that held then; the digest leaves them out."""


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
    threads: int  # per worker
    workers: int
    host: Host

    @property
    def question(self) -> dict[str, object]:
        """What makes two studies the same, flat: everything that changes a figure other than a timing."""
        fields = ("depths", "stages", "families", "block_depths", "groups", "match", "budget", "threads")
        # a U-Net, before a study recorded its head
        segments = {"head": self.head or "unet"} if self.data.task == "segment" else {}
        return {
            **{field: getattr(self, field) for field in fields},
            **segments,
            **{f"sources.{family}": sha for family, sha in self.sources.items()},
            **ADDED,
            **{f"recipe.{name}": value for name, value in self.recipe.items()},
            "data": self.data.sha256,
            "device": self.host.device,
            "processor": self.host.cpu,
            "torch": self.host.versions.get("torch", ""),
            "convblocks": self.host.versions.get("convblocks", ""),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the question; each record of the study carries it. More seeds leave it as it is.

        This is version 1 of what is hashed. Names of folders come from it, so its keys and texts never change: a field
        that a question gets later comes in only where it is not its default.
        """
        hashed: dict[str, object] = {
            "depths": self.depths,
            "stages": self.stages,
            "families": self.families,
            "block_depths": self.block_depths,
            "groups": self.groups,
            "match": self.match,
            "budget": self.budget,
            "threads": self.threads,
            "data": self.data.sha256,
            "device": self.host.device,
            "processor": self.host.cpu,
            "torch": self.host.versions.get("torch", ""),
            "convblocks": self.host.versions.get("convblocks", ""),
        }
        if self.data.task == "segment":
            hashed["head"] = self.head or "unet"
        for family, sha in self.sources.items():
            hashed[f"source file of {family}"] = f"SHA-256 {sha[:12]}…"
        for name, value in self.recipe.items():
            hashed[f"recipe.{name}"] = value
        hashed = dict(part for part in hashed.items() if part not in ADDED.items())
        return sha256(msgspec.json.encode(hashed, order="sorted")).hexdigest()


class Design(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One implementation of a stack of `stack_depth` convolution layers."""

    name: str  # e.g. residual-2-d8
    family: str
    block_depth: int
    blocks: int  # in the whole stack
    groups: int
    stack_depth: int
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
        """Gradient norm of the first over that of the last convolution at initialisation; nan if there is none."""
        first, last = (
            (self.gradient_norms[0], self.gradient_norms[-1]) if self.gradient_norms else (None, None)
        )
        return first / last if first is not None and last else float("nan")

    @property
    def label(self) -> str:
        """The implementation without its depth, the same at every stack depth: residual-2."""
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
    """One design, one seed. Of each example it keeps what its score is made of: errors, or overlaps to segment."""

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


class Latency(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time of one forward pass in inference, designs interleaved."""

    design: str
    batch: int
    threads: int
    repeats: int
    median_ms: float
    lower_ms: float  # first quartile
    upper_ms: float  # third quartile


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
    # False: the data do not tell, and `recommended` is merely the cheapest of those not told apart
    conclusive: bool = True
    headline: str
    paragraphs: tuple[Paragraph, ...]
    rows: tuple[Row, ...]
    target_score: float | None  # the fixed score of seconds_to_target
    cost: str  # what "cheapest" means here, e.g. "latency"
