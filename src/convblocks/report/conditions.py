"""The conditions of the figures, in groups of facts, for HTML and Markdown alike."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from convblocks import formatting as fmt
from convblocks.records import DataCard, Design, Question, Recipe, Run, Study, Summary, Task
from convblocks.records.option import Field, fields
from convblocks.text import listed, plural

MATCHES = {"macs": "MACs", "params": "parameters", "activations": "activations"}


CHEAPEST = {
    "latency": "lowest median latency; of those whose median is not above its upper quartile, the best on validation",
    "macs": "lowest MACs; of those equal to it but for what matching tolerates, the best on validation",
}


OPTIONS = {
    name: field
    for name, field in fields(Question).items()
    if name not in (*Recipe.__struct_fields__, "match")  # a group of its own; part of the budget
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A term and its text; `full` is the whole of a text that is shortened."""

    term: str
    text: str
    full: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Facts about one thing."""

    title: str
    facts: tuple[Fact, ...]


CLASSIFIER = "stem, stages, mean over all positions, linear classifier"
# the text for each head of a segmentation
HEADS = {
    "unet": "a U-Net: stem and stages encode; the decoder, the same but for its widths, counts in all costs",
    "dilated": "DeepLab's: the last stages dilate instead of striding; atrous pyramid pooling, the same but for its "
    "widths, scores each position and counts in all costs",
}
LOSSES: dict[Task, str] = {"classify": "cross entropy", "segment": "cross entropy + soft Dice"}


def question(study: Study) -> str:
    """Returns the question of the study as a sentence."""
    if study.proposer:
        return f"Which of the networks that {study.proposer} proposes suits these data?"
    depths = listed([str(depth) for depth in study.depths], "or")
    noun = "layer" if study.depths == (1,) else "layers"
    return f"How should a stack of {depths} convolution {noun} be implemented?"


def seeds(study: Study) -> str:
    """Returns how many seeds each design has; a search chooses that for each."""
    number = plural(len(study.seeds), "seed")
    return f"up to {number}" if study.proposer and len(study.seeds) > 1 else number


def load_call(study: Study, designs: Sequence[Design], summary: Summary) -> str:
    """Returns the line of Python that loads the recommended design, as deployed; empty without one."""
    if summary.recommended is None:
        return ""
    folder, design = (
        json.dumps(s, ensure_ascii=False) for s in (study.folder or f"runs/{study.name}", summary.recommended)
    )
    call = f"convblocks.load({folder}, {design})"
    has_other_form = any(d.deployed for d in designs if d.name == summary.recommended)
    return f"convblocks.blocks.reparameterize({call})" if has_other_form else call


def as_deployed(designs: Sequence[Design]) -> str:
    """Returns a sentence on the designs that are costed in another form than the trained one; empty without any."""
    names = [design.name for design in designs if design.deployed and not design.problem]
    if not names:
        return ""
    form = "the form that it is" if len(names) == 1 else "the forms that they are"
    return (
        f"costs, budget and latency of {listed(names)} are of {form} deployed in, which computes the same; "
        "training, gradients and the saved weights are of the form before"
    )


def budget(study: Study) -> str:
    """Returns the budget that all designs have in common, as text."""
    if study.match == "none" or study.budget is None:
        return "widths not matched"
    return f"matched at {fmt.count(study.budget)} {MATCHES.get(study.match, study.match)}"


def conditions(study: Study, designs: Sequence[Design], summary: Summary) -> list[Group]:
    """Returns all that a reader needs to judge the figures and to repeat them, but the command itself."""
    groups = [
        Group("Data", _data(study)),
        Group("Comparison", _comparison(study, designs, summary)),
        Group(
            "Training recipe",
            (
                *(Fact(_spaced(key), str(value)) for key, value in study.recipe.items()),
                Fact("loss", LOSSES[study.data.task]),
            ),
        ),
        Group("Machine", _machine(study)),
        Group("Versions", tuple(Fact(name, version) for name, version in study.host.versions.items())),
    ]
    return [group for group in groups if group.facts]


def _data(study: Study) -> tuple[Fact, ...]:
    card = study.data
    facts = [
        Fact("name", card.name),
        Fact("source", card.source),
        Fact(
            "one example",
            f"{plural(card.shape[0], 'channel')}, {' × '.join(map(str, card.shape[1:]))} px",
        ),
        Fact("classes", f"{len(card.classes)}: {listed(card.classes)}", _full(card.classes)),
        Fact("examples", f"{card.train:,} train, {card.validation:,} validation, {card.test:,} test"),
        Fact("split", card.split),
        Fact("preparation", card.preparation),
    ]
    if card.notes:
        facts.append(Fact("read as", "; ".join(card.notes)))
    if card.skipped:
        facts.append(Fact("left out", f"{plural(card.skipped, 'broken file')}, on request"))
    facts += [Fact(*gap) for gap in label_gaps(card)]
    if card.sha256:
        facts.append(Fact("SHA-256", f"{card.sha256[:12]}…", card.sha256))
    return tuple(facts)


def cheapest(summary: Summary) -> str:
    """Returns the meaning of "cheapest"; the clock's own spread makes ties, which validation decides."""
    return CHEAPEST.get(summary.cost, f"lowest {summary.cost}" if summary.cost else "")


def label_gaps(card: DataCard) -> list[tuple[str, str]]:
    """Returns the gaps of label maps: positions without a class, and classes that a part has none of."""
    gaps = []
    if card.ignored > 0:
        part = fmt.percent(card.ignored) if card.ignored >= 0.0005 else f"less than {fmt.percent(0.001)}"
        gaps.append(
            ("ignored", f"{part} of the pixels, those of the value 255, which marks what has no class")
        )
    for part, names in card.unseen.items():
        gaps.append((f"not in {part}", f"{plural(len(names), 'class', 'classes')}: {listed(names)}"))
    return gaps


def _full(names: Sequence[str]) -> str:
    return ", ".join(names) if 12 < len(names) <= 200 else ""


def _comparison(study: Study, designs: Sequence[Design], summary: Summary) -> tuple[Fact, ...]:
    facts = [
        Fact("run", study.name),
        Fact("started", study.started),
        *(_option(study, field) for field in OPTIONS.values() if not study.proposer or field.name == "seeds"),
        Fact("proposer", study.proposer),
        *(Fact(_spaced(name), _text(value)) for name, value in study.options.items() if name not in OPTIONS),
        Fact("as deployed", as_deployed(designs)),
        Fact("“cheapest” means", cheapest(summary)),
        Fact("threads per worker", str(study.threads)),
        Fact("workers", str(study.workers)),
    ]
    return tuple(fact for fact in facts if fact.text)


def _option(study: Study, field: Field) -> Fact:
    """Returns an option of the question: of a study that was made before the option came, its default."""
    if field.name == "head":
        segments = study.data.task == "segment"
        return Fact("network", HEADS.get(study.head, HEADS["unet"]) if segments else CLASSIFIER)
    if field.name == "budget":
        return Fact("budget", budget(study))
    value = getattr(study, field.name, study.options.get(field.name, field.default))
    return Fact(field.term, _text(value))


def _text(value: object) -> str:
    return listed(value) if isinstance(value, list | tuple) else str(value)


def _machine(study: Study) -> tuple[Fact, ...]:
    host = study.host
    memory = (Fact("memory", fmt.size(host.memory_bytes)),) if host.memory_bytes else ()
    return (
        Fact("processor", host.cpu),
        Fact("cores", str(host.cores)),
        *memory,
        Fact("system", host.system),
        Fact("device", host.device),
    )


def _spaced(key: str) -> str:
    return key.replace("_", " ")


def left_out(study: Study, designs: Sequence[Design], runs: Sequence[Run]) -> list[Fact]:
    """Returns the designs that are not in the table and the runs that did not end as planned, each with the reason."""
    unmatched = [Fact(design.name, f"not trained: {design.problem}") for design in designs if design.problem]
    failed = [
        Fact(f"{run.design}, seed {run.seed}", f"diverged: {run.failure}") for run in runs if run.failure
    ]
    ended = [
        Fact(
            f"{run.design}, seed {run.seed}",
            f"ended by the search after {plural(run.stopped, 'epoch')}, at {fmt.percent(run.validation_score)} "
            f"validation {study.data.metric}",
        )
        for run in runs
        if run.stopped
    ]
    unknown = [
        Fact(
            design.name,
            f"MACs and activations are lower bounds; not counted: {listed(design.unknown_ops)}",
        )
        for design in designs
        if design.unknown_ops
    ]
    no_gradients = [
        Fact(design.name, f"gradients unknown: {design.gradients_unknown}")
        for design in designs
        if design.gradients_unknown
    ]
    return [
        *unmatched,
        *(Fact("not possible", note) for note in study.notes),
        *failed,
        *ended,
        *unknown,
        *no_gradients,
    ]
