"""Plain gradient descents from one start: what each did, measured and named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from chainrule.explain.geometry.field import Field, Vector

#: What a descent did. "overshooting": most steps turn back, and the loss still falls; "not
#: settling": they turn back and it does not; "slow": more than half of the way is done; "falling":
#: nothing on the way curves upwards, so that there is no way to measure by.
Outcome = Literal[
    "too small",
    "slow",
    "good",
    "overshooting",
    "not settling",
    "diverging",
    "not moving",
    "falling",
]
#: Part of the way to the lowest loss seen, from which a rate is good, and below which too small.
_GOOD: Final = 0.99
_SMALL: Final = 0.5
#: Components of the gradient below this part of the first one count as 0.
_NOTHING: Final = 1e-9
#: Losses that are this near, relative to what is left to fall, do not fall: an orbit of two points.
_STILL: Final = 1e-3
_HUGE: Final = 1e150


@dataclass(frozen=True, eq=False)
class Descent:
    """θ ← θ - rate ∇f(θ), from the start.

    Attributes:
        rate: the learning rate. losses: f at each iterate, float64[steps + 1], up to the first
            that is not finite.
        path: the iterates, float64[len(losses), n]; the first and last alone of more than 2.
        turned: part of the steps at which the gradient turns against the one before: the
            descent has stepped over the valley's floor.
    """

    rate: float
    losses: np.ndarray
    path: np.ndarray
    turned: float

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.losses[-1]))


def descend(f: Field, rate: float, steps: int, steepest: Vector | None) -> Descent:
    """That many steps, or until f is not finite.

    Args:
        f: the function.
        rate: of all steps.
        steps: how many.
        steepest: the direction of largest curvature, in which turning back is looked for too.
    """
    theta, losses, path = f.theta, [], []
    gradients: list[np.ndarray] = []
    sides: list[float] = []
    keeps = f.size <= 2
    against: list[bool] = []
    first = 0.0
    for k in range(steps + 1):
        value, gradient = f.value_and_gradient(theta)
        losses.append(value)
        if keeps or k in (0, steps) or not np.isfinite(value):
            path.append(theta)
        if not np.isfinite(value) or not np.isfinite(gradient).all() or abs(value) > _HUGE:
            break
        if gradients and np.linalg.norm(gradient) > _NOTHING * first:
            against.append(bool(gradient @ gradients[-1] < 0))
        first = first or float(np.linalg.norm(gradient))
        gradients[:] = [gradient]
        if steepest is not None:
            sides.append(float(gradient @ steepest))
        theta = theta - rate * gradient
    turned = max(_part(against), _turns(np.array(sides)))
    return Descent(rate, np.array(losses), np.array(path), turned)


def _part(marks: list[bool]) -> float:
    return float(np.mean(marks)) if len(marks) > 1 else 0.0


def _turns(sides: np.ndarray) -> float:
    """Part of the steps at which a component changes its sign, while it is there."""
    if len(sides) < 2 or sides[0] == 0:
        return 0.0
    with np.errstate(all="ignore"):
        there = np.abs(sides) > _NOTHING * abs(sides[0])
    before, after = sides[:-1][there[1:]], sides[1:][there[1:]]
    return float(np.mean(np.sign(before) != np.sign(after))) if len(after) > 1 else 0.0


def outcome_of(descent: Descent, floor: float) -> Outcome:
    """What it did, by its losses.

    Args:
        descent: of at least one step.
        floor: the lowest loss that any descent from there reached.
    """
    losses = descent.losses
    first, last = float(losses[0]), float(losses[-1])
    if not descent.is_finite or abs(last) > _HUGE:
        return "diverging"
    way = first - floor
    if np.all(losses == first):
        return "not moving" if way <= 0 else "too small"
    if last > first:
        late = losses[len(losses) // 2 :]
        return "diverging" if last >= np.max(late) else "not settling"
    done = (first - last) / way if way > 0 else 1.0
    if descent.turned > 0.5 and len(losses) > 3:
        before = np.min(losses[: max(3 * len(losses) // 4, 1)])
        falls = done >= 1 - 1e-9 or last - floor < (1 - _STILL) * (before - floor)
        return "overshooting" if falls else "not settling"
    if done >= _GOOD:
        return "good"
    return "too small" if done < _SMALL else "slow"
