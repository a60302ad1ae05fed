"""Where a descent stands: on the way, at a minimum, saddle point, maximum, on a plateau."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from chainrule.diagnosis.curvature import Curvature
from chainrule.diagnosis.finding import Finding, in_words
from chainrule.diagnosis.rates import Pace, Slope
from chainrule.diagnosis.record import Record, Trend
from chainrule.diagnosis.rule import Rule

Place: TypeAlias = Literal[
    "on the way", "minimum", "flat minimum", "saddle point", "maximum", "plateau"
]  # fmt: skip

_AWAY: Final = "optim.escape(optimizer), or other first weights"


@dataclass(frozen=True, eq=False)
class Convergence:
    """How near an end the descent is.

    Attributes:
        place: "on the way"; where the gradient is nearly 0: "minimum" (λ_min > 0), "flat minimum"
            (λ_min is 0 to the error), "saddle point" (λ_min < 0), "maximum" (λ_max < 0); or
            "plateau", where gradient and curvature both vanish and no step gains.
        gradient_norm: |g| over all rows.
        distance: |g| / |λ|_max: how far the nearest stationary point is at least, in parameters.
        condition: λ_max / λ_min; infinite where λ_min is not above 0.
        steps_left: until what the loss can still fall by is a hundredth of what it is now, at
            this rate; None if that is not known.
        escape: at a saddle point or a maximum the direction along which the loss falls most, both
            ways, float64[n] in the order of the model's leaves; else None.
    """

    place: Place
    gradient_norm: float
    distance: float
    condition: float
    steps_left: float | None
    escape: np.ndarray | None


def converge(
    rule: Rule, slope: Slope, curvature: Curvature, pace: Pace, record: Record | None, length: float
) -> Convergence:
    """What gradient and curvature say of where the weights are.

    Args:
        rule: of the optimiser.
        slope: the gradient over all rows.
        curvature: both ends of the Hessian's spectrum.
        pace: the learning rate.
        record: what was recorded, if anything.
        length: of the parameters, as one vector.
    """
    steepest = max(abs(curvature.largest), abs(curvature.smallest))
    distance = slope.norm / steepest if steepest > 0 else (math.inf if slope.norm else 0.0)
    place = _place(slope, curvature, distance, 1 + length)
    is_unstable = place in ("saddle point", "maximum")
    escape = curvature.smallest_direction if is_unstable else None
    left = None if is_unstable else _steps_left(rule, curvature, pace, record)
    return Convergence(place, slope.norm, distance, curvature.condition, left, escape)


def _place(slope: Slope, curvature: Curvature, distance: float, scale: float) -> Place:
    """The thresholds: 10⁻³ of the parameters' length away, 10⁻³ of the loss to gain at best."""
    steepest = max(abs(curvature.largest), abs(curvature.smallest))
    if steepest == 0 and slope.norm == 0:
        return "plateau"
    gain = slope.norm * distance / 2 if math.isfinite(distance) else math.inf
    is_idle = gain <= 1e-3 * abs(slope.loss)
    if distance > 1e-3 * scale:
        is_plateau = gain <= 1e-6 * abs(slope.loss)
        return "plateau" if is_plateau else "on the way"
    falls_both_ways = -curvature.smallest > max(2 * curvature.smallest_error, 0.02 * steepest)
    if falls_both_ways and (is_idle or -curvature.smallest > 0.2 * steepest):
        is_strict = curvature.largest < -curvature.largest_error
        return "maximum" if is_strict else "saddle point"
    if not is_idle and distance > 1e-6 * scale:
        return "on the way"
    return "minimum" if curvature.smallest > curvature.smallest_error else "flat minimum"


def _steps_left(
    rule: Rule, curvature: Curvature, pace: Pace, record: Record | None
) -> float | None:
    """By the fitted record where it bends, else by the slowest direction: ln 100 / (2 rate λ_min).

    Along an eigenvector, a step of gradient descent keeps 1 - rate λ of the distance, and its
    square of what the loss has to fall.
    """
    fitted = None if record is None else fitted_rate(record)
    if fitted is not None:
        return math.log(100) / fitted
    is_known = rule.kind == "gradient" and pace.rate and math.isfinite(curvature.condition)
    if not is_known or pace.rate is None or (pace.bound or math.inf) <= pace.rate:
        return None
    kept = 1 - pace.rate * rule.reach * (curvature.smallest + rule.weight_decay)
    return math.log(100) / (-2 * math.log(kept)) if 0 < kept < 1 else None


def fitted_rate(record: Record) -> float | None:
    """k of the loss = floor + size · exp(-k step), by three levels of the record's last half.

    None where the record does not bend beyond its noise.

    Source:
        Aitken 1926, On Bernoulli's Numerical Solution of Algebraic Equations (the three points).

    Example:
        >>> loss = 1 + np.exp(-0.01 * np.arange(400.0))
        >>> round(fitted_rate(Record(loss, loss, loss)), 4)
        0.01
    """
    if record.is_short or record.first_nonfinite is not None:
        return None
    levels, trend = record.trend.levels, record.trend
    half = (len(levels) - 1) // 4
    a, b, c = (float(levels[-1 - 2 * half]), float(levels[-1 - half]), float(levels[-1]))
    first, second = a - b, b - c
    noise = 0.0 if record.is_whole else Trend.of(record.loss[record.steps // 2 :]).noise
    if half < 1 or not first > second > 3 * noise:
        return None
    if second <= 1e-6 * max(abs(a), abs(c)):  # what rounding leaves is no curve
        return None
    return math.log(first / second) / (half * trend.width)


def judge_convergence(
    found: Convergence, curvature: Curvature, loss: float
) -> tuple[Finding, ...]:  # fmt: skip
    """What is wrong with the place, in words; a minimum is no fault."""
    if found.place in ("saddle point", "maximum"):
        return (_unstable(found, curvature),)
    if found.place == "plateau":
        return (_plateau(found, curvature) if found.gradient_norm else _constant(loss),)
    if math.isinf(found.distance):
        return (_straight(found, loss),)
    return ()


def _unstable(found: Convergence, curvature: Curvature) -> Finding:
    numbers = {"gradient_norm": found.gradient_norm, "smallest": curvature.smallest}
    start = f"the gradient is {in_words(found.gradient_norm, 2)} and the"
    what = (
        f"{start} smallest eigenvalue of the Hessian {in_words(curvature.smallest, 2)}: the loss"
        " falls along its direction"
    )
    if found.place == "maximum":
        numbers["largest"] = curvature.largest
        what = (
            f"{start} largest eigenvalue of the Hessian {in_words(curvature.largest, 2)}: the loss"
            " falls in every direction"
        )
    return Finding("warning", found.place, what, numbers, _AWAY)


def _plateau(found: Convergence, curvature: Curvature) -> Finding:
    numbers = {"gradient_norm": found.gradient_norm, "largest": curvature.largest}
    what = (
        f"the gradient is {in_words(found.gradient_norm, 2)} and the curvature at most"
        f" {in_words(curvature.largest, 2)}: no step of any length gains by what is seen here"
    )
    advice = "smaller first weights, standardised inputs, or normalisation between layers"
    return Finding("warning", "plateau", what, numbers, advice)


def _constant(loss: float) -> Finding:
    """A loss of 0 may be a hinge's, with nothing left to learn."""
    what = (
        "gradient and curvature are exactly 0: the loss does not depend on the parameters here,"
        " and no step changes it"
    )
    advice = "a loss that uses the model's output, without rounding, sign or comparison"
    return Finding("warning" if loss else "note", "no gradient", what, {"loss": loss}, advice)


def _straight(found: Convergence, loss: float) -> Finding:
    """An absolute error is straight too; what is straight and negative may have no end."""
    what = (
        f"the loss has no curvature here, its gradient is {in_words(found.gradient_norm, 2)}: no"
        " rate is too large for stability, none can be said to be right, and nothing seen here"
        " bounds the loss from below"
    )
    advice = "if the loss has no lower bound, one that has; else a learning rate that falls"
    numbers = {"gradient_norm": found.gradient_norm, "loss": loss}
    return Finding("warning" if loss < 0 else "note", "no curvature", what, numbers, advice)
