"""All rules of advice in one table. An id never changes its meaning, and is not used again."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from convblocks.advice import (
    additions,
    batch_axis,
    in_place,
    kernel_fit,
    norms,
    signal_rules,
    speed,
    strides,
    tail,
    trainability,
    waste,
)
from convblocks.advice.view import View, Violation
from convblocks.records import Severity

Check = Callable[[View], Iterable[Violation]]


class Rule(Struct, frozen=True, kw_only=True):
    """A thing that can be wrong with a network.

    CB1xx: wasted work; CB2xx: geometry; CB3xx: speed; CB4xx: signal; CB5xx: training.
    """

    id: str
    severity: Severity  # of most of its findings
    what: str  # it finds
    why: str  # that matters
    check: Check
    on_request: bool = False  # it measures, or runs on data: only where its group or id is selected
    whole: bool = False  # it needs a forward that comes to its end


def _rule(id_: str, severity: Severity, check: Check, what: str, why: str, **more: bool) -> Rule:
    return Rule(id=id_, severity=severity, what=what, why=why, check=check, **more)


# fmt: off
RULES: tuple[Rule, ...] = (
    _rule("CB101", "warning", norms.bias_before_norm,
          "a bias before a norm that takes it away",
          "the norm subtracts each channel's mean, and the bias with it: parameters that learn nothing"),
    _rule("CB102", "warning", norms.dropout_before_norm,
          "dropout before a batch norm",
          "the norm learns the variance of dropped values and meets that of whole ones (Li et al. 2019, "
          "arXiv:1801.05134)"),
    _rule("CB103", "note", norms.norm_that_cannot_fold,
          "a batch norm that cannot be folded into a convolution",
          "it stays a pass over the map at inference, where others cost nothing"),
    _rule("CB104", "warning", waste.dead_branches,
          "a branch that no output depends on, or parameters that no forward reads",
          "memory and time for nothing; often a layer that was forgotten in forward", whole=True),
    _rule("CB105", "warning", waste.duplicate_branches,
          "the same layer computed twice on the same tensor",
          "twice the time for one result; often another layer was meant"),
    _rule("CB201", "warning", strides.stride_repeated,
          "stride repeated in each convolution of a block",
          "the map shrinks by stride to the power of the depth, where once was meant"),
    _rule("CB202", "warning", additions.unfit_additions,
          "a shortcut that fails or misaligns, at this size or at inputs 1 to 3 positions larger",
          "the sides of an addition must have one size, and be about one place"),
    _rule("CB203", "note", kernel_fit.even_kernel,
          "an even kernel without stride",
          "it has no centre, so that each layer moves the map by half a position"),
    _rule("CB204", "note", tail.unproductive_tail,
          "layers whose input already sees the whole image",
          "they add no context (Richter et al. 2021, arXiv:2106.12307); what removing them saves", whole=True),
    _rule("CB205", "warning", kernel_fit.padding_off,
          "padding that does not fit the kernel: the map shrinks or grows without stride",
          "it breaks shortcuts, and loses the border layer by layer"),
    _rule("CB206", "warning", kernel_fit.taps_beyond_map,
          "a map so small that part of a kernel meets padding only",
          "weights that never touch the image: the map shrank too early"),
    _rule("CB207", "warning", strides.skipped_positions,
          "strides that step over positions which nothing reads",
          "down-sampling faster than the receptive field grows throws away what was computed"),
    _rule("CB301", "note", speed.slow_widths,
          "channels that run slower here than a few more would",
          "measured on this machine: kernels work in blocks of channels", on_request=True),
    _rule("CB302", "note", speed.slow_groups,
          "groups that run slower here than the dense convolution",
          "measured on this machine: fewer MACs are not less time", on_request=True),
    _rule("CB401", "warning", signal_rules.vanishing,
          "a vanishing signal or gradient",
          "the far layers do not learn; `convblocks signal` tries the named fixes with its option fix",
          on_request=True, whole=True),
    _rule("CB402", "warning", signal_rules.exploding,
          "an exploding signal or gradient",
          "training diverges, or needs a very small learning rate", on_request=True, whole=True),
    _rule("CB403", "error", signal_rules.dead,
          "layers whose output or gradient is 0, or not finite",
          "they do not learn at all", on_request=True, whole=True),
    _rule("CB404", "warning", signal_rules.shattered,
          "gradients at neighbouring inputs as little alike as noise",
          "a step that helps here says nothing of what helps next to it (Balduzzi et al. 2017, arXiv:1702.08591)",
          on_request=True, whole=True),
    _rule("CB501", "warning", batch_axis.batch_axis,
          "a batch axis that is lost, folded or fixed: one example and several give outputs of other forms",
          "rows do not match their targets, or the forward fails at some batches"),
    _rule("CB502", "note", batch_axis.norm_of_one_value,
          "a batch norm over one value a channel where a batch has one example",
          "a training step of one example fails, as that of a last batch may"),
    _rule("CB503", "note", trainability.activation_before_loss,
          "softmax, log_softmax or sigmoid as the last op",
          "most losses apply it themselves; twice, it flattens the gradients", whole=True),
    _rule("CB504", "warning", trainability.identical_filters,
          "filters that start as copies of each other",
          "what reads them alike gives them one gradient, so that they stay one filter", whole=True),
    _rule("CB505", "error", in_place.overwritten,
          "an op that overwrites in place a tensor that backward needs",
          "forward runs, and the first backward raises"),
)
# fmt: on
