"""``decision_boundary``: where a classifier is undecided, and θ at a right angle to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from chainrule.errors import DataError, TrainingError
from chainrule.explain.geometry.boundary_picture import boundary_pictures
from chainrule.explain.geometry.boundary_text import boundary_lines
from chainrule.explain.geometry.linear import Classifier, classifier_of, rows_of_features
from chainrule.explain.geometry.plane import unit_vector
from chainrule.explain.geometry.result import Result
from chainrule.explain.geometry.sgd_steps import ExampleStep, example_steps, probabilities
from chainrule.explain.geometry.tangent import angle
from chainrule.explain.shown import plain

#: Points of the boundary between which the angle to θ is measured.
_POINTS: Final = 64
_FEATURES: Final = 2


@dataclass(frozen=True, eq=False)
class Boundary:
    """Where two classes j and k are equally likely: θᵀx + θ₀ = 0.

    Attributes:
        classes: (j, k); θ points to class j.
        theta: θ, float64[d], of the features that vary. theta0: θ₀, of the log-odds of j against k.
        norm: |θ|.
        angle: between θ and the vectors that join points of the boundary, found on the model's own
            scores: the one furthest from 90°, degrees; NaN of one feature or where θ = 0.
        ahead, behind: probability of j against k one unit of distance before and behind the
            boundary along θ.
        distances: θᵀx + θ₀ over |θ| of the rows of the two classes, positive on the side of j.
        margin: the least distance of a row on its own side; below 0 where rows lie on the wrong
            one. NaN where θ = 0.
        right: rows of the two classes on their own side. rows: of them in all.
    """

    classes: tuple[int, int]
    theta: np.ndarray
    theta0: float
    norm: float
    angle: float
    ahead: float
    behind: float
    distances: np.ndarray
    margin: float
    right: int
    rows: int

    @property
    def separates(self) -> bool:
        """Whether every row of both classes lies on its own side."""
        return self.rows > 0 and self.right == self.rows and self.margin > 0


@dataclass(frozen=True, eq=False, repr=False)
class DecisionBoundary(Result):
    """The boundary between classes, with the data.

    Attributes:
        x: the features, float64[rows, d]; y: class numbers. names: of features; classes: of the
            classes.
        is_linear: whether the scores are an affine map of the features; measured.
        boundaries: one for each pair of classes, of a linear classifier; else empty.
        shown: the one of ``boundaries`` whose θ is drawn.
        accuracy: part of the rows whose class has the model's largest score.
        steps: what one SGD update on one example does to the θ that is drawn.
        learning_rate: of those updates.
        varying: which columns of x vary; a constant one, such as ones for a bias, adds to θ₀.
        held: how many features more the model has, that are not drawn and stay at their means.
        torn: rows that share all features, drawn or not, with one of another class.
    """

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    classes: tuple[str, ...]
    is_linear: bool
    boundaries: tuple[Boundary, ...]
    shown: int
    accuracy: float
    steps: tuple[ExampleStep, ...]
    learning_rate: float
    varying: np.ndarray
    held: int
    torn: int
    _classifier: Classifier

    def _draw(self) -> dict[str, str]:
        """The boundary with the data; and θ with the SGD updates of some examples."""
        return boundary_pictures(self)

    def to_json(self) -> dict[str, Any]:
        """The numbers, in JSON's types, without the data."""
        keys = (
            "names", "classes", "is_linear", "shown", "accuracy", "learning_rate", "held", "torn",
        )  # fmt: skip
        own = {k: getattr(self, k) for k in keys}
        own["boundaries"] = [
            {**vars(b), "theta": b.theta[:100], "separates": b.separates, "distances": None}
            for b in self.boundaries
        ]
        own["steps"] = [vars(step) for step in self.steps]
        return plain(own)

    def _lines(self) -> list[str]:
        return boundary_lines(self)


def decision_boundary(
    model: Any, x: Any, y: Any, *, bias: float | None = None, names: Sequence[str] | None = None,
    features: tuple[int, int] | None = None, classes: tuple[int, int] | None = None,
    learning_rate: float | None = None, examples: int = 4,
) -> DecisionBoundary:  # fmt: skip
    """θ is perpendicular to the decision boundary and points to class 1: measured and drawn.

    Args:
        model: θ of a logistic regression p(1|x) = 1 / (1 + exp(-θᵀx - θ₀)): (d,), or (d + 1,)
            with θ₀ in front, or a tree of the weights and the bias; or a model that is called with
            rows and returns the log-odds of class 1, or a score (logit) for each class.
        x: features, (rows, d).
        y: classes, (rows,).
        bias: θ₀, where θ is d numbers.
        names: of the features.
        features: of a model that is not linear and has more than two features, the two that are
            drawn; the others stay at their means.
        classes: of more than two classes and features, the pair (j, k) that is drawn; None for
            the pair that is confused the most.
        learning_rate: ε of the single SGD updates θ ← θ - ε (p - y) x that are drawn; None for
            one by which the longest is about as long as 0.4 |θ|.
        examples: how many of them, those that turn θ the most.

    Raises:
        DataError: x and y do not fit together. TrainingError: model is no classifier of such rows.

    Source:
        Saremi 2024, Gradient Descent and Backpropagation 1: the geometry of θ in the logistic
        regression, and ∇L = (p - y) x.

    Example:
        >>> x = np.array([[2.0, 1.0], [1.0, 2.0], [-1.0, -1.0], [-2.0, 0.5]])
        >>> found = decision_boundary(np.array([1.0, 2.0]), x, [1, 1, 0, 0])
        >>> b = found.boundaries[0]
        >>> f"{b.angle:.6f}", b.ahead > 0.5 > b.behind, b.separates
        ('90.000000', True, True)
    """
    rows, labels, known = rows_of_features(x, y)
    found = classifier_of(model, rows, bias)
    labels, known = _fitting(labels, known, found.classes)
    words = _names(names, rows.shape[1])
    varying, width, torn = _varying(rows), rows.shape[1], _torn(rows, labels)
    accuracy = float(np.mean(np.argmax(found.scores(rows), axis=1) == labels))
    if found.weight is None:
        rows, found, varying = _two_features(rows, found, features)
        words = tuple(words[k] for k in features) if features else words
    pairs = combinations(range(found.classes), 2)
    boundaries = tuple(
        _boundary(found, rows, labels, (k, j), varying)
        for j, k in pairs
        if found.weight is not None
    )
    shown = _shown(boundaries, classes)
    rate, steps = example_steps(
        found, boundaries[shown].classes, rows, labels, varying, learning_rate, examples
    ) if boundaries else (0.0, ())  # fmt: skip
    return DecisionBoundary(
        rows, labels, words, known, found.weight is not None, boundaries, shown, accuracy, steps,
        rate, varying, width - rows.shape[1], torn, found,
    )  # fmt: skip


def _names(names: Sequence[str] | None, d: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"x[{k}]" for k in range(d))
    if len(names) != d:
        raise DataError(f"decision_boundary: {len(names)} names for {d} features")
    return tuple(map(str, names))


def _torn(rows: np.ndarray, labels: np.ndarray) -> int:
    """Rows with the same features as one of another class: no boundary has both right."""
    _, same = np.unique(rows, axis=0, return_inverse=True)
    pairs = np.unique(np.stack([same.ravel(), labels]), axis=1)
    counts = np.bincount(pairs[0])
    return int(np.isin(same.ravel(), np.flatnonzero(counts > 1)).sum())


def _varying(rows: np.ndarray) -> np.ndarray:
    found = np.ptp(rows, axis=0) > 0
    return found if found.any() else np.ones(rows.shape[1], bool)


def _fitting(
    labels: np.ndarray, known: tuple[str, ...], classes: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The labels numbered as the model's outputs are."""
    if labels.max() >= classes:
        values, numbers = np.unique(labels, return_inverse=True)
        if len(values) > classes:
            raise DataError(
                f"decision_boundary: y has {len(values)} classes, the model has {classes} outputs"
            )
        labels, known = numbers, tuple(known[k] for k in values)
    more = (str(k) for k in range(len(known), classes))
    return labels, (*known, *more)[:classes]


def _two_features(
    rows: np.ndarray, found: Classifier, features: tuple[int, int] | None
) -> tuple[np.ndarray, Classifier, np.ndarray]:
    """A classifier that is not linear, of the two features that can be drawn."""
    d = rows.shape[1]
    if features is None and d <= _FEATURES:
        return rows, found, np.ones(d, bool)
    if features is None or len(set(features)) != _FEATURES or not all(0 <= k < d for k in features):
        raise TrainingError(
            f"decision_boundary: the model is not linear and has {d} features: two can be drawn,"
            f" got features={features!r}",
            "features=(0, 1) draws these two, the others at their means",
        )
    middle, kept = rows.mean(axis=0), list(features)

    def scores(pairs: np.ndarray) -> np.ndarray:
        whole = np.tile(middle, (len(pairs), 1))
        whole[:, kept] = pairs
        return found.scores(whole)

    made = Classifier(scores, None, None, found.classes, found.is_logistic)
    return rows[:, kept], made, np.ones(_FEATURES, bool)


def _boundary(
    found: Classifier, rows: np.ndarray, labels: np.ndarray, pair: tuple[int, int],
    varying: np.ndarray,
) -> Boundary:  # fmt: skip
    whole, theta0 = found.normal(*pair)
    theta, fixed = whole[varying], rows[0, ~varying]
    theta0 = theta0 + float(whole[~varying] @ fixed)
    norm = float(np.linalg.norm(theta))
    own = np.isin(labels, pair)
    signs = np.where(labels[own] == pair[0], 1.0, -1.0)
    distances = (rows[own][:, varying] @ theta + theta0) / norm if norm else np.zeros(own.sum())
    right = int(np.sum(signs * distances > 0))
    margin = float(np.min(signs * distances)) if norm and own.any() else np.nan
    measured = _angle(found, rows, pair, varying, theta) if norm else np.nan
    ahead, behind = _sides(found, rows, pair, varying, theta, theta0)
    return Boundary(
        pair, theta, theta0, norm, measured, ahead, behind, distances, margin, right, int(own.sum())
    )


def _log_odds(found: Classifier, rows: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    z = found.scores(rows)
    return np.asarray(z[:, pair[0]] - z[:, pair[1]])


def _angle(
    found: Classifier, rows: np.ndarray, pair: tuple[int, int], varying: np.ndarray,
    theta: np.ndarray,
) -> float:  # fmt: skip
    """The angle to θ of vectors between points that the model's scores put on the boundary."""
    if len(theta) < 2:
        return np.nan
    points = _points(found, rows, pair, varying)
    joins = points[1:, varying] - points[0, varying]
    angles = [angle(join, theta) for join in joins if np.any(join)]
    return max(angles, key=lambda a: abs(a - 90)) if angles else np.nan


def _points(
    found: Classifier, rows: np.ndarray, pair: tuple[int, int], varying: np.ndarray
) -> np.ndarray:
    """Points at which the two classes' scores are equal: by secants along random lines."""
    rng = np.random.default_rng(0)
    size = np.where(varying, np.ptp(rows, axis=0) + 1.0 * (np.ptp(rows, axis=0) == 0), 0.0)
    a = rows[0] * ~varying + rows.mean(axis=0) * varying + size * _draw(rng, rows.shape[1])
    b = rows[0] * ~varying + rows.mean(axis=0) * varying + size * _draw(rng, rows.shape[1])
    za, zb = (_log_odds(found, ends, pair) for ends in (a, b))
    steep = np.abs(za - zb) > 0.1 * np.max(np.abs(za - zb))  # others meet it far away
    a, b, za, zb = a[steep], b[steep], za[steep], zb[steep]
    for _ in range(2):  # the second takes away what the first was rounded by
        a = a + (za / (za - zb))[:, None] * (b - a)
        b = a + (b - a) / np.linalg.norm(b - a, axis=1, keepdims=True) * np.linalg.norm(size)
        za, zb = (_log_odds(found, ends, pair) for ends in (a, b))
        steep = np.abs(za - zb) > 0
        a, b, za, zb = a[steep], b[steep], za[steep], zb[steep]
    return np.asarray(a)


def _draw(rng: np.random.Generator, d: int) -> np.ndarray:
    return rng.uniform(-1.0, 1.0, (_POINTS, d))


def _sides(
    found: Classifier, rows: np.ndarray, pair: tuple[int, int], varying: np.ndarray,
    theta: np.ndarray, theta0: float,
) -> tuple[float, float]:  # fmt: skip
    """P(j rather than k) one unit of distance from the boundary, on θ's side and on the other."""
    foot = rows[0].copy()
    foot[varying] = rows.mean(axis=0)[varying]
    square = float(theta @ theta)
    if square:
        foot[varying] -= (theta @ foot[varying] + theta0) / square * theta
    move = np.zeros_like(foot)
    move[varying] = unit_vector(theta)
    ahead, behind = _log_odds(found, np.stack([foot + move, foot - move]), pair)
    ends = probabilities(np.array([[0.0, ahead], [0.0, behind]]))[:, 1]
    return float(ends[0]), float(ends[1])


def _shown(boundaries: tuple[Boundary, ...], classes: tuple[int, int] | None) -> int:
    """The pair that is asked for, or the one with most rows on the wrong side."""
    if not boundaries:
        return 0
    if classes is None:
        wrong = [(b.rows - b.right) / max(b.rows, 1) for b in boundaries]
        return int(np.argmax(wrong))
    for k, boundary in enumerate(boundaries):
        if set(boundary.classes) == set(classes):
            return k
    raise TrainingError(
        f"decision_boundary: classes={classes!r}; expected two different classes of"
        f" 0 to {boundaries[-1].classes[0]}"
    )
