"""A plane through a point of the parameters: two orthonormal directions and their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np

from chainrule.errors import GradientError, TrainingError
from chainrule.explain.geometry.field import Field, Vector

#: A direction is taken to lie in the span of others if less than this of it is left.
_PARALLEL: Final = 1e-10


@dataclass(frozen=True, eq=False)
class Plane:
    """θ(a, b) = origin + a e₁ + b e₂.

    Attributes:
        origin: float64[n]. basis: orthonormal, float64[2, n].
        labels: of the axes. offset: what is added to (a, b) for the axes: of two entries of θ
            their values at the origin, else 0.
    """

    field: Field
    origin: Vector
    basis: np.ndarray
    labels: tuple[str, str]
    offset: np.ndarray

    def at(self, q: np.ndarray) -> Vector:
        """θ of in-plane coordinates (a, b)."""
        found: Vector = self.origin + q @ self.basis
        return found

    def value_and_gradient(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """f and its gradient within the plane, float64[2]."""
        value, gradient = self.field.value_and_gradient(self.at(q))
        return value, self.basis @ gradient

    def hessian(self) -> np.ndarray:
        """The Hessian within the plane at the origin, float64[2, 2].

        Raises:
            GradientError: f has no second derivative.
        """
        columns = [self.field.hvp(self.origin, e) for e in self.basis]
        found = self.basis @ np.array(columns).T
        return np.asarray((found + found.T) / 2)

    def grid(
        self, low: np.ndarray, high: np.ndarray, size: int = 61, seconds: float = 1.5
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(a, b, f over them) between two corners; fewer points if f takes long."""
        middle = (low + high) / 2
        begin = perf_counter()
        for _ in range(3):
            self.field.value(self.at(middle))
        each = (perf_counter() - begin) / 3
        size = int(np.clip(np.sqrt(seconds / max(each, 1e-9)), 15, size))
        a, b = (np.linspace(low[k], high[k], size) for k in (0, 1))
        z = [[self.field.value(self.at(np.array([p, q]))) for p in a] for q in b]
        return a, b, np.array(z)


def plane_through(
    field: Field, origin: Vector, gradient: Vector, along: Any = None, seed: int = 0
) -> Plane:
    """The plane that is asked for.

    Args:
        field: the function.
        origin: where.
        gradient: ∇f there.
        along: None for both entries of θ where it has two, else for the gradient's own plane: the
            gradient and the direction into which it turns when one follows it; "random"; two
            names of entries ("w[0]", "b"); or two directions.
        seed: of random directions.

    Raises:
        TrainingError: no such entry; directions that are parallel, 0 or of another size.
    """
    if along is None and field.size == 2:
        along = (field.name(0), field.name(1))
    if along is None:
        return _own_plane(field, origin, gradient, seed)
    if isinstance(along, str) and along == "random":
        rng = np.random.default_rng(seed)
        return _spanned(field, origin, rng.standard_normal((2, field.size)), "a random direction")
    pair = _two(along)
    if all(isinstance(name, str) for name in pair):
        return entries_plane(field, origin, pair)
    directions = np.array([field.vector(tree) for tree in pair])
    return _spanned(field, origin, directions, "a given direction")


def entries_plane(field: Field, origin: Vector, names: Sequence[str]) -> Plane:
    """The plane of two entries of θ; the others stay."""
    places = [field.index(name) for name in names]
    if places[0] == places[1]:
        raise TrainingError(f"along: {names[0]!r} twice; expected two different entries")
    basis = np.zeros((2, field.size))
    basis[[0, 1], places] = 1.0
    return Plane(field, origin, basis, (names[0], names[1]), origin[places])


def _two(along: Any) -> tuple[Any, Any]:
    if isinstance(along, str) or len(along) != 2:
        raise TrainingError(
            f"along: {along!r}; expected 'random', two names of entries, or two directions"
        )
    return along[0], along[1]


def _own_plane(field: Field, origin: Vector, gradient: Vector, seed: int) -> Plane:
    """Of the gradient g and H g; a random direction where H g is along g."""
    unit = unit_vector(gradient)
    turn = _or_zero(lambda: field.hvp(origin, unit))
    turn = turn - (turn @ unit) * unit
    if np.linalg.norm(turn) <= 1e-8 * np.linalg.norm(gradient):
        words, turn = "a random direction", np.random.default_rng(seed).standard_normal(len(unit))
    else:
        words = "where it turns to"
    if not np.any(gradient):
        return _spanned(field, origin, _random(field, seed), "a random direction")
    found = _spanned(field, origin, np.array([unit, turn]), words)
    return Plane(field, origin, found.basis, ("along the gradient", words), found.offset)


def _random(field: Field, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((2, field.size))


def _or_zero(made: Callable[[], Vector]) -> Vector:
    try:
        found = made()
    except GradientError:
        return np.zeros(1)
    return found if np.isfinite(found).all() else np.zeros(1)


def _spanned(field: Field, origin: Vector, directions: np.ndarray, words: str) -> Plane:
    first = unit_vector(directions[0])
    second = directions[1] - (directions[1] @ first) * first
    second = second - (second @ first) * first
    if not np.linalg.norm(second) > _PARALLEL * np.linalg.norm(directions[1]):
        raise TrainingError("along: the two directions are parallel; they span no plane")
    basis = np.array([first, unit_vector(second)])
    labels = (f"{words}", "another, at a right angle")
    return Plane(field, origin, basis, labels, np.zeros(2))


def unit_vector(v: Vector) -> Vector:
    """v / |v|; 0 stays 0."""
    length = np.linalg.norm(v)
    return v / length if length > 0 else v
