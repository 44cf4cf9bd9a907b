"""CB201 and CB207: strides that are taken too often, or too wide."""

from collections.abc import Iterator
from math import prod

import torch

from convblocks.advice.kernel_fit import WINDOWED, map_after, map_of, readers
from convblocks.advice.view import View, Violation, named
from convblocks.analysis.ops import CONVOLUTIONS, LINEAR, POINTWISE, POOLS, Window, windows
from convblocks.analysis.trace import OpCall, Value
from convblocks.text import times

MOVES = frozenset({"pad", "__getitem__", "narrow", "roll", "flip"})


def skipped_positions(view: View) -> Iterator[Violation]:
    """Finds positions of a map that lie between the windows of all that reads it, so that nothing reads them."""
    values: dict[int, Value] = {value.number: value for value in view.trace.inputs}
    values |= {value.number: value for op in view.trace.ops for value in op.outputs}
    for value in values.values():
        maker = view.maker(value)
        if maker and maker.name in POINTWISE | MOVES and len(view.maps(maker)) == 1:
            continue  # its own input is looked at, whose readers are the same and more
        reading = readers(view, value)
        if not any(op.name in WINDOWED and any(map(_gaps, windows(op))) for op in reading):
            continue
        if any(op.name not in WINDOWED or len(op.inputs[0].shape) != WINDOWED[op.name] + 2 for op in reading):
            continue
        missed = _missed(value.shape[2:], reading)
        if not missed:
            continue
        first = next(op for op in reading if any(map(_gaps, windows(op))))
        w = next(w for w in windows(first) if _gaps(w))
        of = f"what {named(maker.path, maker.name)} computes" if maker else "the input"
        steps = f"stride {w.stride} steps over a kernel of {w.size}" + (
            f" with dilation {w.dilation}" if w.dilation > 1 else ""
        )
        yield Violation(
            place=first.path,
            message=f"{steps}: {missed} of {prod(value.shape[2:])} positions ({missed / prod(value.shape[2:]):.0%}) of "
            f"{of} are read by nobody",
            fix=f"stride in a layer whose kernel is at least {w.stride} wide, or pool first",
            figures={
                "positions": prod(value.shape[2:]),
                "unread": missed,
                "stride": w.stride,
                "kernel_size": w.size,
            },
        )


def _gaps(w: Window) -> bool:
    """Returns whether windows leave positions out however large the map is."""
    return len({w.dilation * tap % w.stride for tap in range(w.size)}) < w.stride


def _missed(size: tuple[int, ...], reading: list[OpCall]) -> int:
    """Counts positions that no window covers; 0 if they are but a rest at the far end."""
    read = torch.zeros(size, dtype=torch.bool)
    for op in reading:
        marks = torch.ones((), dtype=torch.bool)
        for w, n, out in zip(windows(op), size, map_after(op), strict=True):
            along = torch.zeros(n, dtype=torch.bool)
            places = {
                o * w.stride + tap * w.dilation - w.padding for o in range(out) for tap in range(w.size)
            }
            along[[p for p in places if 0 <= p < n]] = True
            marks = marks.unsqueeze(-1) & along
        read |= marks
    corners = [(int(along.min()), int(along.max()) + 1) for along in read.nonzero().unbind(1)]
    within = read[tuple(slice(*ends) for ends in corners)]
    return 0 if bool(within.all()) else int((~read).sum())


def stride_repeated(view: View) -> Iterator[Violation]:
    """Finds stacks each of whose convolutions has the block's stride, where the map was to shrink once.

    A warning where it looks like one block, see `_one_block`; a note where it may be an encoder that means it.
    """
    strided = [op for op in view.convolutions() if prod(w.stride for w in windows(op)) > 1]
    after = {id(op): _next(view, op) for op in strided}
    begun = {id(op) for op in after.values() if op is not None}
    for op in strided:
        chain = [op]
        while (following := after[id(chain[-1])]) is not None:
            chain.append(following)
        home = _home([each.path for each in chain])
        if id(op) in begun or len(chain) < 2 or not _alone(view, chain, home):
            continue
        last = chain[-1]
        stride = times(w.stride for w in windows(op))
        channels = op.outputs[0].shape[1]
        meant_once = _one_block(view, chain, home)
        fix = f"stride in the first ({named(op.path)}) only, the others with stride 1"
        yield Violation(
            place=home,
            message=f"stride {stride} in each of {len(chain)} convolutions in a row, all of {channels} channels: "
            f"the map falls from {times(map_of(op))} to {times(map_after(last))}"
            + (
                f", and each after the first keeps 1 of {prod(w.stride for w in windows(op))} values that the one "
                "before computes"
                if meant_once
                else ""
            ),
            fix=fix if meant_once else f"none if that is meant; if the map shall shrink once, {fix}",
            figures={
                "convolutions": len(chain),
                "stride": stride,
                "from": times(map_of(op)),
                "to": times(map_after(last)),
            },
            severity=None if meant_once else "note",
        )


def _one_block(view: View, chain: list[OpCall], home: str) -> bool:
    """Returns whether a chain is built as one block is: layers of one module, padded to keep the map, and normed.

    An encoder that shrinks the map each time has its own head beside it, a unit for each stride, even kernels or no
    padding; or it is a stem, two convolutions on the image with the network behind.
    """
    direct = all(op.path.rpartition(".")[0] == home for op in chain)
    keeping = all(w.size % 2 and (w.padding or w.size == 1) for op in chain for w in windows(op))
    normed = all(_normed(view, op) for op in chain[:-1])
    head = any(op.name in LINEAR and op.path.rpartition(".")[0] == home for op in view.trace.ops)
    whole = len(chain) == sum(1 for _ in view.convolutions())
    stem = len(chain) == 2 and not whole and view.maker(chain[0].inputs[0]) is None
    return direct and keeping and normed and not head and not stem


def _normed(view: View, op: OpCall) -> bool:
    """Returns whether a norm stands between a convolution and the next one."""
    value = op.outputs[0]
    while len(uses := view.only_uses(value)) == 1 and uses[0].name not in CONVOLUTIONS:
        if uses[0].name.endswith("_norm"):
            return True
        value = uses[0].outputs[0]
    return False


def _alone(view: View, chain: list[OpCall], home: str) -> bool:
    """Returns whether a module has no other convolutions; stems and fusions, which do, stride twice on purpose."""
    inside = [
        op for op in view.convolutions() if not home or op.path.startswith(f"{home}.") or op.path == home
    ]
    return len(inside) == len(chain)


def _next(view: View, op: OpCall) -> OpCall | None:
    """Returns the convolution that comes next, with nothing between that has a window, if it has the same settings."""
    value = op.outputs[0]
    while len(uses := view.only_uses(value)) == 1:
        (use,) = uses
        if use.name in CONVOLUTIONS:
            groups = [each["groups"] for each in (use, op)]
            same = windows(use) == windows(op) and use.name == op.name and groups[0] == groups[1]
            wide = use.inputs[0].shape[1] == use.outputs[0].shape[1] == op.outputs[0].shape[1]
            return use if same and wide else None
        if use.name in POOLS or use.outputs[0].shape != value.shape:
            return None
        value = use.outputs[0]
    return None


def _home(paths: list[str]) -> str:
    """Returns the path of the module that holds all of them."""
    split = [path.split(".") for path in paths]
    shared = 0
    while all(len(parts) > shared + 1 for parts in split) and len({parts[shared] for parts in split}) == 1:
        shared += 1
    return ".".join(split[0][:shared])
