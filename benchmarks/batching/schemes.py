"""The schemes that are compared: each is an optimiser and a batch, for one learning rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from chainrule import optim

#: Examples per update where the batch is constant, and where those that grow begin.
FIRST: Final = 32
#: A larger one, to be held against it.
LARGE: Final = 256
#: Where the rate falls in stairs: 60, 120 and 160 of 200 epochs in Smith et al. 2018, section 5.
STAIRS: Final = (0.3, 0.6, 0.8)
#: By what it falls there, or the batch grows.
FACTOR: Final = 5.0
#: AdaBatch: a doubling after each fifth of the run, and what it multiplies the rate by.
DOUBLINGS: Final = 5
DECAY: Final = 0.75


@dataclass(frozen=True)
class Plan:
    """What a scheme is made for."""

    rate: float
    momentum: float
    epochs: int
    rows: int

    def sgd(self, rate: Any) -> optim.SGD:
        """SGD at a rate or a schedule of it."""
        return optim.SGD(rate, momentum=self.momentum)

    @property
    def at(self) -> list[float]:
        """The epochs at which stairs fall."""
        return [round(share * self.epochs, 2) for share in STAIRS]

    @property
    def stairs(self) -> optim.MultiStep:
        """The rate that falls there."""
        per_epoch = self.rows // FIRST
        return optim.multi_step(self.rate, [int(at * per_epoch) for at in self.at], 1 / FACTOR)


Pair = tuple[Any, Any]  # an optimiser and a batch


def constant(plan: Plan) -> Pair:
    """Nothing changes."""
    return plan.sgd(plan.rate), FIRST


def averaged(plan: Plan) -> Pair:
    """Nothing changes; what is evaluated is the mean of the iterates of the last half."""
    half = plan.epochs // 2 * (plan.rows // FIRST)
    return optim.average(plan.sgd(plan.rate), "swa", start=half), FIRST


def cosine(plan: Plan) -> Pair:
    """The rate falls along a cosine."""
    return plan.sgd(optim.cosine(plan.rate)), FIRST


def large(plan: Plan) -> Pair:
    """The same with a larger batch."""
    return plan.sgd(optim.cosine(plan.rate)), LARGE


def step(plan: Plan) -> Pair:
    """The rate falls in stairs."""
    return plan.sgd(plan.stairs), FIRST


def smith(plan: Plan) -> Pair:
    """The batch grows where the rate would have fallen."""
    return plan.sgd(plan.rate), optim.StepGrowth(FIRST, at=plan.at, factor=FACTOR)


def adabatch(plan: Plan) -> Pair:
    """The batch doubles every so often; the rate falls a little."""
    every = plan.epochs / DOUBLINGS
    return plan.sgd(plan.rate), optim.Doubling(FIRST, every=every, rate=DECAY)


def cabs(plan: Plan) -> Pair:
    """The batch is coupled to the rate and the loss."""
    return plan.sgd(plan.rate), optim.CABS(FIRST)


def noise_decay(plan: Plan) -> Pair:
    """The batch follows the noise; at its limit the rate falls."""
    return plan.sgd(plan.rate), optim.NoiseDriven(FIRST)


def noise_small(plan: Plan) -> Pair:
    """The batch stays; the rate follows the noise."""
    return plan.sgd(plan.rate), optim.NoiseDriven(FIRST, limit=FIRST)


def noise_average(plan: Plan) -> Pair:
    """The batch stays; where the noise would have it grow, the iterates are averaged."""
    batch = optim.NoiseDriven(FIRST, limit=FIRST, then="average")
    return optim.average(plan.sgd(plan.rate), "swa", start=None), batch


@dataclass(frozen=True)
class Scheme:
    """A name for the command line, a title for tables, and how it is made."""

    name: str
    title: str
    make: Callable[[Plan], Pair]


SCHEMES: Final = {
    scheme.name: scheme
    for scheme in (
        Scheme("constant", f"batch {FIRST}, constant rate", constant),
        Scheme("averaged", f"batch {FIRST}, last half averaged", averaged),
        Scheme("cosine", f"batch {FIRST}, cosine", cosine),
        Scheme("large", f"batch {LARGE}, cosine", large),
        Scheme("step", f"batch {FIRST}, step decay ÷{FACTOR:g}", step),
        Scheme("smith", f"Smith, batch ×{FACTOR:g}", smith),
        Scheme("adabatch", "AdaBatch", adabatch),
        Scheme("cabs", "CABS", cabs),
        Scheme("noise", "NoiseDriven, batch then rate", noise_decay),
        Scheme("noise-rate", f"NoiseDriven, batch {FIRST}, rate", noise_small),
        Scheme("noise-average", f"NoiseDriven, batch {FIRST}, average", noise_average),
    )
}
