"""Follow a level set within a plane: predict along the tangent, correct along the gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from chainrule.explain.geometry.plane import Plane

#: How a path ends.
Ending = Literal[
    "closed", "left the view", "critical point", "corner", "edge of the domain", "steps"
]
#: The turn of the tangent in one step, radians: shorter steps above, longer ones below.
_MOST_TURN: Final = 0.12
_LEAST_TURN: Final = 0.04


@dataclass(frozen=True, eq=False)
class LevelPath:
    """Points of a level set, one after the other.

    Attributes:
        points: in-plane coordinates, float64[m, 2]. t: the length of the path from the point
            that it was begun at, negative on the one side, float64[m].
        values: f at the points. endings: of the end at the smallest t and at the largest.
        corners: places in ``points`` before which the tangent jumps: f has a kink there.
    """

    points: np.ndarray
    t: np.ndarray
    values: np.ndarray
    endings: tuple[Ending, Ending]
    corners: tuple[int, ...]

    @property
    def is_closed(self) -> bool:
        """Whether it comes back to where it began."""
        return self.endings[1] == "closed"

    def within(self, reach: float) -> LevelPath:
        """The part around the start that stays within this distance of it, and one point more."""
        far = np.linalg.norm(self.points, axis=1) > reach
        own = int(np.argmin(np.abs(self.t)))
        ahead, behind = np.flatnonzero(far[own:]), np.flatnonzero(far[: own + 1])
        first = int(behind[-1]) if len(behind) else 0
        last = own + int(ahead[0]) if len(ahead) else len(far) - 1
        ends: tuple[Ending, Ending] = (
            "left the view" if len(behind) else self.endings[0],
            "left the view" if len(ahead) else self.endings[1],
        )
        part = slice(first, last + 1)
        corners = tuple(k - first for k in self.corners if first < k < last)
        return LevelPath(self.points[part], self.t[part], self.values[part], ends, corners)


@dataclass(frozen=True, eq=False)
class _Place:
    q: np.ndarray
    value: float
    gradient: np.ndarray

    @property
    def tangent(self) -> np.ndarray:
        """A quarter turn from the gradient, counter-clockwise, of length 1."""
        g = self.gradient / np.linalg.norm(self.gradient)
        return np.array([-g[1], g[0]])


@dataclass(frozen=True, eq=False)
class _Walk:
    """What both halves of a path are followed with."""

    plane: Plane
    start: _Place
    step: float
    longest: float
    reach: float
    most: int


def trace_level(
    plane: Plane, step: float, reach: float, longest: float, most: int = 500
) -> LevelPath:
    """The path on the level set through the plane's origin, to both sides.

    Args:
        plane: through a point whose gradient within the plane is not 0.
        step: the first step's length.
        reach: how far from the origin it is followed.
        longest: length of any step.
        most: steps to each side.

    Source:
        Allgower & Georg 1990, Numerical Continuation Methods, chapter 2: Euler's predictor along
        the tangent, Newton's corrector along the gradient.
    """
    start = _Place(np.zeros(2), *plane.value_and_gradient(np.zeros(2)))
    walk = _Walk(plane, start, step, longest, reach, most)
    forth, ending = _follow(walk, 1.0)
    if ending == "closed":
        return _path(forth, [], ("closed", "closed"))
    back, other = _follow(walk, -1.0)
    return _path(forth, back, (other, ending))


def _path(forth: list[_Place], back: list[_Place], endings: tuple[Ending, Ending]) -> LevelPath:
    places = [*back[:0:-1], *forth]
    points = np.array([place.q for place in places])
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    t = np.concatenate([[0.0], np.cumsum(lengths)])
    begin = max(len(back) - 1, 0)
    turns = [_turn(a, b) for a, b in pairwise(places)]
    sharp = [k + 1 for k, turn in enumerate(turns) if turn > _MOST_TURN]
    apart = [k for j, k in enumerate(sharp) if not j or t[k] - t[sharp[j - 1]] > 1e-4 * t[-1]]
    corners = tuple(apart)  # a kink takes a few short steps
    values = np.array([place.value for place in places])
    return LevelPath(points, t - t[begin], values, endings, corners)


def _follow(walk: _Walk, sign: float) -> tuple[list[_Place], Ending]:
    places, walked, step = [walk.start], 0.0, walk.step
    for _ in range(walk.most):
        here = places[-1]
        found, step = _step(walk, here, sign, step)
        if not isinstance(found, _Place):
            return places, found
        if walked > 3 * step and _passes(here, found, walk.start, sign):
            return [*places, walk.start], "closed"
        if _crosses(here, found, walk.start):
            return places, "critical point"
        walked += float(np.linalg.norm(found.q - here.q))
        places.append(found)
        if np.linalg.norm(found.q) > walk.reach:
            return places, "left the view"
        if _turn(here, found) < _LEAST_TURN:
            step = min(step * 1.4, walk.longest)
    return places, "steps"


def _step(walk: _Walk, here: _Place, sign: float, step: float) -> tuple[_Place | Ending, float]:
    """The next place and the step that led there; a corner is stepped over by the shortest."""
    while step > walk.step * 1e-6:
        found = _next(walk, here, sign * step)
        if isinstance(found, _Place):
            return found, step
        step /= 2
    over = _corrected(walk, here.q + sign * 4 * step * here.tangent)
    if isinstance(over, _Place) and np.linalg.norm(over.q - here.q) > 16 * step:
        over = "corner"
    return over, 4 * step


def _next(walk: _Walk, here: _Place, step: float) -> _Place | Ending:
    """The level set's point one step further, or why there is none."""
    found = _corrected(walk, here.q + step * here.tangent)
    if not isinstance(found, _Place):
        return found
    if np.linalg.norm(found.q - here.q - step * here.tangent) > 0.5 * abs(step):
        return "corner"
    return found if _turn(here, found) <= _MOST_TURN else "corner"


def _turn(a: _Place, b: _Place) -> float:
    return math.acos(float(np.clip(a.tangent @ b.tangent, -1.0, 1.0)))


def _corrected(walk: _Walk, q: np.ndarray) -> _Place | Ending:
    """Newton's method for f = level along the gradient, until rounding alone is left."""
    level = walk.start.value
    best: _Place | None = None
    for _ in range(12):
        value, gradient = walk.plane.value_and_gradient(q)
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return "edge of the domain"
        square = float(gradient @ gradient)
        if square == 0:
            return "critical point"
        if best is not None and abs(value - level) >= abs(best.value - level):
            break
        best = _Place(q, value, gradient)
        if abs(value - level) <= 2 * np.spacing(abs(level)):
            break
        q = q - (value - level) / square * gradient
    assert best is not None
    return best if _is_on_level(best, level) else "corner"


def _is_on_level(place: _Place, level: float) -> bool:
    """Whether f is at the level to 1e-11, relative to it or to what f does over the distance."""
    over = float(np.linalg.norm(place.gradient) * np.linalg.norm(place.q))
    return bool(abs(place.value - level) <= 1e-11 * max(abs(level), 1e-3 * over))


def _crosses(here: _Place, there: _Place, start: _Place) -> bool:
    """Whether ∇f vanishes between two places, and turns: a saddle, where the level set crosses."""
    least = min(float(np.linalg.norm(place.gradient)) for place in (here, there))
    return _turn(here, there) > _MOST_TURN and bool(least < 1e-3 * np.linalg.norm(start.gradient))


def _passes(here: _Place, there: _Place, start: _Place, sign: float) -> bool:
    """Whether the start lies between two places that follow one another, in the same direction."""
    if here.tangent @ start.tangent < 0.9 or there.tangent @ start.tangent < 0.9:
        return False
    before = sign * (start.q - here.q) @ start.tangent
    after = sign * (there.q - start.q) @ start.tangent
    is_near = np.linalg.norm(start.q - here.q) <= 1.5 * np.linalg.norm(there.q - here.q)
    return bool(before >= 0 and after >= 0 and is_near)
