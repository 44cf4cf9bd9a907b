"""Measurements of a module on real tensors: its signal, its problems and their fixes, its field, its probes.

    Signal          norms of activations and gradients, layer by layer, and how fast they change
    SignalAlong     the same while the module trains
    FixCheck       the effect of one fix on one symptom of a module
    EffectiveField  how much each input counts for one output
    Probes          what a linear classifier makes of each layer's output

A figure that is not finite is None.
"""

import warnings
from typing import Literal

from msgspec import Struct, field

from convblocks.records.study import Interval


class LayerSignal(Struct, frozen=True, kw_only=True):
    """One call of a weight layer on the main path; activations are its output, before norm and activation."""

    name: str  # module path
    type: str  # class
    rms: float | None  # root mean square of the output
    spread: float | None  # standard deviation between examples, root mean square over units
    gradient_norm: float | None  # ‖∂loss/∂output‖₂ over the whole batch
    weight_gradient_norm: float | None  # ‖∂loss/∂weight‖₂


class Rate(Struct, frozen=True, kw_only=True):
    """A log-linear fit over layers: each multiplies by `factor`. Forwards for activations, backwards for gradients."""

    factor: float
    low: float  # 95 % interval of the factor, as if each layer strayed from the line by itself
    high: float
    standard_error: float  # of ln(factor)
    steps: int  # from the first fitted layer to the last
    over_all: float  # factor ** steps
    layers_to_bound: float | None  # layers until it has vanished or exploded; None: the interval holds 1


class Shattering(Struct, frozen=True, kw_only=True):
    """Correlation of the input gradient at two points of a line between two examples, by their distance.

    Balduzzi et al. 2017, arXiv:1702.08591: in a deep plain network gradients at neighbouring inputs are as
    little alike as white noise, so that a step that helps here says nothing of what helps a little further on.
    """

    distances: tuple[float, ...]  # in parts of the distance between the two examples
    correlations: tuple[float, ...]  # cosine of the gradients, mean over all pairs of points so far apart
    neighbour: float  # the correlation at the smallest distance
    half_distance: float | None  # where it first falls below 1/2; None: nowhere between two examples
    white_noise: float  # standard deviation of the correlation of two white noises with as many inputs
    pairs: int  # pairs of examples


class Symptom(Struct, frozen=True, kw_only=True):
    """Something that keeps a network from learning."""

    kind: (
        str  # vanishing gradient | exploding gradient | … activation | dead | not finite | shattered gradient
    )
    evidence: str  # a sentence with the figures
    # Names of fixes, the likeliest first; JSON has them as "mends", as in earlier versions.
    fixes: tuple[str, ...] = field(name="mends")


class Signal(Struct, frozen=True, kw_only=True):
    """The norms of one batch and of its gradient on their way through a module."""

    loss: str  # name of what the gradients are of
    batch: int
    training: bool  # training mode, i.e. batch norms use this batch
    layers: tuple[LayerSignal, ...]  # in order of execution
    unreached: tuple[str, ...]  # weight layers that ran, and that no gradient of the loss reaches
    activation: Rate | None  # of the spread; None: fewer than three layers to fit
    gradient: Rate | None
    shattering: Shattering | None  # None: not requested, or one example alone
    symptoms: tuple[Symptom, ...]


class SignalStep(Struct, frozen=True, kw_only=True):
    """The signal after so many steps."""

    step: int
    loss: float | None  # of the measured batch, before the next step
    signal: Signal


class SignalAlong(Struct, frozen=True, kw_only=True):
    """The signal of the same batch while a copy of the module trains."""

    optimizer: str  # its name and settings
    steps: tuple[SignalStep, ...]


class FixCheck(Struct, frozen=True, kw_only=True):
    """One fix on a copy of the module, measured again with the same batch."""

    symptom: str  # its kind
    fix: str = field(name="mend")  # its name
    change: str  # what was done
    figure: str  # name of what before and after measure
    before: float | None
    after: float | None
    verdict: Literal["cured", "better", "no better", "not applicable"]
    # kinds of symptoms that the module has with the fix only
    new_symptoms: tuple[str, ...] = field(default=(), name="others")
    problem: str = ""  # why it could not be applied

    @property
    def mend(self) -> str:
        """The fix, by the name of earlier versions."""
        warnings.warn("FixCheck.mend is now FixCheck.fix", DeprecationWarning, stacklevel=2)
        return self.fix


class AxisFit(Struct, frozen=True, kw_only=True):
    """A Gaussian along one spatial axis, in input positions."""

    centre: float
    sigma_moments: float  # standard deviation of the profile taken as a distribution
    sigma_fit: float | None  # by least squares; None: the fit failed
    r_squared: float | None  # of that fit
    size: float  # 4 σ by moments: what ± 2 σ cover, 95 % of a Gaussian
    theoretical: float | None  # size of the receptive field, also outside the image; None: unknown
    ratio: float | None  # size / theoretical


class EffectiveField(Struct, frozen=True, kw_only=True):
    """The weight of each input position for the central output of one layer (Luo et al. 2016, arXiv:1701.04128)."""

    layer: str
    input_size: tuple[int, ...]  # spatial
    output_size: tuple[int, ...]
    measure: str  # name of what was averaged
    examples: int
    axes: tuple[AxisFit, ...]
    map: tuple[tuple[float, ...], ...]  # largest 1; one row for signals, volumes summed over their first axis


class LayerProbe(Struct, frozen=True, kw_only=True):
    """A linear classifier on one layer's output."""

    name: str
    accuracy: Interval  # on the test examples
    rise: Interval | None  # over the layer before, the same examples; None for the first
    productive: bool | None  # whether its input does not yet see the whole image; None: unknown
    verdict: Literal["rises", "no rise", "falls", ""]  # "" for the first


class Probes(Struct, frozen=True, kw_only=True):
    """Linear probes of every layer on a trained network's main path (Alain & Bengio 2016, arXiv:1610.01644)."""

    layers: tuple[LayerProbe, ...]
    model_accuracy: Interval  # of the module itself, on the same test examples
    train: int  # examples
    test: int
    pool: int  # positions per axis that outputs are averaged to
    last_productive: (
        str | None
    )  # the layer before the unproductive ones; None: there are none, or it is unknown
    tail_rise: Interval | None  # of the last layer over that one
    verdict: str  # a sentence
