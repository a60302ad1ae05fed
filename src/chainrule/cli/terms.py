"""A target and a prediction, as the user has them and as the network and its loss do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.cli import names
from chainrule.cli.outcome import OptionError
from chainrule.data.target import Target
from chainrule.losses import LOSSES, Loss

Floats: TypeAlias = NDArray[np.float64]
#: What is predicted of each row. "scores" are larger for the likelier class, and no probabilities.
Said: TypeAlias = Literal["probabilities", "scores", "numbers"]

#: Losses whose network learns (y - mean) / standard deviation.
SCALED: Final = frozenset(names.NUMBER_LOSSES)
#: Losses whose network gives the logarithm of the mean, of targets as they are.
LOG_LINKED: Final = frozenset((*names.COUNT_LOSSES, *names.AMOUNT_LOSSES))
#: Losses whose network gives a second number, the spread of the target.
SPREAD: Final = frozenset(("gaussian", "negative_binomial", "gamma"))
#: Losses that are a negative log-likelihood of the target as it is.
LIKELIHOODS: Final = frozenset(("gaussian", *names.COUNT_LOSSES, *names.AMOUNT_LOSSES))
#: The least dispersion of counts to begin with: nearly Poisson's.
_LEAST: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Terms:
    """How a loss sees a target.

    Fields:
        loss: its name in ``losses``.
        options: its options.
        constant: what the best network that knows no column would give: (n_out,).
    """

    loss: str
    options: Mapping[str, float]
    constant: tuple[float, ...]

    @property
    def function(self) -> Loss:
        """The loss."""
        found = LOSSES[self.loss]
        return found(**self.options) if self.options else found

    @property
    def n_out(self) -> int:
        """How many numbers the network gives for a row."""
        return len(self.constant)

    @property
    def level(self) -> float:
        """The share of the rows below the prediction, of the loss "quantile"."""
        return self.options.get("level", 0.5)

    @property
    def start(self) -> tuple[float, ...] | None:
        """What the network gives for each row before it has learnt anything; None for about 0.

        The exponential of a number near 0 is no guess at a count of thousands.
        """
        return self.constant if self.loss in LOG_LINKED else None


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a network says of each row, as the user reads it.

    Fields:
        said: what the values are.
        values: (n, classes), or numbers in the target's own unit (n,).
        deviation: the standard deviation of the target given the row (n,), if it is known.
    """

    said: Said
    values: Floats
    deviation: Floats | None = None


def terms_of(asked: str, quantile: float | None, target: Target, y: NDArray[Any]) -> Terms:
    """The loss asked for, or the one that fits the target.

    Args:
        asked: the loss's name, or "auto".
        quantile: of the loss "quantile".
        target: what is predicted.
        y: the training rows' targets, as the user has them.

    Raises:
        OptionError: the loss does not fit the target.
    """
    fitting = _fitting(target)
    if asked not in ("auto", *fitting):
        other = "regression" if asked in names.REGRESSION_LOSSES else "classification"
        raise OptionError(
            f"--loss {asked} does not fit the target {target.name!r} ({target.words}, because "
            f"{target.reason})",
            hint=f"--loss {fitting[0]}, or --task {other} if it can be seen as one",
        )
    loss = fitting[0] if asked == "auto" else asked
    options = {"level": 0.5 if quantile is None else quantile} if loss == "quantile" else {}
    constant = CONSTANTS[loss](target, y.astype(np.float64), options.get("level", 0.5))
    return Terms(loss, options, tuple(float(v) for v in constant))


def check_values(loss: str, target: Target, y: NDArray[Any]) -> None:
    """Refuse targets that mean nothing to the loss.

    Raises:
        OptionError: the least of them, and a loss that takes it.
    """
    least = float(y.min()) if len(y) else 0.0
    wanted = ""
    if loss in names.COUNT_LOSSES and least < 0:
        wanted = "takes counts, from 0"
    if loss in names.AMOUNT_LOSSES and least <= 0:
        wanted = "takes amounts above 0"
    if wanted:
        other = "--loss poisson takes 0 too" if least == 0 else "--loss squared_error takes any"
        raise OptionError(
            f"--loss {loss} {wanted}; the target {target.name!r} has {least:g}", hint=other
        )


def _fitting(target: Target) -> tuple[str, ...]:
    if target.task == "regression":
        return names.REGRESSION_LOSSES
    return names.CLASS_LOSSES if target.binary else names.CLASS_LOSSES[1:]


# -- a network that knows no column ----------------------------------------------------------------


def _of_mean(target: Target, y: Floats, level: float) -> Any:
    return [0.0]


def _of_mean_and_spread(target: Target, y: Floats, level: float) -> Any:
    return [0.0, 0.0]  # of scaled targets: variance 1


def _of_quantile(target: Target, y: Floats, level: float) -> Any:
    return [(np.quantile(y, level) - target.mean) / target.scale]


def _of_log_mean(target: Target, y: Floats, level: float) -> Any:
    return [np.log(y.mean())]


def _of_counts(target: Target, y: Floats, level: float) -> Any:
    mean, variance = y.mean(), y.var()
    return [np.log(mean), np.log(max((variance - mean) / mean**2, _LEAST))]


def _of_amounts(target: Target, y: Floats, level: float) -> Any:
    return [np.log(y.mean()), np.log(y.mean() ** 2 / y.var())]


def _of_yes(target: Target, y: Floats, level: float) -> Any:
    return [np.log(target.rates[1] / target.rates[0])]


def _of_shares(target: Target, y: Floats, level: float) -> Any:
    return np.log(np.maximum(target.rates, 1e-12))


def _of_majority(target: Target, y: Floats, level: float) -> Any:
    most = np.eye(len(target.rates))[int(np.argmax(target.rates))]
    return [most[1] - most[0]] if target.binary else most


CONSTANTS: Final[Mapping[str, Callable[[Target, Floats, float], Any]]] = {
    "squared_error": _of_mean,
    "absolute_error": _of_quantile,
    "huber": _of_mean,
    "quantile": _of_quantile,
    "gaussian": _of_mean_and_spread,
    "poisson": _of_log_mean,
    "negative_binomial": _of_counts,
    "gamma": _of_amounts,
    "binary_cross_entropy": _of_yes,
    "cross_entropy": _of_shares,
    "hinge": _of_majority,
}


# -- to and fro ------------------------------------------------------------------------------------


def network_target(terms: Terms, target: Target, y: NDArray[Any]) -> NDArray[Any]:
    """The target as the loss takes it: class indices, or float32 numbers: (n,)."""
    if target.task == "classification":
        return y.astype(np.float32) if terms.n_out == 1 else y
    if terms.loss in SCALED:
        return ((y - target.mean) / target.scale).astype(np.float32)
    return y.astype(np.float32)


def to_numbers(terms: Terms, target: Target, values: NDArray[Any]) -> Floats:
    """Numbers of the network's scale, predictions or targets, in the target's own unit."""
    wide = np.asarray(values, np.float64)
    return wide * target.scale + target.mean if terms.loss in SCALED else wide


def in_user_terms(terms: Terms, target: Target, output: NDArray[Any]) -> Predicted:
    """The network's output (n, n_out) as the user reads it."""
    wide = output.astype(np.float64)
    linked = np.asarray(terms.function.link(wide))
    if target.task == "regression":
        numbers = to_numbers(terms, target, linked[:, 0])
        return Predicted("numbers", numbers, _deviation(terms, target, numbers, wide))
    said: Said = "scores" if terms.loss == "hinge" else "probabilities"
    if terms.n_out == 1:
        linked = np.concatenate([-linked if said == "scores" else 1 - linked, linked], axis=1)
    return Predicted(said, linked)


def _deviation(terms: Terms, target: Target, mean: Floats, output: Floats) -> Floats | None:
    """The standard deviation that the loss's distribution has for each row."""
    if terms.loss not in SPREAD:
        return np.sqrt(mean) if terms.loss == "poisson" else None
    spread = np.exp(np.clip(output[:, 1], -50.0, 50.0))
    if terms.loss == "gaussian":
        return np.asarray(target.scale * np.sqrt(spread))
    if terms.loss == "gamma":
        return mean / np.sqrt(spread)
    return np.sqrt(mean + spread * mean**2)


def likelihood(terms: Terms, target: Target, y: NDArray[Any], output: NDArray[Any]) -> float:
    """The mean negative log-likelihood in nats of targets (n,) in their own unit."""
    wide = output.astype(np.float64)
    scaled = network_target(terms, target, y).astype(np.float64)
    unit = np.log(target.scale) if terms.loss in SCALED else 0.0
    return float(terms.function(wide, scaled) + unit)
