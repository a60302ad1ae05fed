"""The squared distance: residuals, why they are squared, the gradient, one step of the line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import losses
from chainrule.data.words import count
from chainrule.errors import DataError, ShapeError, TrainingError
from chainrule.explain.measures.distance_picture import picture
from chainrule.explain.measures.given import numbers, same_length
from chainrule.explain.shown import plain, shown, told
from chainrule.explain.words import short
from chainrule.gradients.reverse import grad


@dataclass(frozen=True, eq=False)
class Line:
    """A line ŷ = w x + b through data, and one step of gradient descent on it.

    Attributes:
        w, b: slope and intercept.
        gradient: of the mean squared error by (w, b), by the formula: -2 mean((y - ŷ) x) and
            -2 mean(y - ŷ).
        autodiff: the same by ``cr.grad``.
        w_after, b_after, mse_after: behind the step.
        bound: the learning rate from which on the steps grow, 2 / λ_max.
    """

    w: float
    b: float
    gradient: tuple[float, float]
    autodiff: tuple[float, float]
    w_after: float
    b_after: float
    mse_after: float
    bound: float

    @property
    def disagreement(self) -> float:
        """The largest difference of the two gradients."""
        pairs = zip(self.gradient, self.autodiff, strict=True)
        return max(abs(a - b) for a, b in pairs)


@dataclass(frozen=True, eq=False)
class SquaredDistance:
    """The mean squared error of predictions, taken apart.

    Attributes:
        y, predicted: targets and predictions ŷ, float64[n].
        x: the input of each row, float64[n]; None where it was not given.
        residuals: y - ŷ, in the target's unit.
        mse: their mean square, in the square of the target's unit.
        gradient: of the mse by each ŷ, −2 (y − ŷ) / n: float64[n].
        autodiff: the same by ``cr.grad``.
        variance: σ² of the Gaussian whose likelihood is compared.
        nll: the mean of ½ log 2πσ² + (y - ŷ)² / 2σ², nats, by ``losses.gaussian``.
        learning_rate: of the step.
        line: the line, where the predictions are one, and its step; else None.
    """

    y: np.ndarray
    predicted: np.ndarray
    x: np.ndarray | None
    residuals: np.ndarray
    mse: float
    gradient: np.ndarray
    autodiff: np.ndarray
    variance: float
    nll: float
    learning_rate: float
    line: Line | None

    @property
    def disagreement(self) -> float:
        """The largest difference of the formula's gradient from automatic differentiation."""
        return float(np.max(np.abs(self.gradient - self.autodiff)))

    @property
    def nll_from_mse(self) -> float:
        """½ log 2πσ² + mse / 2σ²: what ``nll`` must be."""
        return 0.5 * math.log(2 * math.pi * self.variance) + self.mse / (2 * self.variance)

    def __str__(self) -> str:
        return told([*_of_loss(self), *_of_squares(self), *_of_line(self), *_of_nll(self)])

    __repr__ = __str__

    def svg(self) -> str:
        """The data, the line and the squares of the residuals, drawn as squares."""
        return picture(self.x, self.y, self.predicted, self.line, self.mse)

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values."""
        return plain({"kind": "squared_distance", **self.__dict__})


def squared_distance(
    y: Any, predicted: Any = None, *, x: Any = None, w: float | None = None,
    b: float | None = None, learning_rate: float = 0.1, variance: float | None = None,
) -> SquaredDistance:  # fmt: skip
    """The mean squared error of predictions, why it squares, its gradient, what one step does.

    Args:
        y: targets: a number or a list.
        predicted: the predictions ŷ; may be left out where x, w and b say them.
        x: one input for each row, to draw the line over; a line's w and b are learnt from.
        w: slope of the line ŷ = w x + b.
        b: its intercept, 0 if w alone is given.
        learning_rate: of the step on w and b, > 0.
        variance: σ² for the comparison with a Gaussian's likelihood; None for the mse itself,
            which makes these data the likeliest (1 where that is 0).

    Raises:
        ShapeError: differing numbers of rows. DataError: something is not finite.
        TrainingError: neither predictions nor a line given; a rate or variance that is not > 0.

    Source:
        Bishop 2006, Pattern Recognition and Machine Learning, 3.1.1.

    Example:
        >>> found = squared_distance([3.0, 5.0, 8.0], x=[1.0, 2.0, 3.0], w=2.0, b=0.0)
        >>> found.residuals, found.mse
        (array([1., 1., 2.]), 2.0)
        >>> found.line.gradient  # -2 mean(r x), -2 mean(r)
        (-6.0, -2.6666666666666665)
    """
    targets = np.atleast_1d(numbers("y", y))
    inputs = None if x is None else np.atleast_1d(numbers("x", x))
    outputs = _predictions(predicted, inputs, w, b)
    for name, values in (("predicted", outputs), ("x", inputs)):
        if values is not None:
            _check_rows(name, values, targets)
    rate = _positive("learning_rate", learning_rate)
    residuals = targets - outputs
    mse = _mean_square(residuals)
    sigma2 = _positive("variance", variance) if variance is not None else mse or 1.0
    return SquaredDistance(
        targets, outputs, inputs, residuals, mse, -2 * residuals / len(targets),
        np.asarray(grad(lambda o: losses.squared_error(o, targets))(outputs)), sigma2,
        float(losses.gaussian(outputs, targets, variance=sigma2)), rate,
        _line(inputs, targets, outputs, w, b, rate),
    )  # fmt: skip


def _predictions(
    predicted: Any, x: np.ndarray | None, w: float | None, b: float | None
) -> np.ndarray:
    is_line = w is not None or b is not None
    if is_line and x is None:
        raise TrainingError("a line ŷ = w x + b needs the inputs x", "x=[1.0, 2.0, 3.0]")
    if predicted is not None:
        return np.atleast_1d(numbers("predicted", predicted))
    if x is None or not is_line:
        raise TrainingError(
            "squared_distance: expected predictions, or a line with x, w and b",
            "explain.squared_distance([3.0, 5.0], x=[1.0, 2.0], w=2.0, b=0.5)",
        )
    return np.asarray(numbers("w", w or 0.0, 0) * x + numbers("b", b or 0.0, 0))


def _mean_square(residuals: np.ndarray) -> float:
    with np.errstate(over="ignore"):
        found = float(np.mean(residuals**2))
    if not math.isfinite(found):
        raise DataError(
            f"the squared distances are too large for a number: one is"
            f" {short(np.max(np.abs(residuals)), 3)}²",
            "give y and predicted in a larger unit",
        )
    return found


def _check_rows(name: str, values: np.ndarray, targets: np.ndarray) -> None:
    for which, array in (("y", targets), (name, values)):
        if array.ndim != 1:
            raise ShapeError(
                f"{which} has shape {array.shape}; expected one number for each row",
                f"{which}[:, 0] is its first column",
            )
    same_length(("y", targets), (name, values))


def _positive(name: str, value: Any) -> float:
    number = float(numbers(name, value, 0))
    if number <= 0:
        raise TrainingError(f"{name} is {number:g}; expected a number > 0")
    return number


def _line(
    x: np.ndarray | None, y: np.ndarray, predicted: np.ndarray, w: float | None, b: float | None,
    rate: float,
) -> Line | None:  # fmt: skip
    """The line that the predictions lie on, if they do, and its step."""
    if x is None:
        return None
    through = (
        (float(w or 0), float(b or 0)) if w is not None or b is not None else _through(x, predicted)
    )
    if through is None or not _lie_on(x, predicted, *through):
        return None
    slope, intercept = through
    r = y - predicted
    gradient = (-2 * float(np.mean(r * x)), -2 * float(np.mean(r)))
    w_after, b_after = slope - rate * gradient[0], intercept - rate * gradient[1]
    # The Hessian of the mean square by (w, b) is 2 [[mean x², mean x], [mean x, 1]].
    hessian = 2 * np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1.0]])
    return Line(
        slope, intercept, gradient, _line_autodiff(x, y, slope, intercept), w_after, b_after,
        float(np.mean((y - w_after * x - b_after) ** 2)),
        2 / float(np.linalg.eigvalsh(hessian)[-1]),
    )  # fmt: skip


def _through(x: np.ndarray, predicted: np.ndarray) -> tuple[float, float] | None:
    """The line of least squares through the predictions; none where x does not vary."""
    spread = x - x.mean()
    width = float(spread @ spread)
    if width == 0:
        return None
    slope = float(spread @ predicted) / width
    return slope, float(predicted.mean() - slope * x.mean())


def _lie_on(x: np.ndarray, predicted: np.ndarray, w: float, b: float) -> bool:
    scale = np.max(np.abs(predicted)) + abs(w) * np.max(np.abs(x)) + abs(b)
    return bool(np.max(np.abs(w * x + b - predicted)) <= 1e-6 * scale + 1e-300)


def _line_autodiff(x: np.ndarray, y: np.ndarray, w: float, b: float) -> tuple[float, float]:
    by_w, by_b = grad(lambda w, b: losses.squared_error(w * x + b, y), argnums=(0, 1))(w, b)
    return float(by_w), float(by_b)


# -- in words --------------------------------------------------------------------------------------


def _of_loss(d: SquaredDistance) -> list[str]:
    n = len(d.y)
    return [
        (
            f"mean squared error of {count(n, 'row')}: mean (y − ŷ)² = {short(d.mse)}, in the"
            f" target's unit squared (root {short(math.sqrt(d.mse))})"
        ),
        (
            f"gradient by each ŷ: −2 (y − ŷ) / n, {_range(d.gradient)};"
            f" autodiff (cr.grad) agrees to {short(d.disagreement, 1)}"
        ),
    ]


def _range(x: np.ndarray) -> str:
    return f"here {short(x[0])}" if len(x) == 1 else f"from {short(x.min())} to {short(x.max())}"


def _of_squares(d: SquaredDistance) -> list[str]:
    """What squaring is for, on these numbers."""
    sizes, total = np.abs(d.residuals), float(np.sum(np.abs(d.residuals)))
    if total == 0:
        return ["every residual is 0: nothing is left to learn"]
    worst = int(np.argmax(sizes))
    share, of_squares = sizes[worst] / total, sizes[worst] ** 2 / np.sum(sizes**2)
    return [
        "why squares:",
        (
            f"  the sign is lost: the residuals sum to"
            f" {short(np.sum(d.residuals), beside=total)}, their sizes to {short(total)}"
        ),
        (
            f"  larger ones weigh more: row {worst} is off by {short(d.residuals[worst])}:"
            f" {share:.0%} of the distances, {of_squares:.0%} of their squares"
        ),
        "  the derivative is linear in the residual: twice as far, twice the gradient",
    ]


def _of_line(d: SquaredDistance) -> list[str]:
    line = d.line
    if line is None:
        return []
    form = "2x(wx + b − y)" if len(d.y) == 1 else "mean 2x(wx + b − y)"
    grows = ""
    if d.learning_rate > line.bound:
        grows = f"; the step is too large: above 2/λ_max = {short(line.bound)} the steps grow"
    return [
        (
            f"line ŷ = {short(line.w)} x + {short(line.b)}:"
            f"  dL/dw = {form} = {short(line.gradient[0])},  dL/db = {short(line.gradient[1])}"
        ),
        f"  autodiff (cr.grad) agrees to {short(line.disagreement, 1)}",
        (
            f"one step, learning rate {short(d.learning_rate)}:"
            f"  w {short(line.w)} -> {short(line.w_after)},"
            f"  b {short(line.b)} -> {short(line.b_after)}"
        ),
        f"  mse {short(d.mse)} -> {short(line.mse_after)}{grows}",
    ]


def _of_nll(d: SquaredDistance) -> list[str]:
    return [
        (
            f"as a likelihood: a Gaussian about ŷ with variance σ² = {short(d.variance)} has mean"
            " −log p(y | x) ="
        ),
        (
            f"  ½ log 2πσ² + mse / 2σ² = {short(d.nll_from_mse)} nats (losses.gaussian:"
            f" {short(d.nll)}): least squares are likeliest"
        ),
        "  (each row: (y − ŷ)² / 2σ² + ½ log 2πσ², with the square)",
    ]
