"""Batch sizes that act on what is measured: CABS and the gradient noise scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chainrule.errors import TrainingError
from chainrule.optim.arguments import (
    above_one,
    at_least,
    check_fields,
    fraction,
    non_negative,
    one_of,
    optional,
    positive,
)
from chainrule.optim.batches import RESCALES, bound, first_batch, rescaled
from chainrule.optim.measured import Decision, Measurement, State

#: The smallest batch of CABS, unless it is said or begins with less: the authors' code's.
_LEAST: Final = 16


def _smoothed(state: State, name: str, value: float, keep: float) -> float:
    """The moving average of a value, corrected for having begun at 0, as in Adam."""
    state[name] = keep * state.get(name, 0.0) + (1 - keep) * value
    weight = f"{name}_weight"
    state[weight] = keep * state.get(weight, 0.0) + (1 - keep)
    return state[name] / state[weight]


def _is_number(x: float | None) -> bool:
    return x is not None and math.isfinite(x)


@dataclass(frozen=True)
class CABS:
    """Couple the batch to the learning rate: b = ε tr Σ / F.

    The rule follows from a bound on the expected gain of a step: a batch is large enough when
    another example costs more than it gains. F is the loss less its least value, which the paper
    takes to be 0. A smaller rate gives smaller batches; the rate itself stays.

    Args:
        batch: to begin with, from 2: one example has no spread.
        least: the smallest batch, from 2; None for 16, as in the authors' code, or ``batch`` where
            that is less. A small rate asks for very small batches, whose updates cost more than
            they gain.
        limit: the largest; None for n / 10.
        smoothing: in [0, 1); how much of the averages of tr Σ and F is kept at each check.
        floor: the least value that the loss can have.

    Raises:
        TrainingError: an argument outside of its range; by ``start``, too few examples; by
            ``observe``, tr Σ was not measured.

    Source:
        Balles, Romero & Hennig 2017, Coupling Adaptive Batch Sizes with Learning Rates, equation
        22 and algorithm 1.

    Example:
        >>> schedule = CABS(16, limit=500)
        >>> _, state = schedule.start(60_000)
        >>> now = Measurement(10, 0.1, 160, 60_000, 16, 0.1, loss=0.5, variance=400.0)
        >>> schedule.observe(now, state)[0].reason
        'CABS: learning rate 0.1 · tr Σ 400 / loss 0.5 = 80: batch 16 -> 80'
    """

    batch: int
    least: int | None = None
    limit: int | None = None
    smoothing: float = 0.95
    floor: float = 0.0

    def __post_init__(self) -> None:
        ranges = {
            "batch": at_least(2), "least": optional(at_least(2)), "limit": optional(at_least(1)),
            "smoothing": fraction,
        }  # fmt: skip
        check_fields(self, "CABS", ranges)

    @property
    def measures_variance(self) -> bool:
        """Whether it acts on the variance of the gradients."""
        return True

    def start(self, n: int) -> tuple[Decision, State]:
        """See ``BatchSchedule.start``."""
        batch = first_batch("CABS", self.batch, n)
        return Decision(batch, rule="CABS", reason=f"CABS: begins with batches of {batch}"), {}

    def observe(
        self, measurement: Measurement, state: Mapping[str, Any]
    ) -> tuple[Decision | None, State]:
        """See ``BatchSchedule.observe``."""
        new, before = dict(state), measurement.batch
        if measurement.variance is None:
            raise TrainingError("CABS: the variance of the gradients was not measured")
        if not (_is_number(measurement.variance) and _is_number(measurement.loss)):
            return None, new
        variance = _smoothed(new, "variance", measurement.variance, self.smoothing)
        loss = _smoothed(new, "loss", measurement.loss - self.floor, self.smoothing)
        wanted = measurement.learning_rate * variance / loss if loss > 0 else math.inf
        largest = bound(self.limit, self.batch, measurement.n)
        least = min(_LEAST, self.batch) if self.least is None else self.least
        batch = round(min(max(wanted, least), largest))
        if batch == before:
            return None, new
        reason = (
            f"CABS: learning rate {measurement.learning_rate:.3g} · tr Σ {variance:.3g} / loss"
            f" {loss:.3g} = {wanted:.3g}: batch {before} -> {batch}"
        )
        numbers = {
            "variance": variance, "loss": loss, "wanted": wanted, "before": before, "batch": batch
        }  # fmt: skip
        return Decision(batch, rule="CABS", reason=reason, numbers=numbers), new


@dataclass(frozen=True)
class NoiseDriven:
    """Double the batch while the gradient is mostly noise; then decay the rate, or average.

    The noise scale B̂ = tr Σ / |G|² is the batch at which the noise in the gradient is as large
    as the gradient. Well below it, twice the batch gains nearly twice the progress of a step;
    well above it, nothing. Numerator and denominator are smoothed apart, as their ratio is not
    to be averaged: tr Σ from the spread of the examples' gradients, |G|² from |g|² - tr Σ / b,
    since the noise of a batch adds tr Σ / b to |g|². Then:

    1. While B̂ > ``times`` · b at ``patience`` checks in a row, b is doubled, up to ``limit``, or
       to where twice the batch no longer has ``knee`` times the examples per second.
    2. From there, when the same holds, ``then``: "decay" multiplies the learning rate by
       ``factor``, "average" begins to average the iterates, "nothing" leaves it. A rate that has
       fallen to r of itself quiets the noise of SGD, ε N / b, as a batch of b / r would, and B̂ is
       compared with that.

    Batches of b take 1 + b / B̂ times the examples that the smallest would. ``times`` = 1 accepts
    twice as many, for the sake of machines that work side by side; on one machine 8, an eighth
    more, ended better at each rate that was tried (docs/batching.md).

    Args:
        batch: to begin with, from 2: one example has no spread.
        times: > 0; c in B̂ > c · b.
        patience: checks in a row, from 1.
        smoothing: in [0, 1); how much of either average is kept at each check.
        limit: the largest batch; None for n / 10.
        knee: > 1, such as 1.1; None to look at the limit alone. What is read off the clock is
            another each time: a run that looks for the knee is not repeated bit for bit.
        rescale: of the learning rate when the batch doubles: "none", "linear", "sqrt".
        then: "decay", "average" or "nothing".
        factor: above 0 and below 1.
        wait: epochs after each change in which measurements are only smoothed, >= 0.

    Raises:
        TrainingError: an argument outside of its range; by ``start``, too few examples; by
            ``observe``, the gradients' lengths were not measured.

    Source:
        McCandlish, Kaplan, Amodei et al. 2018, An Empirical Model of Large-Batch Training,
        equation 2.9, section 2.3 and appendix A.1.

    Example:
        >>> schedule = NoiseDriven(16, times=2, patience=2, smoothing=0.5)
        >>> decision, state = schedule.start(1000)
        >>> now = Measurement(
        ...     10, 0.1, 160, 1000, 16, 0.1, 0.5, gradient_square=30.0, variance=400.0
        ... )
        >>> for _ in range(2):
        ...     decision, state = schedule.observe(now, state)
        >>> decision.reason
        'noise: B̂ = tr Σ 400 / |G|² 5 = 80 > 2 · 16 at 2 checks: batch 16 -> 32'
    """

    batch: int
    times: float = 8.0
    patience: int = 3
    smoothing: float = 0.9
    limit: int | None = None
    knee: float | None = None
    rescale: str = "none"
    then: str = "decay"
    factor: float = 0.5
    wait: float = 1.0

    def __post_init__(self) -> None:
        ranges = {
            "batch": at_least(2), "times": positive, "patience": at_least(1),
            "smoothing": fraction, "limit": optional(at_least(1)), "knee": optional(above_one),
            "rescale": one_of(*RESCALES), "then": one_of("decay", "average", "nothing"),
            "factor": fraction, "wait": non_negative,
        }  # fmt: skip
        check_fields(self, "NoiseDriven", ranges)
        if self.factor == 0:
            raise TrainingError("NoiseDriven: factor is 0.0; expected above 0 and below 1")

    @property
    def measures_variance(self) -> bool:
        """Whether it acts on the variance of the gradients."""
        return True

    @property
    def averages(self) -> bool:
        """Whether it may decide to average: the optimiser must then be an ``optim.average``."""
        return self.then == "average"

    def start(self, n: int) -> tuple[Decision, State]:
        """See ``BatchSchedule.start``."""
        batch = first_batch("NoiseDriven", self.batch, n)
        state: State = {
            "rate": 1.0, "above": 0, "settled": 0.0, "grown": 0, "decided": 0, "decayed": 1.0,
            "throughput": 0.0, "throughput_before": 0.0,
        }  # fmt: skip
        return Decision(batch, rule="noise", reason=f"noise: begins with batches of {batch}"), state

    def observe(
        self, measurement: Measurement, state: Mapping[str, Any]
    ) -> tuple[Decision | None, State]:
        """See ``BatchSchedule.observe``."""
        new = dict(state)
        noise = self._noise(measurement, new)
        if noise is None:
            return None, new
        if _is_number(measurement.throughput):
            new["throughput"] = max(new["throughput"], float(measurement.throughput or 0.0))
        if measurement.epoch < new["settled"]:
            return None, new
        exceeds = noise["noise_scale"] > self.times * measurement.batch / new["decayed"]
        new["above"] = new["above"] + 1 if exceeds else 0
        if new["above"] < self.patience:
            return None, new
        new |= {"above": 0, "settled": measurement.epoch + self.wait}
        return self._fired(measurement, noise, new)

    def _noise(self, measurement: Measurement, state: State) -> dict[str, float] | None:
        """tr Σ, |G|² and B̂, smoothed; None where this measurement is not finite."""
        variance, square = measurement.variance, measurement.gradient_square
        if variance is None or square is None:
            raise TrainingError("NoiseDriven: the lengths of the gradients were not measured")
        if not (math.isfinite(variance) and math.isfinite(square)):
            return None
        trace = _smoothed(state, "variance", variance, self.smoothing)
        signal = square - variance / measurement.batch
        signal = _smoothed(state, "signal", signal, self.smoothing)
        scale = trace / signal if signal > 0 else math.inf if trace > 0 else 0.0
        return {"variance": trace, "signal": signal, "noise_scale": scale}

    def _fired(
        self, measurement: Measurement, noise: dict[str, float], state: State
    ) -> tuple[Decision | None, State]:
        batch = measurement.batch
        largest = bound(self.limit, self.batch, measurement.n)
        decayed = "" if state["decayed"] == 1 else f" / {state['decayed']:.3g}"
        because = (
            f"B̂ = tr Σ {noise['variance']:.3g} / |G|² {noise['signal']:.3g} ="
            f" {noise['noise_scale']:.3g} > {self.times:.3g} · {batch}{decayed}"
            f" at {self.patience} checks"
        )
        stop = self._stop(batch, largest, state)
        if not stop:
            return self._doubled(batch, largest, because, noise, state)
        return self._then(batch, f"{because}, {stop}", noise, state)

    def _stop(self, batch: int, largest: int, state: State) -> str:
        """Why the batch grows no further; "" while it does."""
        if batch >= largest:
            return f"{batch} is the limit"
        before, now = state["throughput_before"], state["throughput"]
        if self.knee and state["grown"] and before > 0 and 0 < now < self.knee * before:
            return f"{now:.3g} examples/s are not {self.knee:.3g} times the {before:.3g} before"
        return ""

    def _doubled(
        self, batch: int, largest: int, because: str, noise: dict[str, float], state: State
    ) -> tuple[Decision, State]:
        new_batch = min(2 * batch, largest)
        rate = state["rate"] * rescaled(self.rescale, new_batch / batch)
        new = state | {
            "rate": rate, "grown": state["grown"] + 1, "throughput": 0.0,
            "throughput_before": state["throughput"],
        }  # fmt: skip
        change = "" if rate == state["rate"] else f", learning rate times {rate:.3g}"
        reason = f"noise: {because}: batch {batch} -> {new_batch}{change}"
        numbers = {**noise, "before": batch, "batch": new_batch, "rate": rate}
        return Decision(new_batch, rate, rule="noise", reason=reason, numbers=numbers), new

    def _then(
        self, batch: int, because: str, noise: dict[str, float], state: State
    ) -> tuple[Decision | None, State]:
        if self.then == "nothing" or (self.then == "average" and state["decided"]):
            return None, state
        factor = self.factor if self.then == "decay" else 1.0
        rate = state["rate"] * factor
        new = state | {
            "decided": state["decided"] + 1, "rate": rate, "decayed": state["decayed"] * factor
        }  # fmt: skip
        did = f"learning rate times {rate:.3g}" if self.then == "decay" else "iterates averaged"
        numbers = {**noise, "before": batch, "batch": batch, "rate": rate}
        decision = Decision(
            batch, rate, average=self.then == "average", rule=f"noise, then {self.then}",
            reason=f"noise: {because}: {did}", numbers=numbers,
        )  # fmt: skip
        return decision, new
