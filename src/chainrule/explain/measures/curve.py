"""Any loss of one example: its value over the output, its derivative, its unit, its link."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import ShapeError, TrainingError
from chainrule.explain.measures.curve_picture import picture
from chainrule.explain.measures.given import numbers
from chainrule.explain.shown import plain, shown, told
from chainrule.explain.words import several, short
from chainrule.gradients.batch import vmap
from chainrule.gradients.reverse import value_and_grad
from chainrule.losses import LOSSES, LogLikelihood, Loss

#: Points of a curve, an odd number: the output itself is one.
_POINTS: Final = 161
#: Outputs that a curve is drawn for.
_MOST: Final = 6
#: Half the width of a curve at least, in the output's unit.
_REACH: Final = 3.0
#: How near the lowest loss is looked for, relative to the curve's width.
_NEAR: Final = 1e-7
#: ``short`` takes what is 1e-7 of the curve's width for its rounding: 1e-7 / 2⁻⁵⁰.
_ROOM: Final = _NEAR * 2.0**50


@dataclass(frozen=True, eq=False)
class LossCurve:
    """A loss of one example, and how it changes with each of the model's outputs.

    Attributes:
        name: of the loss, with its options.
        unit: of the loss: "nats", or the target's unit.
        output: of the model, float64[n_out].
        y: the target.
        prediction: what the loss's link makes of the output.
        value: the loss.
        gradient: by each output, by ``cr.grad``: float64[n_out].
        difference: the same by central differences.
        places: for each of the first outputs the values that it is given, float64[shown, points];
            the others stay.
        values, derivatives: the loss there and its derivative by that output.
        lowest: for each of them (output, loss) where the loss is lowest, NaN at an end of the
            values: float64[shown, 2].
    """

    name: str
    unit: str
    output: np.ndarray
    y: np.ndarray
    prediction: np.ndarray
    value: float
    gradient: np.ndarray
    difference: np.ndarray
    places: np.ndarray
    values: np.ndarray
    derivatives: np.ndarray
    lowest: np.ndarray

    @property
    def disagreement(self) -> float:
        """The largest difference between the derivative and central differences."""
        return float(np.max(np.abs(self.gradient - self.difference)))

    def __str__(self) -> str:
        return told(_lines(self))

    __repr__ = __str__

    def svg(self) -> str:
        """The loss and its derivative over each output."""
        return picture(
            self.name, self.unit, self.output, self.value, self.gradient,
            (self.places, self.values, self.derivatives),
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values."""
        return plain({"kind": "loss", **self.__dict__})


def loss(loss: Any, output: Any, y: Any) -> LossCurve:
    """A loss of one example as a curve over the model's output, with its derivative.

    Args:
        loss: a ``losses.Loss``, its name, or a function ``loss(output, y)`` in NumPy.
        output: the model's output for one example: a number, or a list of several.
        y: its target: a number, the class of several outputs, or a list.

    Raises:
        TrainingError: no such loss. ShapeError, DTypeError, DataError: as the loss raises them.

    Example:
        >>> from chainrule import losses
        >>> found = loss(losses.huber(delta=1), 3.0, 0.0)
        >>> float(found.value), found.gradient, found.unit
        (2.5, array([1.]), 'target²')
        >>> loss("poisson", 0.0, 2).prediction  # of a logarithm the mean
        array([1.])
    """
    judge = _named(loss)
    outputs = numbers("output", output)
    if outputs.ndim > 1:
        raise ShapeError(
            f"output has shape {outputs.shape}; expected one example: a number or a list",
            "output[0] is the first row's",
        )
    row, target = outputs.reshape(1, -1) if outputs.ndim else outputs.reshape(1), _one_row(y)
    of_row = _of_row(judge, row.shape, target)
    flat = row.ravel()
    with np.errstate(all="ignore"):
        value, gradient = value_and_grad(of_row)(flat)
    _check_finite(float(value), flat)
    places = _places(judge, flat, target)
    values, derivatives = _along(of_row, flat, places)
    is_loss = isinstance(judge, Loss)
    return LossCurve(
        _name(judge), judge.unit if is_loss else "", flat, np.asarray(y),
        np.asarray(judge.link(row) if is_loss else row).ravel(), float(value),
        np.asarray(gradient), _differences(of_row, flat), places, values, derivatives,
        _lowest(of_row, flat, places, values),
    )  # fmt: skip


def _named(loss: Any) -> Any:
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    if not callable(loss) or isinstance(loss, LogLikelihood):
        raise TrainingError(
            f"the loss is {loss!r}; expected a losses.Loss, its name or a function of (output, y)",
            f"names: {', '.join(LOSSES)}",
        )
    return loss


def _name(judge: Any) -> str:
    if not isinstance(judge, Loss):
        return getattr(judge, "__name__", "loss").replace("<lambda>", "loss")
    return repr(judge).removeprefix("Loss(").rsplit(", in ", 1)[0]


def _one_row(y: Any) -> np.ndarray:
    """One example's target as a batch of one, of its own dtype: labels stay whole numbers."""
    numbers("y", y)
    return np.asarray(y)[None]


def _of_row(judge: Any, shape: tuple[int, ...], y: np.ndarray) -> Callable[[Any], Any]:
    """The loss as a function of the outputs of the one example, as a list."""
    if isinstance(judge, Loss):
        return lambda flat: judge(flat.reshape(shape), y)
    own = y[0]
    return lambda flat: np.sum(judge(flat.reshape(shape[1:]), own))


def _check_finite(value: float, output: np.ndarray) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"the loss is {value} at the output {output.tolist()}; expected a finite number"
        )


def _places(judge: Any, flat: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Around each output, as far as the target where both are in one unit."""
    is_distance = isinstance(judge, Loss) and judge.unit.startswith("target")
    aims = y.ravel() if is_distance and y.size == flat.size else flat
    centre = flat[:_MOST]
    reach = np.maximum(_REACH, 1.6 * np.abs(aims[:_MOST] - centre))
    found = centre[:, None] + reach[:, None] * np.linspace(-1, 1, _POINTS)
    return np.asarray(np.where(np.abs(found) < 1e-12 * reach[:, None], 0.0, found))


def _along(
    of_row: Callable[[Any], Any], flat: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    values, derivatives = np.empty_like(places), np.empty_like(places)
    for k, along in enumerate(places):
        values[k], derivatives[k] = _over(of_row, flat, k, along)
    return values, derivatives


def _over(
    of_row: Callable[[Any], Any], flat: np.ndarray, k: int, along: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.repeat(flat[None], len(along), axis=0)
    rows[:, k] = along
    with np.errstate(all="ignore"):  # a loss of one's own may end where a logarithm does
        found, gradients = vmap(value_and_grad(of_row))(rows)
    return np.asarray(found), np.asarray(gradients[:, k])


def _lowest(
    of_row: Callable[[Any], Any], flat: np.ndarray, places: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """(output, loss) of the lowest loss: between the neighbours of the lowest point, finer."""
    found = np.full((len(places), 2), np.nan)
    for k, (along, losses) in enumerate(zip(places, values, strict=True)):
        least, width = int(np.nanargmin(losses)), float(np.ptp(along))
        if not 0 < least < len(along) - 1:
            continue
        while along[-1] - along[0] > _NEAR * width:
            near = along[max(least - 1, 0)], along[min(least + 1, len(along) - 1)]
            along = np.linspace(*near, _POINTS)
            losses = _over(of_row, flat, k, along)[0]
            least = int(np.nanargmin(losses))
        found[k] = along[least], losses[least]
    return found


def _differences(of_row: Callable[[Any], Any], flat: np.ndarray) -> np.ndarray:
    h = 1e-5 * np.maximum(1.0, np.abs(flat))  # balances truncation h² with rounding eps / h
    steps = np.diag(h)
    with np.errstate(all="ignore"):
        found = [(of_row(flat + s) - of_row(flat - s)) / (2 * h[k]) for k, s in enumerate(steps)]
    return np.asarray(found, np.float64)


def _lines(c: LossCurve) -> list[str]:
    unit = f" {c.unit}" if c.unit else ""
    lines = [f"{c.name} at y = {_list(np.atleast_1d(c.y))}: {short(c.value)}{unit}"]
    if c.prediction.shape != c.output.shape or not np.array_equal(c.prediction, c.output):
        lines.append(f"  output {_list(c.output)}, prediction (link) {_list(c.prediction)}")
    else:
        lines.append(f"  output {_list(c.output)}, which is the prediction")
    lines.append(f"  derivative by the output {_list(c.gradient)} (cr.grad)")
    lines.append(f"  central differences agree to {short(c.disagreement, 1)}")
    for k in range(len(c.places)):
        place, value = c.lowest[k]
        if np.isfinite(place):
            which = f" {k}" if len(c.output) > 1 else ""
            size = float(np.nanmax(np.abs(c.values[k])))
            at = short(place, 3, beside=_ROOM * float(np.ptp(c.places[k])))
            lowest = short(value, 3, beside=_ROOM * size)
            lines.append(f"  lowest over output{which} near {at}: {lowest}{unit}")
    return lines


def _list(x: np.ndarray) -> str:
    shown = several(x[:8])
    return shown if len(x) == 1 else f"[{shown}{', ...' if len(x) > 8 else ''}]"
