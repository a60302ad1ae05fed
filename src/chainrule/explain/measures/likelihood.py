"""The cross-entropy of one prediction: in nats, with its gradient and what one step does to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import special

from chainrule import losses
from chainrule.errors import DataError, ShapeError, TrainingError
from chainrule.explain.measures.given import distributions, labels, numbers, probabilities
from chainrule.explain.measures.likelihood_picture import picture
from chainrule.explain.shown import plain, shown, told
from chainrule.explain.words import short
from chainrule.gradients.reverse import grad

#: Classes of a prediction, at least.
_FEWEST: Final = 2
#: Classes that the table lists.
_SHOWN: Final = 12


@dataclass(frozen=True, eq=False)
class CrossEntropy:
    """-Σ y log p of one prediction, and one step of gradient descent on its logits.

    Of a yes or no (``is_binary``) the arrays hold one number, that of the class 1, and the loss is
    -y log p - (1 - y) log(1 - p).

    Attributes:
        p: probabilities, float64[k].
        y: the target, float64[k]: 1 for the true class.
        z: logits, of which p is the sigmoid or the softmax: float64[k]; infinite where p is 0.
        nats: the loss, with natural logarithms; infinite where the true class has p = 0.
        gradient: of the loss in nats by each logit, p - y: float64[k].
        autodiff: the same by ``cr.grad``; NaN where a logit is infinite.
        learning_rate: of the step z - learning_rate · gradient.
        p_after, z_after, nats_after: behind the step.
        names: of the classes.
    """

    is_binary: bool
    p: np.ndarray
    y: np.ndarray
    z: np.ndarray
    nats: float
    gradient: np.ndarray
    autodiff: np.ndarray
    learning_rate: float
    p_after: np.ndarray
    z_after: np.ndarray
    nats_after: float
    names: tuple[str, ...]

    @property
    def bits(self) -> float:
        """The loss with logarithms to the base 2."""
        return self.nats / math.log(2)

    @property
    def base_10(self) -> float:
        """The loss with logarithms to the base 10."""
        return self.nats / math.log(10)

    @property
    def disagreement(self) -> float:
        """The largest difference of p - y from automatic differentiation; NaN if it has none."""
        return float(np.max(np.abs(self.gradient - self.autodiff)))

    def __str__(self) -> str:
        return told([*_lines(self), *_step_lines(self)])

    __repr__ = __str__

    def svg(self) -> str:
        """The loss as a curve over p, with the prediction before and after the step."""
        judged = (self.p, self.y, self.nats), (self.p_after, self.nats_after)
        return picture(self.is_binary, *judged, self.gradient, self.names)

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values; what is infinite as the text ``"inf"``."""
        units = {"bits": self.bits, "base_10": self.base_10}
        return plain({"kind": "cross_entropy", **self.__dict__, **units})


def cross_entropy(
    p: Any = None, y: Any = None, *, z: Any = None, learning_rate: float = 1.0,
    names: Sequence[str] | None = None,
) -> CrossEntropy:  # fmt: skip
    """The cross-entropy of one predicted probability, or of one row of class probabilities.

    Args:
        p: one number, the probability of the class 1; or the probabilities of k classes.
        y: for one number 0 or 1, or a probability; for classes the number of the true one, from
            0, or k probabilities, one-hot among them.
        z: instead of p the logits: sigmoid(z) or softmax(z) is p.
        learning_rate: of the one step on the logits that is shown, > 0.
        names: of the k classes.

    Raises:
        DataError: a probability outside of [0, 1]; such of classes that do not sum to 1; no such
            class. ShapeError: p and y do not fit. TrainingError: both or none of p and z given; a
            learning rate that is not above 0.

    Source:
        Bishop 2006, Pattern Recognition and Machine Learning, equations 4.90, 4.91, 4.108, 4.109.

    Example:
        >>> found = cross_entropy(0.9, 1)
        >>> round(found.nats, 3), round(found.base_10, 3)  # the lecture's 0.04 is base 10
        (0.105, 0.046)
        >>> cross_entropy([0.3, 0.2, 0.5], 2).gradient.round(3)
        array([ 0.3,  0.2, -0.5])
        >>> cross_entropy(0.0, 1).nats
        inf
    """
    if (p is None) == (z is None) or y is None:
        raise TrainingError(
            "cross_entropy: expected a probability p, or logits z, and the target y",
            "explain.cross_entropy(0.9, 1), or explain.cross_entropy(z=[1.0, 2.0], y=0)",
        )
    rate = float(numbers("learning_rate", learning_rate, 0))
    if rate <= 0:
        raise TrainingError(f"learning_rate is {rate:g}; expected a number > 0")
    given = numbers("z", z) if p is None else probabilities("p", p)
    if given.ndim == 0:
        return _binary(given, p is None, y, rate, names)
    return _of_classes(given, p is None, y, rate, names)


def _binary(
    given: np.ndarray, is_logit: bool, y: Any, rate: float, names: Sequence[str] | None
) -> CrossEntropy:
    target = numbers("y", y, 0)
    if not 0 <= target <= 1:
        raise DataError(f"y is {target:g}; expected 0 or 1, or a probability between")
    p = special.expit(given) if is_logit else given
    z = given if is_logit else special.logit(given)
    return _explained(True, p.reshape(1), target.reshape(1), z.reshape(1), rate, names)


def _of_classes(
    given: np.ndarray, is_logit: bool, y: Any, rate: float, names: Sequence[str] | None
) -> CrossEntropy:
    name = "z" if is_logit else "p"
    if given.ndim != 1 or len(given) < _FEWEST:
        raise ShapeError(
            f"{name} has shape {given.shape}; expected one number, or one list of two classes or"
            " more",
            "one prediction is explained at a time",
        )
    p = special.softmax(given) if is_logit else distributions(name, given)
    with np.errstate(divide="ignore"):
        z = given if is_logit else np.log(p)
    return _explained(False, p, _target(y, len(p)), z, rate, names)


def _target(y: Any, k: int) -> np.ndarray:
    """The number of a class, or its probabilities, as probabilities."""
    if np.ndim(y) == 0:
        return np.asarray(np.eye(k)[int(labels("y", y, k))])
    target = probabilities("y", y, 1)
    if len(target) != k:
        raise ShapeError(f"y has {len(target)} classes, p has {k}; expected as many")
    return distributions("y", target)


def _explained(
    is_binary: bool, p: np.ndarray, y: np.ndarray, z: np.ndarray, rate: float,
    names: Sequence[str] | None,
) -> CrossEntropy:  # fmt: skip
    gradient = p - y
    z_after = z - rate * gradient
    if is_binary:
        p_after = special.expit(z_after)
    else:
        p_after = special.softmax(z_after)
    return CrossEntropy(
        is_binary, p, y, z, _loss(is_binary, z, y), gradient, _autodiff(is_binary, z, y), rate,
        p_after, z_after, _loss(is_binary, z_after, y), _named(names, 2 if is_binary else len(p)),
    )  # fmt: skip


def _named(names: Sequence[str] | None, k: int) -> tuple[str, ...]:
    if names is None:
        return tuple(map(str, range(k)))
    if len(names) != k:
        raise ShapeError(f"names has {len(names)}; expected one for each of the {k} classes")
    return tuple(map(str, names))


def _loss(is_binary: bool, z: np.ndarray, y: np.ndarray) -> float:
    """From the logits, so that p that rounds to 1 is not log 1; a target of 0 adds nothing."""
    if is_binary:
        below, above = -special.log_expit(z), -special.log_expit(-z)
        parts = [_times(y, below), _times(1 - y, above)]
    else:
        parts = [_times(y, special.logsumexp(z) - z)]
    return float(np.sum(parts))


def _times(y: np.ndarray, surprise: np.ndarray) -> np.ndarray:
    """y times -log p; 0 where y is 0, however unlikely."""
    return np.where(y == 0, 0.0, y * np.where(y == 0, 0.0, surprise))


def _autodiff(is_binary: bool, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient that ``cr.grad`` finds of the loss in ``chainrule.losses``."""
    if not np.isfinite(z).all():
        return np.full(len(z), math.nan)
    judge = losses.binary_cross_entropy if is_binary else losses.cross_entropy
    found: np.ndarray = grad(lambda z: judge(z, y[None]))(z[None])[0]
    return found


# -- in words --------------------------------------------------------------------------------------


def _lines(c: CrossEntropy) -> list[str]:
    first = _binary_line(c) if c.is_binary else _classes_line(c)
    units = (
        f"  {short(c.nats)} nats (natural logarithm) = {short(c.bits)}"
        f" bit{'s' * (c.bits != 1)} (base 2) = {short(c.base_10)} with base 10"
    )
    if math.isinf(c.nats):
        return [first, "  infinite: the model gave no probability at all to what came true"]
    return [first, units]


def _binary_line(c: CrossEntropy) -> str:
    (p,), (y,) = c.p, c.y
    form = {1.0: f"−log {short(p)}", 0.0: f"−log(1 − {short(p)})"}.get(
        y, f"−{short(y)} log {short(p)} − {short(1 - y)} log(1 − {short(p)})"
    )
    return (
        f"cross-entropy for y = {short(y)}, p = {short(p)}:  −y log p − (1 − y) log(1 − p) = {form}"
    )


def _classes_line(c: CrossEntropy) -> str:
    true = np.flatnonzero(c.y)
    if len(true) == 1:
        k = int(true[0])
        return f"cross-entropy, class {c.names[k]} is true:  −Σ y log p = −log {short(c.p[k])}"
    return f"cross-entropy of {len(c.p)} classes, {len(true)} of them possible:  −Σ y log p"


def _step_lines(c: CrossEntropy) -> list[str]:
    return [*(_binary_step(c) if c.is_binary else _classes_step(c)), _agreement(c), _change(c)]


def _binary_step(c: CrossEntropy) -> list[str]:
    return [
        (
            f"gradient by the logit z = {short(c.z[0])}:  p − y = {short(c.p[0])} − {short(c.y[0])}"
            f" = {short(c.gradient[0])}"
        ),
        (
            f"one step, learning rate {short(c.learning_rate)}:"
            f"  z {short(c.z[0])} -> {short(c.z_after[0])},"
            f"  p {short(c.p[0])} -> {short(c.p_after[0])}"
        ),
    ]


def _classes_step(c: CrossEntropy) -> list[str]:
    width = min(max(5, *map(len, c.names)), 24)
    shown = _most_moved(c)
    lines = [
        f"gradient by the logits: p − y; one step with learning rate {short(c.learning_rate)}",
        (
            f"  {'class':<{width}} {'p':>10} {'y':>8} {'p − y':>10} {'z':>10} {'z after':>10}"
            f" {'p after':>10}"
        ),
    ]
    for k in shown:
        cells = (c.p[k], c.y[k], c.gradient[k], c.z[k], c.z_after[k], c.p_after[k])
        widths = (10, 8, 10, 10, 10, 10)
        row = " ".join(f"{short(x):>{w}}" for x, w in zip(cells, widths, strict=True))
        lines.append(f"  {c.names[k][:width]:<{width}} {row}")
    if len(shown) < len(c.p):
        lines.append(f"  ... and {len(c.p) - len(shown)} classes with smaller gradients")
    return lines


def _most_moved(c: CrossEntropy) -> list[int]:
    """The classes with the largest gradients, in their order."""
    largest = np.argsort(-np.abs(c.gradient), kind="stable")[:_SHOWN]
    return [int(k) for k in np.sort(largest)]


def _agreement(c: CrossEntropy) -> str:
    if math.isnan(c.disagreement):
        return "no autodiff: a logit is infinite, no step changes it; p − y is the limit"
    return f"autodiff (cr.grad) agrees to {short(c.disagreement, 1)}"


def _change(c: CrossEntropy) -> str:
    return f"loss {short(c.nats)} -> {short(c.nats_after)} nats"
