"""How far a regression is off, and where: residuals against predictions, and their histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.data.words import count
from chainrule.errors import DataError, ShapeError
from chainrule.explain.measures.given import numbers, same_length
from chainrule.explain.measures.residuals_picture import picture
from chainrule.explain.shown import plain, shown, told
from chainrule.explain.words import short

#: Squares of what is larger cannot be added up.
_LARGEST: Final = 1e150


@dataclass(frozen=True, eq=False)
class Residuals:
    """Targets less predictions of a regression.

    Attributes:
        y, predicted: float64[n].
        residuals: y - predicted, in the target's unit.
        bias: their mean.
        rmse: the root of their mean square.
        mae: the mean of their sizes.
        r2: 1 - Σ residuals² / Σ (y - mean y)²; NaN where y does not vary.
        correlation: of the residuals' sizes with the predictions: above 0 the errors grow with
            what is predicted; NaN where one does not vary.
        unit: of the target.
    """

    y: np.ndarray
    predicted: np.ndarray
    residuals: np.ndarray
    bias: float
    rmse: float
    mae: float
    r2: float
    correlation: float
    unit: str

    def __str__(self) -> str:
        return told(_lines(self))

    __repr__ = __str__

    def svg(self) -> str:
        """Predicted against actual values, and the histogram of the residuals."""
        return picture(self.y, self.predicted, self.residuals, self.unit)

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values, without the rows."""
        kept = {k: v for k, v in self.__dict__.items() if not isinstance(v, np.ndarray)}
        return plain({"kind": "residuals", "rows": len(self.y), **kept})


def residuals(y: Any, predicted: Any, *, unit: str = "") -> Residuals:
    """How far predictions of a quantity are off.

    Args:
        y: the targets (n,) or (n, 1).
        predicted: the predictions, as many.
        unit: of the target, for the axes.

    Raises:
        ShapeError: differing numbers of rows. DataError: something is not finite.

    Example:
        >>> found = residuals([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
        >>> round(found.rmse, 4), round(found.r2, 4)
        (0.5774, 0.7857)
    """
    targets, outputs = _column("y", y), _column("predicted", predicted)
    same_length(("y", targets), ("predicted", outputs))
    left = targets - outputs
    if max(float(np.max(np.abs(x))) for x in (left, targets)) > _LARGEST:
        raise DataError(
            f"a number above {_LARGEST:g}, whose square is too large",
            "give y and predicted in a larger unit",
        )
    total = float(np.sum((targets - targets.mean()) ** 2))
    return Residuals(
        targets, outputs, left, float(left.mean()), math.sqrt(float(np.mean(left**2))),
        float(np.mean(np.abs(left))),
        1 - float(np.sum(left**2)) / total if total > 0 else math.nan,
        _correlation(np.abs(left), outputs), unit,
    )  # fmt: skip


def _column(name: str, values: Any) -> np.ndarray:
    array = np.atleast_1d(numbers(name, values))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ShapeError(
            f"{name} has shape {array.shape}; expected one number for each row",
            f"{name}[:, 0] is its first column",
        )
    return array


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    return float(a @ b) / size if size > 0 else math.nan


def _lines(r: Residuals) -> list[str]:
    unit = f" {r.unit}" if r.unit else ""
    n = len(r.y)
    lines = [
        (
            f"residuals y − predicted over {count(n, 'row')}: root mean square"
            f" {short(r.rmse)}{unit}, mean size {short(r.mae)}{unit}"
        ),
        f"  R² {short(r.r2)}" if not math.isnan(r.r2) else "  R² is not defined: y does not vary",
        f"  bias {short(r.bias, beside=r.mae)}{unit}{_bias(r)}",
    ]
    worst = np.argsort(-np.abs(r.residuals), kind="stable")[:3]
    said = ", ".join(f"row {k}: {short(r.residuals[k])}" for k in worst)
    lines.append(f"  largest: {said}")
    if n > 10 and r.correlation > 3 / math.sqrt(n):
        helps = ": a logarithm of the target may help" if np.all(r.y > 0) else ""
        lines.append(f"  the errors grow with the prediction{helps}")
    return lines


def _bias(r: Residuals) -> str:
    """Whether the mean is more than chance: beyond two standard errors."""
    n = len(r.y)
    if n < 3 or not r.rmse:
        return ""
    error = float(np.std(r.residuals, ddof=1)) / math.sqrt(n)
    is_chance = abs(r.bias) <= 2 * error
    return f" ± {short(error, 2)}: {'none beyond chance' if is_chance else 'more than chance'}"
