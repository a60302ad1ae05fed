"""Which classes a classifier takes for which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.data.words import count
from chainrule.errors import DataError, DTypeError, ShapeError
from chainrule.explain.measures.confusion_picture import picture
from chainrule.explain.measures.given import labels, same_length
from chainrule.explain.shown import plain, shown, told

#: Classes at most: a matrix of more is nothing that one looks at.
_MOST: Final = 1000
#: Classes that the text shows the matrix of, and that it lists one by one.
_MATRIX: Final = 12
_LISTED: Final = 30
_MISTAKES: Final = 2


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each class was taken for each.

    Attributes:
        counts: rows of class i that were predicted as j: int64[k, k].
        names: of the classes, in their order.
    """

    counts: np.ndarray
    names: tuple[str, ...]

    @property
    def support(self) -> np.ndarray:
        """Rows of each class, int64[k]."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def predicted(self) -> np.ndarray:
        """Rows that were predicted as each class, int64[k]."""
        return np.asarray(self.counts.sum(axis=0))

    @property
    def shares(self) -> np.ndarray:
        """Of the rows of class i the share predicted as j; NaN where there is none."""
        return _divided(self.counts, self.support[:, None])

    @property
    def recall(self) -> np.ndarray:
        """Of the rows of a class the share that is found; NaN where there is none."""
        return _divided(np.diag(self.counts), self.support)

    @property
    def precision(self) -> np.ndarray:
        """Of the rows predicted as a class the share that is one; NaN where there is none."""
        return _divided(np.diag(self.counts), self.predicted)

    @property
    def f1(self) -> np.ndarray:
        """2 · hits / (rows of the class + rows predicted as it); NaN where both are 0."""
        return _divided(2 * np.diag(self.counts), self.support + self.predicted)

    @property
    def accuracy(self) -> float:
        """The share of rows on the diagonal."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def mistakes(self) -> list[tuple[str, str, int]]:
        """(true class, what it was taken for, rows), the most frequent first."""
        off = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-off, axis=None, kind="stable")[: np.count_nonzero(off)]
        places = zip(*np.unravel_index(order, off.shape), strict=True)
        return [(self.names[i], self.names[j], int(off[i, j])) for i, j in places]

    def __str__(self) -> str:
        return told([*_head(self), *_matrix(self), *_by_class(self)])

    __repr__ = __str__

    def svg(self) -> str:
        """The matrix as a heat map, with counts and shares."""
        return picture(self.counts, self.shares, self.names, self.accuracy)

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values; a share of nothing as ``"nan"``."""
        return plain({
            "kind": "confusion", "names": self.names, "counts": self.counts,
            "accuracy": self.accuracy, "precision": self.precision, "recall": self.recall,
            "f1": self.f1, "support": self.support,
        })  # fmt: skip


def confusion(y: Any, predicted: Any, names: Sequence[str] | None = None) -> Confusion:
    """The confusion matrix of a classifier, with precision and recall of each class.

    Args:
        y: the true classes (n,): whole numbers from 0, or any labels such as strings.
        predicted: the predicted ones, of the same kind; or scores (n, k), the largest of which
            is the prediction.
        names: of the classes 0 ... k - 1, for labels that are numbers.

    Raises:
        ShapeError: differing numbers of rows, or none. DataError: more than 1,000 classes; a
            number that has no name.

    Example:
        >>> found = confusion([0, 0, 1, 1], [0, 1, 1, 1], names=["no", "yes"])
        >>> found.counts
        array([[1, 1],
               [0, 2]])
        >>> found.recall, found.mistakes
        (array([0.5, 1. ]), [('no', 'yes', 1)])
    """
    true, found = _column("y", y), _best("predicted", predicted)
    same_length(("y", true), ("predicted", found))
    if not len(true):
        raise ShapeError("y is empty; expected at least one row")
    if true.dtype.kind in "fiub" and found.dtype.kind in "fiub":
        known, k = _known(true, found, predicted, names)
        first, second = (labels(n, x, k) for n, x in (("y", true), ("predicted", found)))
    else:
        known, first, second = _of_labels(true, found, names)
    k = len(known)
    counts = np.bincount(first * k + second, minlength=k * k).reshape(k, k)
    return Confusion(counts, known)


def _known(
    y: np.ndarray, predicted: np.ndarray, given: Any, names: Sequence[str] | None
) -> tuple[tuple[str, ...], int]:
    """The classes' names, and how many there are: by the names, the scores or the numbers."""
    if names is not None:
        k = len(names)
    else:
        highest = max(float(np.max(y)), float(np.max(predicted)))
        k = int(highest) + 1 if np.isfinite(highest) and highest >= 0 else 1
        k = max(k, np.shape(given)[1] if np.ndim(given) == 2 else 1)
    _check_count(k)
    return tuple(map(str, names if names is not None else range(k))), k


def _of_labels(
    y: np.ndarray, predicted: np.ndarray, names: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Labels of any kind, in their sorted order, or in that of ``names``."""
    if {y.dtype.kind, predicted.dtype.kind} - set("US"):
        raise DTypeError(
            f"y holds {y.dtype}, predicted {predicted.dtype}; expected labels of one kind",
            "np.unique(y, return_inverse=True) numbers the labels",
        )
    both = np.concatenate([y.astype(str), predicted.astype(str)])
    known, found = np.unique(both, return_inverse=True)
    if names is not None:
        missing = set(known.tolist()) - set(names)
        if missing:
            raise DataError(f"names has no {min(missing)!r}; expected every label")
        place = np.array([list(names).index(label) for label in known.tolist()])
        known, found = np.asarray(names), place[found]
    _check_count(len(known))
    return tuple(map(str, known)), found[: len(y)], found[len(y) :]


def _check_count(k: int) -> None:
    if k > _MOST:
        raise DataError(
            f"{k} classes; a confusion matrix is shown for {_MOST} at most",
            "for a number that is measured, explain.residuals(y, predicted)",
        )


def _column(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind == "O":
        array = np.asarray(array.tolist()) if array.size else array
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "fiubUS":
        raise ShapeError(f"{name} is {array.dtype}{list(array.shape)}; expected one label per row")
    return np.asarray(array)


def _best(name: str, values: Any) -> np.ndarray:
    """Labels, or of scores (n, k) the largest."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind == "f":
        if np.isnan(array).any():
            raise DataError(f"{name} holds NaN: no score is the largest")
        return np.asarray(np.argmax(array, axis=1))
    return _column(name, array)


def _divided(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(a / b)


# -- in words --------------------------------------------------------------------------------------


def _head(c: Confusion) -> list[str]:
    lines = [
        (
            f"{count(int(c.counts.sum()), 'row')} of {count(len(c.names), 'class', 'classes')},"
            f" {c.accuracy:.1%} right"
        )
    ]
    wrong = c.mistakes[:_MISTAKES]
    if wrong:
        said = "; ".join(f"{_cut(a)} taken for {_cut(b)}: {n:,}" for a, b, n in wrong)
        lines.append(f"  most frequent mistakes (rows): {said}")
    return lines


def _cut(name: str) -> str:
    return name if len(name) <= 14 else name[:13] + "…"


def _matrix(c: Confusion) -> list[str]:
    """Rows are the true classes, columns the predicted ones."""
    k = len(c.names)
    if k > _MATRIX:
        return [f"  (a matrix of {k} classes: see .svg() or .counts)"]
    wide = max(4, len(str(c.counts.max())) + 1, min(6, max(map(len, c.names)) + 1))
    short = [name if len(name) < wide else name[: wide - 2] + "…" for name in c.names]
    lines = [f"  {'true, predicted as':<18}" + "".join(f"{name:>{wide}}" for name in short)]
    for name, row in zip(c.names, c.counts, strict=True):
        lines.append(f"  {_cut(name):<18}" + "".join(f"{n:>{wide}}" for n in row))
    return lines


def _by_class(c: Confusion) -> list[str]:
    lines = [f"  {'class':<18}{'precision':>10}{'recall':>10}{'F1':>10}{'rows':>10}"]
    shown = np.sort(np.argsort(-c.support, kind="stable")[:_LISTED])
    for k in shown:
        cells = "".join(f"{_share(x[k]):>10}" for x in (c.precision, c.recall, c.f1))
        lines.append(f"  {_cut(c.names[k]):<18}{cells}{c.support[k]:>10}")
    if len(shown) < len(c.names):
        lines.append(f"  ... and {len(c.names) - len(shown)} classes with fewer rows")
    return lines


def _share(x: float) -> str:
    return "-" if np.isnan(x) else f"{x:.3f}"
