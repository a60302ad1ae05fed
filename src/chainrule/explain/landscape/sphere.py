"""What a loss does around a point where its Hessian does not tell: the lowest on small spheres."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from chainrule.explain.landscape.field import Field

#: Radii of the spheres, in units of 1 + |θ|.
RADII: Final = (1e-3, 1e-2, 1e-1)
#: Directions that a search begins with, and steps from each.
_STARTS: Final = 24
_STEPS: Final = 40
_FIRST_ANGLE: Final = 0.5
_LEAST_ANGLE: Final = 1e-3
#: A change of this many roundings of the loss is one.
_ROUNDINGS: Final = 256.0
_EPS: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Around:
    """The lowest and the highest change of the loss at one distance, less the gradient's part.

    Attributes:
        radius: the distance.
        low, high: f(θ + r u) - f(θ) - r g·u, the lowest and the highest that were found.
        low_direction, high_direction: their u, of length 1.
        floor: a change of this size is rounding.
        searches: places that were begun from.
        is_whole: whether there was time for all of them.
    """

    radius: float
    low: float
    high: float
    low_direction: np.ndarray
    high_direction: np.ndarray
    floor: float
    searches: int
    is_whole: bool

    @property
    def falls(self) -> bool:
        """Whether a lower place was found."""
        return self.low < -self.floor

    @property
    def rises(self) -> bool:
        """Whether a higher place was found."""
        return self.high > self.floor


def look_around(
    field: Field, v: np.ndarray, directions: np.ndarray, rises: bool, seconds: float, seed: int = 0
) -> Around:
    """The first sphere, from small to large, on which it is seen what the loss does.

    That is: a lower place was found, or all places are higher; else the largest sphere. From each
    of the directions, and from random ones, the loss is taken down (and up) along the sphere.

    Args:
        field: the function.
        v: the point.
        directions: to begin with, float64[any, size], such as those that do not bend.
        rises: whether it is known to rise in some direction: highest places are not looked for.
        seconds: for all of it.
        seed: of the random directions.
    """
    end, scale = perf_counter() + seconds, 1 + float(np.linalg.norm(v))
    value, gradient = field.value(v), field.gradient(v)
    starts = _starts(directions, field.size, seed)
    found: list[Around] = []
    for part, radius in enumerate(RADII):
        until = end - seconds * (1 - (part + 1) / len(RADII))
        found.append(_on(_Sphere(field, v, value, gradient, radius * scale), starts, rises, until))
        if found[-1].falls or found[-1].low > found[-1].floor:
            break
    return found[-1]


def _starts(directions: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Mixtures of the given directions, each of the first of them both ways, and random ones."""
    rng = np.random.default_rng(seed)
    given, third = directions[: _STARTS // 6], _STARTS // 3
    mixed = rng.standard_normal((third if len(directions) > 1 else 0, len(directions))) @ directions
    drawn = rng.standard_normal((_STARTS - len(mixed) - 2 * len(given), size))
    found = np.concatenate([given, -given, mixed, drawn])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class _Sphere:
    """The change of the loss at one distance from a point, over the directions."""

    field: Field
    centre: np.ndarray
    value: float
    slope: np.ndarray
    radius: float

    def change(self, u: np.ndarray) -> float:
        moved = self.field.value(self.centre + self.radius * u) - self.value
        return float(moved - self.radius * (self.slope @ u))

    def tangent(self, u: np.ndarray) -> np.ndarray:
        """The gradient of the change along the sphere."""
        g = self.field.gradient(self.centre + self.radius * u) - self.slope
        return np.asarray(g - (g @ u) * u)

    def descend(self, u: np.ndarray, sign: float, until: float) -> tuple[float, np.ndarray]:
        """Down (sign 1) or up (-1) along great circles, from u."""
        best, angle = sign * self.change(u), _FIRST_ANGLE
        for _ in range(_STEPS):
            along = sign * self.tangent(u)
            size = float(np.linalg.norm(along))
            if not size or not math.isfinite(size) or perf_counter() > until:
                break
            while angle >= _LEAST_ANGLE:
                moved = math.cos(angle) * u - math.sin(angle) * along / size
                found = sign * self.change(moved)
                if found < best:
                    u, best, angle = moved, found, min(2 * angle, _FIRST_ANGLE)
                    break
                angle /= 2
            else:
                break
        return sign * best, u


def _on(sphere: _Sphere, starts: np.ndarray, rises: bool, until: float) -> Around:
    """The lowest and the highest on one sphere; a search is made however late it is.

    It ends with the first fall and rise, of which ``rises`` says that one is known already.
    """
    low, high = (math.inf, starts[0]), (-math.inf, starts[0])
    linear = sphere.radius * float(np.linalg.norm(sphere.slope))
    rounding = _ROUNDINGS * _EPS * max(abs(sphere.value), linear)
    searches, largest, floor, is_known = 0, 0.0, rounding, False
    for u in starts:
        down = sphere.descend(u, 1.0, until)
        up = (sphere.change(u), u) if rises else sphere.descend(u, -1.0, until)
        searches += 1
        low, high = (down if down[0] < low[0] else low), (up if up[0] > high[0] else high)
        largest = max(largest, *(abs(x) for x in (down[0], up[0]) if math.isfinite(x)), 0.0)
        floor = rounding + 8 * _EPS * largest
        is_known = low[0] < -floor and (rises or high[0] > floor)
        if is_known or perf_counter() > until:
            break
    is_whole = is_known or searches == len(starts)
    return Around(sphere.radius, low[0], high[0], low[1], high[1], floor, searches, is_whole)


def order_of(field: Field, v: np.ndarray, around: Around, u: np.ndarray) -> float | None:
    """By which power of the distance the loss changes along u: 3 for a monkey saddle.

    None where half of the distance shows nothing beyond rounding.
    """
    value, gradient = field.value(v), field.gradient(v)
    sphere = _Sphere(field, v, value, gradient, around.radius)
    half = _Sphere(field, v, value, gradient, around.radius / 2)
    whole, part = abs(sphere.change(u)), abs(half.change(u))
    if min(whole, part) <= around.floor:
        return None
    return math.log2(whole / part)


def flat_count(field: Field, v: np.ndarray, directions: np.ndarray) -> int:
    """Along how many of the directions the loss stays as it is, to rounding, at every radius."""
    value, scale = field.value(v), 1 + float(np.linalg.norm(v))
    floor = _ROUNDINGS * _EPS * abs(value)
    return sum(
        all(abs(field.value(v + r * scale * s * u) - value) <= floor for r, s in _places())
        for u in directions
    )


def _places() -> Iterator[tuple[float, float]]:
    for radius in RADII:
        yield radius, 1.0
        yield radius, -1.0
