"""``steepest_ascent``: no direction rises faster than the gradient's, by many that are tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.explain.drawing import Figure
from chainrule.explain.geometry.field import Field, Vector, field_of, regular_point
from chainrule.explain.geometry.kinks import has_kink
from chainrule.explain.geometry.plane import unit_vector
from chainrule.explain.geometry.result import Result
from chainrule.explain.geometry.tangent import angle
from chainrule.explain.geometry.words import entries
from chainrule.explain.shown import plain
from chainrule.explain.words import short

#: Numbers that the sampled directions may be in all: fewer directions of a long θ.
_MOST_NUMBERS: Final = 20_000_000
_LEAST: Final = 16
#: Directions that are drawn, of those tried.
_DRAWN: Final = 45


@dataclass(frozen=True, eq=False, repr=False)
class SteepestAscent(Result):
    """Slopes of f in many directions, beside |∇f| times the cosine of the angle to ∇f.

    Attributes:
        theta: the point, float64[n]. value: f there. gradient: ∇f. norm: |∇f|, the slope in the
            gradient's own direction.
        angles: of each direction u to ∇f, degrees, float64[k], from 0 to 180; NaN where ∇f = 0.
        bearings: of two variables the direction itself, degrees counter-clockwise from the first
            axis, float64[k]; empty of more.
        slopes: the directional derivatives by forward mode, which use no gradient, float64[k].
        changes: f(θ + h u) - f(θ), float64[k]. step: h.
        best: the number of the direction of the largest slope; best_change: of the largest change.
        own_change: f(θ + h ∇f/|∇f|) - f(θ), in the gradient's own direction.
        error: the largest |slope - |∇f| cos(angle)|.
        has_kink: whether f is not differentiable at the point: the slopes then are what autodiff
            takes, and the changes measured are others.
    """

    theta: Vector
    value: float
    gradient: Vector
    norm: float
    angles: np.ndarray
    bearings: np.ndarray
    slopes: np.ndarray
    changes: np.ndarray
    step: float
    best: int
    best_change: int
    own_change: float
    error: float
    has_kink: bool
    _field: Field

    def _draw(self) -> dict[str, str]:
        """Slope over the angle to the gradient; of two variables over the bearing too."""
        return {"steepest ascent": _picture(self)}

    def to_json(self) -> dict[str, Any]:
        """The numbers, in JSON's types; of a long θ the first hundred entries."""
        own = {k: v for k, v in vars(self).items() if not k.startswith("_")}
        own |= {"theta": self.theta[:100], "gradient": self.gradient[:100]}
        return plain(own)

    def _lines(self) -> list[str]:
        name = self._field.name
        head = [
            f"f(θ) = {short(self.value)} at θ = ({entries(name, self.theta)})",
            f"∇f(θ) = ({entries(name, self.gradient, '∂f/∂')}), length |∇f| = {short(self.norm)}",
        ]
        if self.has_kink:
            head.append(
                "f is not differentiable at θ: along some line its slopes ahead and behind differ."
                " The slopes below are those that autodiff takes; the changes measured are true"
            )
        return [*head, *(self._tried() if self.norm > 0 else self._flat())]

    def _flat(self) -> list[str]:
        steepest = float(np.max(np.abs(self.slopes)))
        return [
            (
                f"∇f = 0: of {len(self.slopes)} directions tried none rises to first order (largest"
                f" slope {short(steepest, 2)}): there is no direction of steepest ascent here"
            )
        ]

    def _angle(self, k: int) -> str:
        return short(float(self.angles[k]), 3, beside=180.0)

    def _tried(self) -> list[str]:
        k, j = self.best, self.best_change
        return [
            f"{len(self.slopes)} directions u tried; slope of t ↦ f(θ + t u) at 0 by forward mode:",
            (
                f"  the largest, {short(self.slopes[k])}, is at {self._angle(k)}°"
                " to the gradient;"
                f" the gradient's own direction has |∇f| = {short(self.norm)}, and none has more"
            ),
            (
                "  each is |∇f| cos(angle to ∇f), to within"
                f" {short(self.error / self.norm, 2)} |∇f|: largest at 0°, 0 at 90°, and −∇f is the"
                " direction of steepest descent"
            ),
            (
                f"measured with a step of h = {short(self.step)}: f(θ + h u) − f(θ) is largest,"
                f" {short(self.changes[j])}, at {self._angle(j)}° to the gradient;"
                f" along ∇f itself it is {short(self.own_change)}"
                f" (h |∇f| = {short(self.step * self.norm)})"
            ),
        ]


def steepest_ascent(
    f: Any, *args: Any, wrt: str | Sequence[str] | None = None, directions: int = 360,
    step: float | None = None, seed: int = 0,
) -> SteepestAscent:  # fmt: skip
    """The gradient is the direction of steepest ascent: compared with many other directions.

    Of two variables the directions go round the circle evenly. Of more, half are random unit
    vectors (almost all at about 90° to the gradient, as random vectors of a large space are) and
    half lie at even angles from 0° to 180° to the gradient, turned in random planes through it.

    Args:
        f: a function; or a model: see ``subject_of``.
        *args: its arguments; or a loss and data.
        wrt: names of what θ is.
        directions: how many are tried, at least 2.
        step: h of the measured change; None for 10⁻⁴ (1 + |θ|).
        seed: of the random directions.

    Raises:
        TrainingError: f is not finite at the point; fewer than 2 directions, a step not above 0.
        GradientError: f has no gradient there.

    Source:
        Saremi 2024, Gradient Descent and Backpropagation 1; by Cauchy and Schwarz,
        ∇f · u = |∇f| cos(angle) ≤ |∇f| for every u of length 1.

    Example:
        >>> found = steepest_ascent(lambda w, b: w**2 + 4 * b**2, 1.0, 0.5)
        >>> bool(found.slopes.max() <= found.norm), bool(found.angles[found.best] < 0.5)
        (True, True)
    """
    field = field_of(f, args, wrt)
    value, gradient = regular_point(field, "steepest_ascent")
    _check(directions, step)
    h = 1e-4 * (1 + float(np.linalg.norm(field.theta))) if step is None else float(step)
    norm = float(np.linalg.norm(gradient))
    units = _directions(field.size, gradient, directions, seed)
    slopes = np.array([field.slope(field.theta, u) for u in units])
    changes = np.array([field.value(field.theta + h * u) - value for u in units])
    angles = np.array([angle(u, gradient) if norm else np.nan for u in units])
    expected = norm * np.cos(np.radians(angles)) if norm else np.zeros(len(units))
    own = field.value(field.theta + h * unit_vector(gradient)) - value
    bearings = np.degrees(np.arctan2(units[:, 1], units[:, 0])) if field.size == 2 else units[:0, 0]
    return SteepestAscent(
        field.theta, value, gradient, norm, angles, bearings, slopes, changes, h,
        _largest(slopes), _largest(changes), own, float(np.max(np.abs(slopes - expected))),
        has_kink(field, value, gradient, seed), field,
    )  # fmt: skip


def _check(directions: int, step: float | None) -> None:
    if directions < 2:
        raise TrainingError(f"directions: {directions!r}; expected 2 or more")
    if step is not None and not (math.isfinite(step) and step > 0):
        raise TrainingError(f"step: {step!r}; expected a number above 0")


def _largest(values: np.ndarray) -> int:
    return int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))


def _directions(n: int, gradient: Vector, count: int, seed: int) -> np.ndarray:
    """Unit vectors, float64[count, n]; of one variable both that there are."""
    if n == 1:
        return np.array([[1.0], [-1.0]])
    if n == 2:
        around = 2 * np.pi * np.arange(count) / count
        return np.stack([np.cos(around), np.sin(around)], axis=1)
    rng = np.random.default_rng(seed)
    count = int(np.clip(_MOST_NUMBERS // n, min(_LEAST, count), count))
    units = rng.standard_normal((count, n))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    if np.any(gradient):
        _turn_to(units[: count // 2], unit_vector(gradient))
    return units


def _turn_to(units: np.ndarray, unit: Vector) -> None:
    """Move each into its plane with ``unit``, at even angles from almost 0° to almost 180°."""
    for k, u in enumerate(units):
        turned = np.pi * (k + 0.5) / len(units)
        across = unit_vector(u - (u @ unit) * unit)
        units[k] = np.cos(turned) * unit + np.sin(turned) * across


def _picture(found: SteepestAscent) -> str:
    two = len(found.bearings) > 0
    best = f"the best direction tried is at {found.angles[found.best]:.3g} degrees to it"
    figure = Figure(
        width=640, height=420, title="Slope of f in each direction, and the gradient's",
        description="Directional derivatives over the direction: "
        + (best if found.norm else "all are 0: the gradient is 0")
        + ". They lie on the curve |∇f| cos(angle).",
    )  # fmt: skip
    x, name = found.angles, "angle of the direction u to ∇f (degrees)"
    if two or not found.norm:
        x = found.bearings if two else np.arange(len(found.slopes), dtype=float)
        name = "direction u (degrees from the first axis)" if two else "direction (its number)"
    room = (-1.2 * found.norm, 1.3 * found.norm) if found.norm else None
    ax = figure.axes(x=name, y="slope of f along u", y_range=room)
    if found.norm:
        curve, over = _cosine(found)
        ax.line(curve, over, label="|∇f| cos(angle to ∇f)", color=0, width=1)
    apart = np.argsort(x)[:: max(1, len(x) // _DRAWN)]
    ratio = found.changes / found.step
    ax.points(x[apart], found.slopes[apart], label="slope by forward mode", color=1)
    ax.points(
        x[apart], ratio[apart], label="(f(θ + h u) − f(θ)) / h", color=2, size=5, marker="cross"
    )
    if found.norm:
        ax.horizontal(found.norm, f"|∇f| = {short(found.norm)}")
        at = float(np.degrees(np.arctan2(found.gradient[1], found.gradient[0]))) if two else 0.0
        ax.vertical(at, "∇f")
    return figure.svg()


def _cosine(found: SteepestAscent) -> tuple[np.ndarray, np.ndarray]:
    if not len(found.bearings):
        x = np.linspace(0, 180, 181)
        return x, found.norm * np.cos(np.radians(x))
    x = np.linspace(-180, 180, 361)
    own = np.arctan2(found.gradient[1], found.gradient[0])
    return x, found.norm * np.cos(np.radians(x) - own)
