"""``learning_rates``: descents side by side, too small to diverging, and the bound 2/λ_max."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np

from chainrule.diagnosis.curvature import Curvature, lanczos, stability_bound
from chainrule.errors import GradientError, TrainingError
from chainrule.explain.geometry.descents import Descent, Outcome, descend, outcome_of
from chainrule.explain.geometry.field import Field, Vector, field_of, regular_point
from chainrule.explain.geometry.rates_picture import rates_pictures
from chainrule.explain.geometry.rates_text import rates_lines
from chainrule.explain.geometry.result import Result
from chainrule.explain.shown import plain

#: Rates that are chosen, in units of 1/λ_max.
_MULTIPLES: Final = (0.005, 1.0, 1.9, 2.2)
_MOST_MULTIPLE: Final = 1e4
_SWEEP: Final = 41
#: Seconds that the sweep may take.
_SECONDS: Final = 4.0
#: Eigenvalues below this part of the largest are rounding.
_ROUNDING: Final = 1e-9
#: Rates from here to the bound, in units of 1/λ_max, are not too small, however slow.
_NOT_SMALL: Final = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class LearningRates(Result):
    """Plain gradient descents on one loss from one start.

    Attributes:
        names: of the entries of θ. start: float64[n]. loss: f there.
        steps: of each descent. descents: one for each rate, the lowest rate first; outcomes: what
            each did, by its losses.
        largest, smallest: the Hessian's extreme eigenvalues at the start; None where f has no
            second derivative there.
        largest_end: the largest where the best descent ended.
        is_quadratic: whether the Hessian is the same at both: the bound then holds everywhere.
        bound: 2/λ_max, of the larger one; infinite where nothing curves upwards.
        sweep: (rate, loss after the steps) over many rates, float64[k, 2].
        lowest: the lowest loss that any descent reached.
        trial: the descent at 1/λ_max of the start, at whose end ``largest_end`` was measured.
    """

    names: tuple[str, ...]
    start: Vector
    loss: float
    steps: int
    descents: tuple[Descent, ...]
    outcomes: tuple[Outcome, ...]
    largest: float | None
    smallest: float | None
    largest_end: float | None
    is_quadratic: bool
    bound: float
    sweep: np.ndarray
    lowest: float
    trial: Descent
    _field: Field

    @property
    def bends_down(self) -> bool:
        """Whether f has a direction of negative curvature at the start, beyond rounding."""
        ends = (self.smallest or 0.0, self.largest or 0.0)
        return ends[0] < -_ROUNDING * max(map(abs, ends))

    def _draw(self) -> dict[str, str]:
        """Loss by step, loss by rate with the bound, and of one or two variables the paths."""
        return rates_pictures(self)

    def to_json(self) -> dict[str, Any]:
        """The numbers, in JSON's types."""
        hidden = ("_field", "_drawn", "trial", "descents", "names", "start")
        own = {k: v for k, v in vars(self).items() if k not in hidden}
        few = len(self.start) <= 2
        own["descents"] = [
            {**vars(descent), "path": descent.path if few else None} for descent in self.descents
        ]
        own |= {"names": self.names[:100], "start": self.start[:100]}
        return plain(own)

    def _lines(self) -> list[str]:
        return rates_lines(self)


def learning_rates(
    f: Any, *args: Any, wrt: str | Sequence[str] | None = None,
    rates: Sequence[float] | None = None, steps: int = 50,
) -> LearningRates:  # fmt: skip
    """Too small, good, overshooting, diverging: plain descents side by side on one loss.

    Each is named by what its losses did, not by what its rate was chosen for. Where f is
    quadratic, a descent converges for every rate below 2/λ_max and for none above, whatever the
    start; else the bound is local, of the curvature at the start or at the end.

    Args:
        f: a function; or a model: see ``subject_of``.
        *args: its arguments; or a loss and data.
        wrt: names of what θ is.
        rates: learning rates; None for 0.005, 1, 1.9 and 2.2 times 1/λ_max, and where none of
            them diverges for the first larger one that does, if any up to 10⁴/λ_max.
        steps: of each descent, from 1.

    Raises:
        TrainingError: f is not finite at the start; a rate is not above 0; steps below 1.
        GradientError: f has no gradient there.

    Source:
        Singh 2024, CSCI 1470, Optimization and Backpropagation (1e-8 and 1e-1 on one line's
        loss); the bound: Goh 2017, Why Momentum Really Works; Nocedal & Wright 2006, 3.3.

    Example:
        >>> found = learning_rates(lambda w: (w - 3.0) ** 2, 0.0)
        >>> found.bound, found.outcomes
        (1.0, ('too small', 'good', 'overshooting', 'diverging'))
    """
    field = field_of(f, args, wrt)
    value, gradient = regular_point(field, "learning_rates")
    _check(rates, steps)
    bend = _curvature(field, field.theta)
    scale = _scale(bend, gradient)
    trial = descend(field, 1 / scale, steps, None)
    end = _curvature(field, trial.path[-1]) if trial.is_finite else None
    largest = max((c.largest for c in (bend, end) if c is not None), default=0.0)
    unit = 1 / largest if largest > 0 else 1 / scale
    steepest = bend.largest_direction if bend is not None else None
    chosen = sorted(set(map(float, rates))) if rates is not None else [m * unit for m in _MULTIPLES]
    descents = [descend(field, rate, steps, steepest) for rate in chosen]
    if rates is None:
        descents += _diverging(field, descents, unit, steps, steepest)
    sweep = _sweep(field, unit, descents, steps)
    lowest = _lowest([*descents, trial], sweep)
    names = tuple(field.name(k) for k in range(min(field.size, 100)))
    is_quadratic = _is_quadratic(field, trial, bend)
    has_floor = largest > 0 and not (
        is_quadratic and bend is not None and bend.smallest < -_ROUNDING * largest
    )
    return LearningRates(
        names, field.theta, value, steps, tuple(descents),
        tuple(_outcome(descent, lowest, largest, has_floor) for descent in descents),
        bend.largest if bend else None, bend.smallest if bend else None,
        end.largest if end else None, is_quadratic, stability_bound(largest),
        sweep, lowest, trial, field,
    )  # fmt: skip


def _outcome(descent: Descent, lowest: float, largest: float, has_floor: bool) -> Outcome:
    """As ``outcome_of``; of a loss that falls for ever nothing is measured against the lowest."""
    found = outcome_of(descent, lowest)
    if not has_floor and found in ("too small", "slow", "good"):
        return "falling"
    is_large = descent.rate * largest >= _NOT_SMALL
    return "slow" if found == "too small" and is_large else found


def _check(rates: Sequence[float] | None, steps: int) -> None:
    if steps < 1:
        raise TrainingError(f"learning_rates: steps={steps!r}; expected 1 or more")
    for rate in rates if rates is not None else ():
        if not (math.isfinite(rate) and rate > 0):
            raise TrainingError(f"learning_rates: a rate of {rate!r}; expected numbers above 0")
    if rates is not None and not len(rates):
        raise TrainingError("learning_rates: no rates; expected at least one")


def _curvature(field: Field, theta: Vector) -> Curvature | None:
    """The extreme eigenvalues; None where there is no second derivative."""
    try:
        return lanczos(lambda v: field.hvp(theta, v), field.size, tolerance=1e-9, seconds=3.0)
    except (GradientError, TrainingError):
        return None


def _scale(bend: Curvature | None, gradient: Vector) -> float:
    """1 / a rate to begin with: the largest curvature of either sign, or the gradient's length."""
    size = max(abs(bend.largest), abs(bend.smallest)) if bend is not None else 0.0
    return size or float(np.linalg.norm(gradient)) or 1.0


def _is_quadratic(field: Field, trial: Descent, bend: Curvature | None) -> bool:
    """Whether the Hessian times a random vector is the same at the start, the end and beyond."""
    if bend is None or not trial.is_finite:
        return False
    rng = np.random.default_rng(0)
    v = rng.standard_normal(field.size)
    size = 1.0 + float(np.linalg.norm(field.theta))
    places = [trial.path[-1], field.theta + size * rng.standard_normal(field.size)]
    own = field.hvp(field.theta, v)
    scale = float(np.linalg.norm(own))
    return all(float(np.linalg.norm(field.hvp(place, v) - own)) <= 1e-9 * scale for place in places)


def _diverging(
    field: Field, descents: list[Descent], unit: float, steps: int, steepest: Vector | None
) -> list[Descent]:
    """The first larger rate that diverges, where none has."""
    lowest = _lowest(descents, np.zeros((0, 2)))
    if any(outcome_of(descent, lowest) == "diverging" for descent in descents):
        return []
    multiple = 2 * _MULTIPLES[-1]
    while multiple <= _MOST_MULTIPLE:
        found = descend(field, multiple * unit, steps, steepest)
        if outcome_of(found, lowest) == "diverging":
            return [found]
        multiple *= 2
    return []


def _sweep(field: Field, unit: float, descents: list[Descent], steps: int) -> np.ndarray:
    """(rate, last loss) over all decades that the descents' rates and the bound lie in."""
    rates = [descent.rate for descent in descents]
    low, high = min(*rates, 1e-3 * unit), max(*rates, 4 * unit)
    begin = perf_counter()
    found = []
    decades = np.geomspace(low, high, _SWEEP)
    near = unit * np.linspace(1.5, 2.5, 11)  # the bound is between them
    for rate in _spread_out(np.concatenate([decades, near])):
        if perf_counter() - begin > _SECONDS:
            break
        found.append((float(rate), float(descend(field, float(rate), steps, None).losses[-1])))
    return np.array(sorted(found)).reshape(-1, 2)


def _spread_out(rates: np.ndarray) -> np.ndarray:
    """In an order in which any beginning lies all over them."""
    return np.concatenate([rates[first::4] for first in range(4)])


def _lowest(descents: list[Descent], sweep: np.ndarray) -> float:
    losses = [*(float(np.nanmin(d.losses)) for d in descents), *sweep[:, 1].tolist()]
    return float(min(loss for loss in losses if math.isfinite(loss)))
