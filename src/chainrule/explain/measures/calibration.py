"""How far predicted probabilities can be taken at their word: the reliability diagram."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.data.words import count
from chainrule.errors import ShapeError, TrainingError
from chainrule.explain.measures.calibration_picture import picture
from chainrule.explain.measures.given import (
    distributions,
    labels,
    numbers,
    probabilities,
    same_length,
)
from chainrule.explain.shown import plain, shown, told
from chainrule.explain.words import short

#: The normal quantile of a 95 % interval.
_Z95: Final = 1.959963984540054
_MOST_BINS: Final = 100


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence against what came true, bin by bin.

    Of two classes the confidence is the probability of the class 1 and a hit a row of that class;
    of more, it is the largest probability and a hit a row whose class is that one.

    Attributes:
        edges: of the bins, (low, high]: float64[bins + 1].
        count: rows in each, int64[bins].
        confidence: the mean confidence in each, float64[bins]; NaN where there is no row.
        accuracy: the share of hits in each; NaN where there is no row.
        low, high: its 95 % interval by Wilson's score.
        calibration_error: expected calibration error (ECE): the mean over the rows of
            |confidence - accuracy| of their bins.
        largest_error: the largest of these over bins.
        brier: of two classes the mean of (p - y)²; of more, of its sum over the classes.
        log_loss: -mean log p of the true class, nats; infinite where one is 0.
        impossible: rows whose true class was given probability 0.
        rows, classes: how many.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    calibration_error: float
    largest_error: float
    brier: float
    log_loss: float
    impossible: int
    rows: int
    classes: int

    @property
    def outside(self) -> np.ndarray:
        """Bins whose mean confidence lies outside of the interval: the numbers of these bins."""
        known = self.count > 0
        with np.errstate(invalid="ignore"):
            is_out = (self.confidence < self.low) | (self.confidence > self.high)
        return np.flatnonzero(known & is_out)

    @property
    def verdict(self) -> str:
        """In words: well calibrated as far as the rows tell, too sure, or not sure enough."""
        return _verdict(self)

    def __str__(self) -> str:
        return told(_lines(self))

    __repr__ = __str__

    def svg(self) -> str:
        """The reliability diagram, and how many rows each bin has."""
        return picture(
            self.edges, self.count, self.confidence, self.accuracy, self.low, self.high,
            self.classes, self.calibration_error,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values."""
        return plain({"kind": "calibration", **self.__dict__, "verdict": self.verdict})


def calibration(p: Any, y: Any, *, bins: int = 15) -> Calibration:
    """Are predicted probabilities what they say? Over the rows of a classifier.

    Args:
        p: probabilities: of the class 1 (n,) or (n, 1); or of k classes (n, k).
        y: the classes, whole numbers from 0: (n,).
        bins: of equal width, 1 to 100; 15 as ``metrics=["calibration_error"]`` of ``cr.train``.

    Raises:
        DataError: no probability, or such of a row that do not sum to 1; no such class.
        ShapeError: differing numbers of rows. TrainingError: ``bins``.

    Source:
        Guo, Pleiss, Sun & Weinberger 2017, On Calibration of Modern Neural Networks, equation 3;
        intervals: Wilson 1927, Probable Inference.

    Example:
        >>> found = calibration([0.9, 0.8, 0.9, 0.1], [1, 1, 0, 0], bins=2)
        >>> found.count, found.accuracy
        (array([1, 3]), array([0.        , 0.66666667]))
        >>> round(found.calibration_error, 4)  # (|0.1 - 0| + |2.6 - 2|) / 4
        0.175
    """
    if type(bins) is not int or not 1 <= bins <= _MOST_BINS:
        raise TrainingError(f"bins is {bins!r}; expected a whole number, 1 to {_MOST_BINS}")
    given, target = _rows_of(p), np.asarray(y)
    target = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target
    numbers("y", target, 1)
    same_length(("p", given), ("y", target))
    classes = labels("y", target, given.shape[1])
    confidence, hit = _judged(given, classes)
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(place, confidence, bins) / count
        share = np.bincount(place, hit, bins) / count
    low, high = _wilson(share, count)
    error = np.where(count > 0, abs(mean - share), 0.0)
    true = np.take_along_axis(given, classes[:, None], axis=1)[:, 0]
    with np.errstate(divide="ignore"):
        log_loss = float(-np.mean(np.log(true)))
    return Calibration(
        edges, count, mean, share, low, high, float(count @ error / len(classes)),
        float(error.max()), _brier(given, classes), log_loss, int(np.sum(true == 0)),
        len(classes), given.shape[1],
    )  # fmt: skip


def _rows_of(p: Any) -> np.ndarray:
    """Probabilities of each class, (n, k); of a single column p the classes have 1 - p and p."""
    given = probabilities("p", p)
    if given.ndim not in (1, 2):
        raise ShapeError(f"p has shape {given.shape}; expected (rows,) or (rows, classes)")
    one = given if given.ndim == 1 else given[:, 0] if given.shape[1] == 1 else None
    return distributions("p", given) if one is None else np.stack([1 - one, one], axis=1)


def _judged(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(confidence, whether it came true) of each row."""
    if p.shape[1] == 2:
        return p[:, 1], (y == 1).astype(np.float64)
    top = np.argmax(p, axis=1)
    return p[np.arange(len(p)), top], (top == y).astype(np.float64)


def _wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of a share of ``count`` rows; NaN for no rows."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z2 = _Z95**2 / count
        centre = (share + z2 / 2) / (1 + z2)
        half = _Z95 * np.sqrt(share * (1 - share) / count + z2 / (4 * count)) / (1 + z2)
    low = np.where(share == 0, 0.0, np.maximum(centre - half, 0.0))  # exactly, whatever rounding
    return low, np.where(share == 1, 1.0, np.minimum(centre + half, 1.0))


def _brier(p: np.ndarray, y: np.ndarray) -> float:
    squares = (p - (y[:, None] == np.arange(p.shape[1]))) ** 2
    return float(np.mean(squares[:, 1] if p.shape[1] == 2 else squares.sum(axis=1)))


def _verdict(c: Calibration) -> str:
    outside = c.outside
    tested = int(np.sum(c.count > 0))
    if len(outside) <= max(1, 0.05 * tested) and c.calibration_error <= _noise(c):
        return "calibrated, as far as these rows can tell"
    if c.classes > 2:
        too_sure = float(np.nansum(c.count * (c.confidence - c.accuracy))) > 0
        return "too sure of itself" if too_sure else "not sure enough of itself"
    return _binary_verdict(c)


def _binary_verdict(c: Calibration) -> str:
    """Too extreme, not extreme enough, or shifted to one side."""
    known = c.count > 0
    gap = (c.accuracy - c.confidence)[known]
    side = np.sign(c.confidence[known] - 0.5)
    weight = c.count[known] / c.rows
    shift, spread = float(weight @ gap), float(weight @ (gap * side))
    if abs(shift) >= abs(spread):
        return f"too {'low' if shift > 0 else 'high'}: off by {abs(shift):.3f} on average"
    return "not sure enough of itself" if spread > 0 else "too sure of itself"


def _noise(c: Calibration) -> float:
    """What the calibration error of calibrated probabilities would be about, by chance."""
    known = c.count > 0
    p, n = c.confidence[known], c.count[known]
    expected = np.sqrt(2 / math.pi * p * (1 - p) / n)
    spread = math.sqrt(float(np.sum((1 - 2 / math.pi) * n * p * (1 - p)))) / c.rows
    return min(float(n @ expected / c.rows) + 2 * spread, 1.0)


def _lines(c: Calibration) -> list[str]:
    what = "probability of class 1" if c.classes == 2 else "probability of the predicted class"
    hits = "is 1" if c.classes == 2 else "right"
    infinite = ""
    if c.impossible:
        infinite = f" ({count(c.impossible, 'row')} of a class that was given probability 0)"
    lines = [
        (
            f"calibration over {count(c.rows, 'row')} of"
            f" {count(c.classes, 'class', 'classes')}: {c.verdict}"
        ),
        (
            f"  expected calibration error {c.calibration_error:.4f}, largest of a bin"
            f" {c.largest_error:.4f} (by chance alone up to {_noise(c):.4f})"
        ),
        f"  Brier score {c.brier:.4f}, log loss {short(c.log_loss)} nats{infinite}",
        f"  {what:<36} {'rows':>8} {'mean p':>8} {hits:>8}   95 % interval",
    ]
    for k in np.flatnonzero(c.count):
        bin_ = f"{c.edges[k]:.3f} to {c.edges[k + 1]:.3f}"
        mark = "  <- outside" if k in c.outside else ""
        lines.append(
            f"  {bin_:<36} {c.count[k]:>8} {c.confidence[k]:>8.3f} {c.accuracy[k]:>8.3f}"
            f"   {c.low[k]:.3f} to {c.high[k]:.3f}{mark}"
        )
    return lines
