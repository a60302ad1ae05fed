"""``level_set``: the gradient at a point is at a right angle to the level set through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from chainrule.errors import GradientError
from chainrule.explain.geometry.field import (
    Field,
    Vector,
    curvature_length,
    field_of,
    regular_point,
)
from chainrule.explain.geometry.kinks import has_kink
from chainrule.explain.geometry.level_picture import level_picture
from chainrule.explain.geometry.level_points import level_points
from chainrule.explain.geometry.level_text import level_lines
from chainrule.explain.geometry.plane import Plane, plane_through
from chainrule.explain.geometry.result import Result
from chainrule.explain.geometry.tangent import Tangent, angle, measured_tangent
from chainrule.explain.geometry.trace_level import LevelPath, trace_level
from chainrule.explain.shown import plain

#: What a point on the level set can be: an ordinary one; one where the gradient is 0, which tells
#: of no direction along it; one where f has a kink; or f has one variable.
Kind = Literal["regular", "critical", "kink", "one variable"]
#: Points of the path at which the angle is measured, at most and at least; and random tangents.
_CHECKS: Final = (24, 3)
_TANGENTS: Final = (8, 2)
#: Steps of the path to each side.
_STEPS: Final = (500, 40)
#: Seconds that each of these may take where f is slow; and evaluations that one needs, about.
_SECONDS: Final = 4.0
_OF_TANGENT: Final = 60
_OF_STEP: Final = 8
#: Error of an angle, degrees, up to which it counts as measured.
_MEASURED: Final = 1e-6
#: A value below this part of what f does over a path is 0 but for rounding.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, eq=False)
class PathCheck:
    """One point of the path θ(t) and what was measured there.

    Attributes:
        t: length of the path from the start. change: f(θ(t)) - f(θ(0)).
        angle: between the measured tangent and ∇f, degrees. error: of it, estimated.
        rate: d f(θ(t))/dt = ∇f · dθ/dt over |∇f| |dθ/dt|: 0 but for rounding.
    """

    t: float
    change: float
    angle: float
    error: float
    rate: float

    @property
    def is_measured(self) -> bool:
        """Whether the differences agree to 1e-6 degrees: no kink is near."""
        return self.error <= _MEASURED


@dataclass(frozen=True, eq=False, repr=False)
class LevelSet(Result):
    """The gradient at a point and the level set {θ' : f(θ') = f(θ)} through it.

    Attributes:
        names: of the entries of θ, the first ones only where there are many.
        theta: the point, float64[n]. value: f there. gradient: ∇f, float64[n].
        kind: see ``Kind``. eigenvalues: of the Hessian within the plane at a critical point.
        tangent: dθ/dt of the path at the point, float64[n]; None where there is none.
        angle: between it and the gradient, degrees; angle_error: of it, estimated.
        factors: (name, ∂f/∂θᵢ, dθᵢ/dt) of the chain rule's sum; rate: that sum, d f(θ(t))/dt.
        random_angles: to tangents that leave the point in random directions, in all n dimensions.
        path: the level set within the plane; None where it is no curve.
        checks: along the path. spread: the largest |f(θ(t)) - f(θ)|, over
            |f(θ)| where that is not 0 but for rounding.
        points: of one variable, where else f has this value: float64[k].
        plane: that is drawn.
    """

    names: tuple[str, ...]
    theta: Vector
    value: float
    gradient: Vector
    kind: Kind
    eigenvalues: np.ndarray | None
    tangent: Vector | None
    angle: float
    angle_error: float
    factors: tuple[tuple[str, float, float], ...]
    rate: float
    random_angles: tuple[float, ...]
    path: LevelPath | None
    checks: tuple[PathCheck, ...]
    spread: float
    points: np.ndarray
    plane: Plane | None
    _field: Field

    @property
    def is_relative(self) -> bool:
        """Whether ``spread`` is relative to |f(θ)|."""
        return self.path is not None and _is_relative(self.path, self.value, self.gradient)

    def _draw(self) -> dict[str, str]:
        """The level set, drawn: contours, the path, gradient and tangent."""
        return {"level set": level_picture(self)}

    def _lines(self) -> list[str]:
        return level_lines(self)

    def to_json(self) -> dict[str, Any]:
        """The numbers, in JSON's types; of a long gradient the first hundred entries."""
        keys = ("value", "kind", "angle", "angle_error", "rate", "random_angles", "spread")
        path = None if self.path is None else {
            "t": self.path.t, "points": self.path.points, "values": self.path.values,
            "endings": self.path.endings, "corners": self.path.corners,
        }  # fmt: skip
        arrays = {"theta": self.theta[:100], "gradient": self.gradient[:100], "points": self.points}
        factors = [dict(zip(("name", "df", "dtheta"), row, strict=True)) for row in self.factors]
        checks = [vars(check) for check in self.checks]
        more = {"names": self.names, "path": path, "factors": factors, "checks": checks}
        return plain({k: getattr(self, k) for k in keys} | arrays | more)


def level_set(
    f: Any, *args: Any, wrt: str | Sequence[str] | None = None, along: Any = None, seed: int = 0
) -> LevelSet:
    """The gradient at a point is perpendicular to the level set through it: measured and drawn.

    A path t ↦ θ(t) is followed on the level set, f(θ(t)) = f(θ). The chain rule gives
    0 = d f(θ(t))/dt = Σᵢ ∂f/∂θᵢ dθᵢ/dt: each factor is worked out, the gradient by autodiff and
    the tangent by differences along the path, which know nothing of the gradient.

    Args:
        f: a function; or a model: see ``subject_of``.
        *args: its arguments; or a loss and data.
        wrt: names of what θ is.
        along: the plane that is drawn, where θ has more than two entries: None for the gradient's
            own (the gradient, and the direction into which it turns), "random", two names of
            entries ("w[0]", "b"), or two directions.
        seed: of what is random.

    Raises:
        TrainingError: f is not finite at the point, or there is no such entry.
        GradientError: f has no gradient there.

    Source:
        Saremi 2024, Gradient Descent and Backpropagation 1: the gradient's geometrical meaning.

    Example:
        >>> found = level_set(lambda w, b: w**2 + 4 * b**2, 1.0, 0.5)
        >>> f"{found.angle:.6f}", found.path.is_closed, found.spread < 1e-10
        ('90.000000', True, True)
    """
    field = field_of(f, args, wrt)
    value, gradient = regular_point(field, "level_set")
    if field.size == 1:
        return _of_one_variable(field, value, gradient)
    plane = plane_through(field, field.theta, gradient, along, seed)
    if has_kink(field, value, gradient, seed):
        return _at_kink(field, value, gradient, plane)
    if _is_critical(field, value, gradient):
        return _at_critical(field, value, gradient, plane)
    return _at_regular(field, value, gradient, plane, seed)


def _at_regular(field: Field, value: float, gradient: Vector, plane: Plane, seed: int) -> LevelSet:
    slopes = plane.basis @ gradient
    path = _path(field, plane, slopes)
    leaving = np.array([-slopes[1], slopes[0]]) @ plane.basis
    if not np.any(leaving):  # the plane lies in the tangent plane
        leaving = plane.basis[0]
    tangent = measured_tangent(field, field.theta, value, gradient, leaving)
    checks = _checks(field, plane, path) if path is not None else ()
    return _made(
        field, value, gradient, "regular", plane, path=path, checks=checks,
        spread=_spread(path, value, gradient),
        random_angles=_random_angles(field, value, gradient, seed),
        **_rule(field, gradient, tangent),
    )  # fmt: skip


def _made(
    field: Field, value: float, gradient: Vector, kind: Kind, plane: Plane | None, **found: Any
) -> LevelSet:
    empty: dict[str, Any] = {
        "eigenvalues": None, "tangent": None, "angle": np.nan, "angle_error": np.nan,
        "factors": (), "rate": np.nan, "random_angles": (), "path": None, "checks": (),
        "spread": np.nan, "points": np.zeros(0),
    }  # fmt: skip
    names = tuple(field.name(k) for k in range(min(field.size, 100)))
    return LevelSet(
        names=names, theta=field.theta, value=value, gradient=gradient, kind=kind, plane=plane,
        _field=field, **{**empty, **found},
    )  # fmt: skip


def _of_one_variable(field: Field, value: float, gradient: Vector) -> LevelSet:
    points = level_points(field, value, gradient)
    return _made(field, value, gradient, "one variable", None, points=points)


def _at_kink(field: Field, value: float, gradient: Vector, plane: Plane) -> LevelSet:
    return _made(field, value, gradient, "kink", plane)


def _at_critical(field: Field, value: float, gradient: Vector, plane: Plane) -> LevelSet:
    try:
        eigenvalues = np.linalg.eigvalsh(plane.hessian())
    except GradientError:
        eigenvalues = None
    return _made(field, value, gradient, "critical", plane, eigenvalues=eigenvalues)


def _rule(field: Field, gradient: Vector, tangent: Tangent | None) -> dict[str, Any]:
    """The chain rule's factors at the point."""
    if tangent is None:
        return {}
    moved = tangent.direction / np.linalg.norm(tangent.direction)
    kept = min(field.size, 100)
    largest = np.sort(np.argsort(-np.abs(gradient * moved))[:kept])
    factors = [(field.name(int(k)), float(gradient[k]), float(moved[k])) for k in largest]
    return {
        "tangent": moved, "angle": tangent.angle, "angle_error": tangent.error,
        "factors": tuple(factors), "rate": float(gradient @ moved),
    }  # fmt: skip


# -- the kind of the point --------------------------------------------------------------------


def _is_critical(field: Field, value: float, gradient: Vector) -> bool:
    """Whether ∇f is 0 but for rounding: 0 itself, or a step away that cannot be told from none."""
    length = float(np.linalg.norm(gradient))
    if length == 0:
        return True
    size = 1.0 + float(np.linalg.norm(field.theta))
    near = curvature_length(field, field.theta, gradient, gradient / length)
    return near <= 1e-12 * size or length * size <= 1e-13 * abs(value)


# -- the path ---------------------------------------------------------------------------------


def _path(field: Field, plane: Plane, slopes: np.ndarray) -> LevelPath | None:
    """Closed if it closes within a wide reach; else as much of it as a picture shows."""
    length = float(np.linalg.norm(slopes))
    if length <= 1e-10 * np.linalg.norm(field.gradient(plane.origin)):
        return None
    along = np.array([-slopes[1], slopes[0]]) / length
    gradient = slopes @ plane.basis
    near = curvature_length(field, plane.origin, gradient, along @ plane.basis)
    size = 1.0 + float(np.max(np.abs(plane.offset), initial=0.0))
    shown = 3 * max(min(near, size), 0.05 * size)
    most = _affordable(field, _STEPS, _OF_STEP)
    path = trace_level(plane, 0.02 * min(near, shown), 20 * shown, shown / 25, most)
    return path if path.is_closed else path.within(shown)


def _affordable(field: Field, ends: tuple[int, int], evaluations: int) -> int:
    """How many of something fit into the time for it, between the most and the least."""
    most, least = ends
    return int(np.clip(_SECONDS / (evaluations * field.seconds), least, most))


def _spread(path: LevelPath | None, value: float, gradient: Vector) -> float:
    if path is None:
        return float("nan")
    worst = float(np.max(np.abs(path.values - value)))
    return worst / abs(value) if _is_relative(path, value, gradient) else worst


def _is_relative(path: LevelPath, value: float, gradient: Vector) -> bool:
    """Whether f is more there than the rounding of what it does along the path."""
    reach = float(np.max(np.abs(path.points), initial=0.0))
    return abs(value) > _ROUNDING * float(np.linalg.norm(gradient)) * reach


def _checks(field: Field, plane: Plane, path: LevelPath) -> tuple[PathCheck, ...]:
    """The angle at points that lie evenly along the path."""
    taken = _affordable(field, _CHECKS, _OF_TANGENT)
    lengths = np.linspace(path.t[0], path.t[-1], taken + 2)[1:-1]
    places = dict.fromkeys(int(np.argmin(np.abs(path.t - t))) for t in lengths)
    found = [_check(field, plane, path, k) for k in places]
    return tuple(check for check in found if check is not None)


def _check(field: Field, plane: Plane, path: LevelPath, k: int) -> PathCheck | None:
    theta = plane.at(path.points[k])
    value, gradient = field.value_and_gradient(theta)
    slopes = plane.basis @ gradient
    if not np.any(slopes):
        return None
    leaving = np.array([-slopes[1], slopes[0]]) @ plane.basis
    tangent = measured_tangent(field, theta, value, gradient, leaving)
    if tangent is None:
        return None
    cosine = float(gradient @ tangent.direction) / float(
        np.linalg.norm(gradient) * np.linalg.norm(tangent.direction)
    )
    change = float(path.values[k]) - value
    return PathCheck(float(path.t[k]), change, tangent.angle, tangent.error, cosine)


def _random_angles(field: Field, value: float, gradient: Vector, seed: int) -> tuple[float, ...]:
    """To tangents of paths that leave in random directions, in all dimensions."""
    rng = np.random.default_rng(seed)
    unit = gradient / np.linalg.norm(gradient)
    found = []
    for _ in range(_affordable(field, _TANGENTS, _OF_TANGENT)):
        v = rng.standard_normal(field.size)
        if abs(angle(v, unit) - 90) > 70:
            continue
        tangent = measured_tangent(field, field.theta, value, gradient, v)
        if tangent is not None and tangent.error <= _MEASURED:
            found.append(tangent.angle)
    return tuple(found)
