"""Directions that a loss is cut along: entries, random and normalised, principal, or given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.explain.geometry.field import Field, Vector


@dataclass(frozen=True, eq=False)
class Directions:
    """One or two directions in the parameters and how far a picture goes along each.

    Attributes:
        basis: float64[k, n], not always of length 1. labels: of the axes, with units.
        offset: added to the coordinates for the axes: values of entries, else 0.
        low, high: coordinates, float64[k].
        share: part of the path's squared distances to its end along each principal direction;
            empty of others.
        words: what they are, in one sentence.
    """

    basis: np.ndarray
    labels: tuple[str, ...]
    offset: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share: tuple[float, ...]
    words: str

    def coordinates(self, moves: np.ndarray) -> np.ndarray:
        """Of differences from the centre, (points, n) -> (points, k): the nearest in the plane."""
        gram = self.basis @ self.basis.T
        found: np.ndarray = np.linalg.lstsq(gram, self.basis @ moves.T, rcond=None)[0].T
        return found


def directions_of(
    asked: Any,
    field: Field,
    centre: Vector,
    points: np.ndarray | None,
    span: float | None,
    seed: int,
) -> Directions:
    """What ``slice_of`` was asked for.

    Args:
        asked: "random", "principal", "line", one or two names of entries, or directions.
        field: of the parameters' names.
        centre: float64[n].
        points: the path, float64[m, n], or None.
        span: how far to each side; None for what suits them.
        seed: of random directions.

    Raises:
        TrainingError: a path is needed, or such directions are none.
    """
    if isinstance(asked, str) and asked in _NEED_PATH:
        if points is None:
            raise TrainingError(
                f"slice_of: directions={asked!r} needs the path of a descent",
                "path=explain.Path(...) after training with it, path=run folder, or a"
                " list of trees",
            )
        return _NEED_PATH[asked](points, span)
    if isinstance(asked, str) and asked == "random":
        asked = ("random", "random")
    pair = (asked,) if isinstance(asked, str) else tuple(asked)
    if not 1 <= len(pair) <= 2:
        raise TrainingError(f"slice_of: {len(pair)} directions; expected one or two")
    if all(isinstance(name, str) and name == "random" for name in pair):
        return _random(field, centre, len(pair), span, seed)
    if all(isinstance(name, str) for name in pair):
        return _entries(field, centre, pair, points, span)
    return _given(field, pair, span)


def filter_normalised(direction: Vector, centre: Vector, shapes: list[tuple[int, ...]]) -> Vector:
    """Each row of each weight array scaled to the length of the weights' own row.

    A row of a dense layer (of a convolution, the filter) is what makes one output: such a
    direction is as large as the weights are, whatever their scale. Arrays of fewer than two axes
    (biases, scales and shifts of norms) are not moved.

    Args:
        direction: float64[n].
        centre: float64[n].
        shapes: of the arrays that both are.

    Source:
        Li, Xu, Taylor, Studer & Goldstein 2018, Visualizing the Loss Landscape of Neural Nets,
        section 4.
    """
    found = np.zeros_like(centre)
    first = 0
    for shape in shapes:
        size = int(np.prod(shape, dtype=int))
        part = slice(first, first + size)
        if len(shape) > 1 and size:
            d, w = (v[part].reshape(shape[0], -1) for v in (direction, centre))
            lengths = np.linalg.norm(d, axis=1, keepdims=True)
            scale = np.linalg.norm(w, axis=1, keepdims=True) / np.where(lengths > 0, lengths, 1.0)
            found[part] = (d * scale).ravel()
        first += size
    return found


def _random(field: Field, centre: Vector, count: int, span: float | None, seed: int) -> Directions:
    rng = np.random.default_rng(seed)
    shapes = [field.subject.leaves[name].shape for name in field.subject.wrt]
    draws = rng.standard_normal((count, field.size))
    words = (
        "random directions, each row of a weight array scaled to the length of the weights' own row"
        " (filter normalisation, Li et al. 2018); biases and norms stay"
    )
    basis = np.array([filter_normalised(d, centre, shapes) for d in draws])
    if not np.all(np.any(basis, axis=1)):  # vectors alone, or weights that are 0
        length = float(np.linalg.norm(centre)) or 1.0
        basis = draws / np.linalg.norm(draws, axis=1, keepdims=True) * length
        words = "random directions, of the length of the parameters (no weight array has rows)"
    reach = np.full(count, 1.0 if span is None else span)
    labels = _LABELS
    return Directions(basis, labels[:count], np.zeros(count), -reach, reach, (), words)


def _entries(
    field: Field,
    centre: Vector,
    names: tuple[str, ...],
    points: np.ndarray | None,
    span: float | None,
) -> Directions:
    places = [field.index(name) for name in names]
    if len(set(places)) < len(places):
        raise TrainingError(f"slice_of: {names[0]!r} twice; expected two different entries")
    basis = np.zeros((len(places), field.size))
    basis[range(len(places)), places] = 1.0
    own = centre[places]
    reach = np.full(len(places), span) if span is not None else np.maximum(1.0, 1.5 * np.abs(own))
    low, high = -reach, reach
    if points is not None and span is None:
        low, high = _around(points[:, places] - own)
    words = f"along {' and '.join(names)}; the other parameters stay"
    return Directions(basis, names, own, low, high, (), words)


def _given(field: Field, trees: tuple[Any, ...], span: float | None) -> Directions:
    basis = np.array([field.vector(tree) for tree in trees])
    if not np.all(np.any(basis, axis=1)):
        raise TrainingError("slice_of: a direction is 0; expected one that leads somewhere")
    unit = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    if len(basis) == 2 and abs(abs(unit[0] @ unit[1]) - 1) < 1e-12:
        raise TrainingError("slice_of: the two directions are parallel; they span no plane")
    reach = np.full(len(basis), 1.0 if span is None else span)
    labels = _LABELS
    return Directions(
        basis, labels[: len(basis)], np.zeros(len(basis)), -reach, reach, (), "the directions given"
    )


def _principal(points: np.ndarray, span: float | None) -> Directions:
    """The two along which the path's points lie furthest from its end."""
    moves = points[:-1] - points[-1]
    values, vectors = np.linalg.eigh(moves @ moves.T)
    largest = np.argsort(-values)[:2]
    total = float(np.sum(np.maximum(values, 0.0)))
    if total == 0:
        raise TrainingError("slice_of: the path does not move: all its points are the same")
    basis = _orthonormal(vectors[:, largest].T @ moves)
    share = [float(max(values[k], 0.0)) / total for k in largest]
    share += [0.0] * (2 - len(share))
    found = moves @ basis.T
    low, high = (
        (np.full(2, -span), np.full(2, span)) if span else _around(np.vstack([found, [0, 0]]))
    )
    labels = tuple(f"principal direction {k + 1} ({100 * s:.3g} %)" for k, s in enumerate(share))
    words = (
        f"the two principal directions of the path's {len(points)} points, by their distances to"
        f" the last one: they hold {100 * share[0]:.4g} % and {100 * share[1]:.4g} % of the squared"
        " distance"
    )
    return Directions(basis, labels, np.zeros(2), low, high, tuple(share), words)


def _orthonormal(rows: np.ndarray) -> np.ndarray:
    """Two orthonormal rows that begin with the given ones, where they lead somewhere."""
    n = rows.shape[1]
    size = float(np.max(np.linalg.norm(rows, axis=1)))
    found: list[np.ndarray] = []
    spare = iter(np.random.default_rng(0).standard_normal((4, n)))
    for row in [*rows, *spare]:
        for _ in range(2):
            row = row - sum(((row @ e) * e for e in found), np.zeros(n))
        length = float(np.linalg.norm(row))
        if length > 1e-10 * size and len(found) < 2:
            found.append(row / length)
    if len(found) < 2:
        raise TrainingError(
            "slice_of: one parameter has no second direction", 'directions="line" draws the one'
        )
    return np.array(found)


def _line(points: np.ndarray, span: float | None) -> Directions:
    """From the start of the path to its end, and a quarter beyond."""
    move = points[0] - points[-1]
    if not np.any(move):
        raise TrainingError("slice_of: the path ends where it began: there is no line between")
    words = "the straight line from the start of the path (1) to its end (0), and beyond"
    beyond = 0.25 if span is None else span
    return Directions(
        move[None], ("from the end (0) to the start (1) of the path",), np.zeros(1),
        np.array([-beyond]), np.array([1 + beyond]), (), words,
    )  # fmt: skip


def _around(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners with a quarter of room around points, at least a tenth of the other side."""
    low, high = found.min(axis=0), found.max(axis=0)
    size = np.maximum(high - low, 0.1 * float(np.max(high - low)))
    size = np.where(size > 0, size, 1.0)
    middle = (low + high) / 2
    return middle - 0.75 * size, middle + 0.75 * size


_LABELS: Final = ("direction 1 (1 = its length)", "direction 2 (1 = its length)")
_NEED_PATH: Final = {"principal": _principal, "line": _line}
