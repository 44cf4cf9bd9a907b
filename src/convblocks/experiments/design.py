"""Designs of a grid: implementations at the widths that meet the budget, if their training fits into memory."""

from collections.abc import Sequence

from msgspec.structs import replace

from convblocks.data import Dataset
from convblocks.data.memory import available_bytes
from convblocks.engine.describe import BYTES, describe
from convblocks.errors import OptionError, RunError, Setting
from convblocks.experiments.implementations import Frame, Implementation
from convblocks.experiments.matching import Matched, least_budgets, solve
from convblocks.formatting import size
from convblocks.networks import network_cost
from convblocks.records import Design, Study
from convblocks.text import plural
from convblocks.training import Placement


def matched_designs(
    study: Study, frame: Frame, found: Sequence[Implementation], dataset: Dataset, placement: Placement
) -> list[Design]:
    """Returns the record of each implementation, at the widths that meet the study's budget.

    Raises OptionError for a budget that none meets, RunError for one whose training takes more memory than there is.
    """
    matched = [solve(frame, implementation, study.match, study.budget) for implementation in found]
    if all(m.problem for m in matched):
        raise OptionError("budget", study.budget, _out_of_reach(study, frame, matched))
    _require_memory(study, frame, [m for m in matched if not m.problem])
    return [_design(m, dataset, placement) for m in matched]


def _out_of_reach(study: Study, frame: Frame, matched: Sequence[Matched]) -> str:
    least = least_budgets(frame, [m.implementation for m in matched], study.match)
    (name, smallest), *_, (last, largest) = [*least.items()] * 2
    if study.budget is None or study.budget >= smallest:
        return f"no design can meet it: {matched[0].problem}"
    others = "" if len(least) == 1 else f"; below {largest:,} some are left out, {last} first"
    return f"too small for any design; the smallest that works is {smallest:,}, for {name}{others}"


def _require_memory(study: Study, frame: Frame, matched: Sequence[Matched]) -> None:
    """Weights, gradients, momentum and a batch of activations, in each worker: the least that training takes."""
    batch = study.recipe["batch_size"]
    for m in matched:
        cost = network_cost(m.network, frame.size)  # of what is trained, not of what is deployed
        least_bytes = BYTES * (3 * cost.params + int(batch) * cost.activations) * study.workers
        available = available_bytes() if study.host.device == "cpu" else None
        if available is not None and least_bytes > available:
            budget = () if study.budget is None else (Setting("budget"), ", a smaller ")
            raise RunError(
                f"{m.implementation.name} with {'/'.join(map(str, m.widths))} channels takes over "
                f"{size(least_bytes)} to train in {plural(study.workers, 'worker')}, and {size(available)} are "
                "available: give a smaller ",
                *budget,
                Setting("batch_size"),
                ", or fewer ",
                Setting("workers"),
            )


def _design(matched: Matched, dataset: Dataset, placement: Placement) -> Design:
    """Returns the record of an implementation at its widths."""
    implementation = matched.implementation
    design = describe(
        matched.network,
        dataset,
        placement=placement,
        init=implementation.family.init,
        name=implementation.name,
<<<<<<< HEAD
        family=implementation.family.text,
        block_depth=implementation.block_depth,
        blocks=implementation.blocks * implementation.stages,
        groups=implementation.groups,
        stack_depth=implementation.stack_depth,
        widths=matched.widths,
        network=matched.network.to_dict(),
        deployed=None if deployed == matched.network else deployed.to_dict(),
        params=cost.params,
        macs=cost.macs,
        activations=cost.activations,
        activation_bytes=cost.activations * BYTES,
        receptive_field=tuple(map(_in_whole_pixels, receptive_field(module.body(), shape))),
        gradient_norms=(),
        unknown_ops=tuple(sorted(cost.unknown_ops)),
        block=None if matched.problem else _block(matched.network, frame),
        problem=matched.problem,
    )
    return _with_gradients(design, dataset, placement.device, implementation.family.init)


def _block(network: Network, frame: Frame) -> Outline:
    """A block within the first stage, on the map that it has there."""
    stage = network.stages[0]
    size = (-(-n // stride) for n, stride in zip(frame.size, frame.stem_stride(), strict=True))
    with torch.device("meta"):
        block = stage.block.build(stage.out_channels, stage.out_channels, dims=network.dims)
    return outline(block.eval(), (stage.out_channels, *size))


def _in_whole_pixels(field: AxisField) -> tuple[int, int, int] | Literal["all"] | None:
    """A record's axis; one that up-samples has no whole step, which a record does not hold."""
    if field is None or field == "all":
        return field
    step, lo, hi = (int(part) for part in field)
    return (step, lo, hi) if (step, lo, hi) == field else None


def _with_gradients(design: Design, dataset: Dataset, device: str, init: str) -> Design:
    """Gradient norms of the body on the first BATCH shuffled training examples, as seed 0 starts; or why not."""
    if design.problem:
        return design
    module = start(design, 0, dataset.train, init).to(device).train()
    chosen = np.random.default_rng(0).permutation(len(dataset.train.y))[:BATCH]
    x = torch.from_numpy(dataset.train.x[chosen]).to(device)
    try:
        norms = gradient_norms(module, x, as_targets(dataset.train.y[chosen]).to(device))
    except TraceError as error:  # what trains may still be closed to measuring; the other designs go on
        return replace(design, gradients_unknown=" ".join(str(error).split()))
    of_body = tuple(norm for path, norm in norms.items() if path.startswith("stages."))
    unreached = "" if of_body else "no gradient reaches a convolution module of the body"
    return replace(design, gradient_norms=of_body, gradients_unknown=unreached)
=======
        problem=matched.problem,
    )
    return replace(
        design,
        family=implementation.family.text,
        block_depth=implementation.block_depth,
        groups=implementation.groups,
        stack_depth=implementation.stack_depth,
    )
>>>>>>> 14fbbc3 (Designs of any network: a grid's labels are optional, and a design is described from its network alone)
