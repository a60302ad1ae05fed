"""Is this a minimum, a saddle point, a maximum, a plateau, or no critical point at all?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.explain.landscape.critical_picture import Views, picture, views
from chainrule.explain.landscape.field import EXACT, Field, field_of, given
from chainrule.explain.landscape.spectrum import Spectrum, spectrum
from chainrule.explain.landscape.sphere import Around, flat_count, look_around, order_of
from chainrule.explain.landscape.verdict import lines
from chainrule.explain.landscape.walk import Walk, walk
from chainrule.explain.shown import plain, shown, told

Kind: TypeAlias = Literal["minimum", "saddle", "maximum", "plateau", "none"]
#: Of 1 + |θ|: as near is at it.
_NEAR: Final = 1e-3
#: Of the loss: less to gain is nothing.
_IDLE: Final = 1e-3
_PLATEAU: Final = 1e-6
#: Distances at which the fall along the escape direction is measured, of 1 + |θ|.
FALLS: Final = (1e-3, 1e-2, 1e-1)


@dataclass(frozen=True, eq=False)
class Escape:
    """The way down from a saddle point or a maximum.

    Attributes:
        direction: of length 1, float64[size]; ``parts`` has it as arrays by name.
        curvature: uᵀHu, along it.
        distances: how far it was gone, both ways.
        forwards, backwards: f(θ ± r u) - f(θ), measured at each distance.
    """

    direction: np.ndarray
    curvature: float
    distances: np.ndarray
    forwards: np.ndarray
    backwards: np.ndarray


@dataclass(frozen=True, eq=False)
class CriticalPoint:
    """What gradient, Hessian and measured values say of a point.

    Attributes:
        kind: "minimum", "saddle", "maximum", "plateau" (gradient and curvature vanish), or
            "none": no critical point.
        is_degenerate: whether the second derivatives do not decide it alone; ``around`` then has
            what was measured instead.
        loss: f there, in ``unit``.
        gradient_norm: |g|.
        relative_gradient: |g| / (|λ|_max (1 + |θ|)): the distance to the nearest critical point
            is at least this part of 1 + |θ|; infinite where nothing bends.
        newton_distance: |H⁻¹ g|, where the quadratic has its critical point; infinite where the
            gradient has a part along which nothing bends; None of a large Hessian.
        newton_gain: what the quadratic says that Newton's step changes the loss by at most: the
            sum over all eigenvectors of |gᵢ²/2λᵢ|; None of a large Hessian.
        spectrum: the eigenvalues.
        escape: the way down; None at a minimum or on a plateau.
        around: the lowest and highest value on a small sphere, where the Hessian did not decide.
        order: the power of the distance by which the loss then changes: 3 for a monkey saddle.
        flat: directions, of those that do not bend, along which the loss does not change at all.
        walk: the way from where it was asked for, if it was walked.
        point: the place, by the names of the arguments.
        parameters: how many numbers.
        rows, of_rows: of data that were looked at, and that there are.
        drawn: what the picture shows.
        escape_parts: the escape direction by the names of the arguments; empty without one.
    """

    kind: Kind
    is_degenerate: bool
    loss: float
    unit: str
    gradient_norm: float
    relative_gradient: float
    newton_distance: float | None
    newton_gain: float | None
    spectrum: Spectrum
    escape: Escape | None
    around: Around | None
    order: float | None
    flat: int | None
    walk: Walk | None
    point: dict[str, np.ndarray]
    parameters: int
    rows: int
    of_rows: int
    drawn: Views
    escape_parts: dict[str, np.ndarray]

    def __str__(self) -> str:
        return told(lines(self))

    __repr__ = __str__

    def svg(self) -> str:
        """Slices along the extreme eigenvectors, the plane through both, and the spectrum."""
        return picture(self.drawn, self.spectrum, self.kind, self.unit, self.escape is not None)

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values; vectors of more than 200 numbers are left out."""
        return plain(_json(self))


def critical_point(
    first: Any, *rest: Any, wrt: Any = None, walk_first: bool = False, rows: int | None = None,
    seconds: float = 10.0, seed: int = 0,
) -> CriticalPoint:  # fmt: skip
    """Classify a point by the Hessian's eigenvalues, and by measured values where they are 0.

    Up to 200 parameters the whole Hessian is worked out; of more, its extreme eigenvalues by
    Lanczos on Hessian-vector products, with error bounds. Everything is in float64.

    A point counts as critical if |g| <= 10⁻³ |λ|_max (1 + |θ|), and what Newton's step would gain
    is below 10⁻³ of the loss, or its length below 10⁻³ (1 + |θ|).

    Args:
        first: a function in NumPy; or a model.
        *rest: its arguments; or a loss and a tuple of data, as for ``cr.train``.
        wrt: names of arguments, if not of all.
        walk_first: go to the nearest critical point first, by shortening the gradient.
        rows: of the data at most, drawn by the seed; None for 10,000, fewer for large models.
        seconds: about how long the search may take, compilation not counted.
        seed: of what is drawn.

    Raises:
        TrainingError: the loss, its gradient or its Hessian is not finite there; there is none.

    Source:
        Dauphin, Pascanu, Gulcehre, Cho, Ganguli & Bengio 2014, Identifying and Attacking the
        Saddle Point Problem in High-dimensional Non-convex Optimization; error bounds of the
        eigenvalues: see ``diagnosis.curvature``.

    Example:
        >>> found = critical_point(lambda x, y: x**2 - y**2, 0.0, 0.0)
        >>> found.kind, found.spectrum.values
        ('saddle', array([-2.,  2.]))
        >>> critical_point(lambda x, y: x**3 - 3 * x * y**2, 0.0, 0.0).kind  # a monkey saddle
        'saddle'
        >>> critical_point(lambda x: x**2, 1.0).kind
        'none'
    """
    if not seconds > 0:
        raise TrainingError(f"seconds is {seconds!r}; expected a number > 0")
    asked = given(first, rest, wrt)
    field = field_of(asked, _rows(rows, asked.size), seed)
    way = walk(field, seconds / 2, seed) if walk_first else None
    v = field.start if way is None else way.end
    found = spectrum(field, v, seconds / 4, seed)
    return _judged(field, v, found, way, seconds / (2 if way is None else 4), seed)


def _rows(rows: int | None, size: int) -> int:
    if rows is None:
        return max(256, min(10_000, 200_000_000 // max(size, 1)))
    if type(rows) is not int or rows < 1:
        raise TrainingError(f"rows is {rows!r}; expected a whole number, 1 or more")
    return rows


def _judged(
    field: Field, v: np.ndarray, bend: Spectrum, way: Walk | None, seconds: float, seed: int
) -> CriticalPoint:
    value, g = field.value(v), field.gradient(v)
    place = _Place.of(v, value, g, bend)
    around = None
    if place.is_critical and _needs_a_look(bend):
        around = look_around(field, v, bend.flat(), bend.has_positive, seconds, seed)
    kind = _kind(place, bend, around)
    escape = _escape(field, v, bend, around, kind)
    flat = None if around is None else flat_count(field, v, bend.flat())
    seen = around if around is not None and not (bend.has_negative and kind == "saddle") else None
    down = bend.smallest_direction if escape is None else escape.direction
    return CriticalPoint(
        kind, around is not None, value, field.unit, place.norm, place.relative, place.newton,
        None if place.newton is None else place.gain,
        bend, escape, seen, _order(field, v, seen, kind), flat, way, field.parts(v), field.size,
        field.rows, field.of_rows, views(field, v, down, bend, way),
        {} if escape is None else field.parts(escape.direction),
    )  # fmt: skip


@dataclass(frozen=True)
class _Place:
    """How near a critical point is, by gradient and Hessian."""

    norm: float
    relative: float
    newton: float | None
    gain: float
    is_critical: bool
    is_plateau: bool

    @classmethod
    def of(cls, v: np.ndarray, value: float, g: np.ndarray, bend: Spectrum) -> _Place:
        norm, scale = float(np.linalg.norm(g)), 1 + float(np.linalg.norm(v))
        steepest = bend.steepest
        relative = norm / (steepest * scale) if steepest else (math.inf if norm else 0.0)
        newton, gain = _newton(g, bend, abs(value), scale)
        lost = _PLATEAU * abs(value)
        is_plateau = norm > 0 and relative > _NEAR and _gain(norm, steepest) <= lost
        is_plateau = is_plateau and norm * scale <= lost
        is_near = gain <= _IDLE * abs(value) or (newton is not None and newton <= _NEAR * scale)
        if newton is None:
            is_near = is_near or relative <= _NEAR**2
        return cls(norm, relative, newton, gain, relative <= _NEAR and is_near, is_plateau)


def _gain(norm: float, steepest: float) -> float:
    """What one step of 1 / |λ|_max gains, about."""
    return norm**2 / (2 * steepest) if steepest else (math.inf if norm else 0.0)


def _newton(
    g: np.ndarray, bend: Spectrum, value: float, scale: float
) -> tuple[float | None, float]:
    """(length of Newton's step, what it changes the loss by at most); of a large one the latter.

    A part of the gradient along which nothing bends leads nowhere, unless it is rounding.
    """
    if bend.values is None or bend.vectors is None:
        return None, _gain(float(np.linalg.norm(g)), bend.steepest)
    along = bend.vectors.T @ g
    bends = np.abs(bend.values) > bend.zero
    lost = float(np.linalg.norm(along[~bends])) * scale
    if lost > 1e-9 * max(value, bend.steepest * scale**2):
        return math.inf, math.inf
    step = along[bends] / bend.values[bends]
    return float(np.linalg.norm(step)), float(np.sum(np.abs(along[bends] * step))) / 2


def _needs_a_look(bend: Spectrum) -> bool:
    """Whether second derivatives leave it open: some are 0, and none of the two signs."""
    return bend.may_be_flat and not (bend.has_negative and bend.has_positive)


def _kind(place: _Place, bend: Spectrum, around: Around | None) -> Kind:
    if not place.is_critical:
        return "plateau" if place.is_plateau else "none"
    if bend.has_negative and bend.has_positive:
        return "saddle"
    if around is None:
        return "maximum" if bend.has_negative else "minimum"
    if around.falls and (around.rises or bend.has_positive):
        return "saddle"
    if around.falls:
        return "maximum"
    return "minimum" if around.rises or bend.has_positive else "plateau"


def _escape(
    field: Field, v: np.ndarray, bend: Spectrum, around: Around | None, kind: Kind
) -> Escape | None:
    if kind not in ("saddle", "maximum"):
        return None
    if bend.has_negative or around is None:
        found = bend.smallest_direction
        found = found * np.sign(found[np.argmax(np.abs(found))])  # one of the two, always the same
    else:
        found = around.low_direction  # an odd power falls one way only
    value, scale = field.value(v), 1 + float(np.linalg.norm(v))
    distances = scale * np.asarray(FALLS)
    ways = [[field.value(v + s * r * found) - value for r in distances] for s in (1, -1)]
    bent = float(found @ field.product(v, found))
    return Escape(found, bent, distances, np.asarray(ways[0]), np.asarray(ways[1]))


def _order(field: Field, v: np.ndarray, around: Around | None, kind: Kind) -> float | None:
    if around is None or kind == "plateau":
        return None
    falls = kind in ("saddle", "maximum")
    return order_of(field, v, around, around.low_direction if falls else around.high_direction)


def _json(c: CriticalPoint) -> dict[str, Any]:
    kept = {k: v for k, v in c.__dict__.items() if k not in _LEFT_OUT}
    values = c.spectrum.values if c.spectrum.values is not None else None
    ends = {
        "smallest": c.spectrum.smallest,
        "largest": c.spectrum.largest,
        "error": c.spectrum.zero,
    }
    made = {"kind": c.kind, **kept, "eigenvalues": {**ends, "all": values}}
    if c.parameters <= EXACT:
        made |= {"point": c.point, "escape_direction": c.escape_parts}
    if c.escape is not None:
        made["escape"] = {
            "curvature": c.escape.curvature, "distances": c.escape.distances,
            "forwards": c.escape.forwards, "backwards": c.escape.backwards,
        }  # fmt: skip
    if c.walk is not None:
        made["walk"] = {"steps": c.walk.steps, "distance": c.walk.distance}
    return made


_LEFT_OUT: Final = {
    "spectrum", "escape", "around", "walk", "point", "drawn", "escape_parts",
}  # fmt: skip
