"""Scores of predictions, beside those of a network that knows no column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.terms import LIKELIHOODS, Terms, in_user_terms, likelihood
from chainrule.data.target import Target
from chainrule.data.values import spelled
from chainrule.evaluation.metrics import find, of_predictions
from chainrule.evaluation.metrics_rows import Kind

Scores: TypeAlias = dict[str, float | None]
#: What a prediction is to the metrics.
_KINDS: Final[Mapping[str, Kind]] = {
    "probabilities": "classes",
    "scores": "margins",
    "numbers": "numbers",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A score's key, its name for people, and what of it is better.

    Fields:
        better: "more", "less", or a number that it should be near.
    """

    key: str
    name: str
    better: str | float

    @property
    def hint(self) -> str:
        """What is better, for people."""
        if isinstance(self.better, float):
            return f"near {self.better:g} is better"
        return f"{self.better} is better"

    def badness(self, value: float) -> float:
        """A number that is smaller for a better score."""
        if isinstance(self.better, float):
            return abs(value - self.better)
        return -value if self.better == "more" else value


CLASSES: Final = (
    Metric("roc_auc", "ROC AUC", "more"),
    Metric("log_loss", "log loss (nats)", "less"),
    Metric("accuracy", "accuracy", "more"),
)
NUMBERS: Final = (
    Metric("rmse", "RMSE", "less"),
    Metric("r2", "R²", "more"),
    Metric("mae", "MAE", "less"),
)
_NLL: Final = Metric("nll", "NLL (nats)", "less")


def metrics_of(terms: Terms, target: Target, asked: Sequence[str] = ()) -> tuple[Metric, ...]:
    """The metrics that fit the loss, and those asked for."""
    fitting = _fitting(terms, target)
    known = {metric.key for metric in fitting}
    kind: Kind = "numbers" if target.task == "regression" else "classes"
    more = [_asked(name, kind) for name in asked if name not in known]
    return (*fitting, *more)


def _fitting(terms: Terms, target: Target) -> tuple[Metric, ...]:
    if target.task == "classification":
        return tuple(m for m in CLASSES if terms.loss != "hinge" or m.key != "log_loss")
    if terms.loss == "quantile":
        level = terms.level
        share = Metric("share_below", "share below", level)
        return (Metric(f"pinball_{level:g}", f"pinball at {level:g}", "less"), share)
    return (*NUMBERS, _NLL) if terms.loss in LIKELIHOODS else NUMBERS


def _asked(name: str, kind: Kind) -> Metric:
    better = "more" if find(name, kind, "").greater_is_better else "less"
    return Metric(name, name.replace("_", " "), better)


def score(
    terms: Terms, target: Target, y: NDArray[Any], output: NDArray[Any], asked: Sequence[str] = ()
) -> Scores:
    """Score what a network gives.

    Args:
        terms: the loss, and how it sees the target.
        target: what is predicted.
        y: class indices, or numbers in the target's own unit: (n,).
        output: the network's, (n, n_out).
        asked: further metrics.

    Returns:
        A number by metric; None where it is not defined, as the ROC AUC of one class.
    """
    predicted = in_user_terms(terms, target, output)
    own = {"nll", "share_below"}
    keys = [metric.key for metric in metrics_of(terms, target, asked)]
    metrics = of_predictions([k for k in keys if k not in own], _KINDS[predicted.said])
    found = metrics.score(predicted.values, y)
    if "nll" in keys:
        found["nll"] = likelihood(terms, target, y, output)
    if "share_below" in keys:
        found["share_below"] = float(np.mean(y <= predicted.values))
    return {key: found[key] if math.isfinite(found[key]) else None for key in keys}


def baseline(terms: Terms, target: Target, y: NDArray[Any], asked: Sequence[str] = ()) -> Scores:
    """The scores of one answer for every row: the best that the loss knows without columns."""
    return score(terms, target, y, np.tile(np.asarray(terms.constant), (len(y), 1)), asked)


def baseline_words(terms: Terms, target: Target) -> str:
    """What the baseline answers."""
    if target.task == "classification":
        most = spelled(target.classes[int(np.argmax(target.rates))])
        return f"the training rows' shares for every row; most: {most} ({max(target.rates):.1%})"
    value = in_user_terms(terms, target, np.asarray([terms.constant])).values[0]
    name = "mean"
    if terms.loss in ("quantile", "absolute_error"):
        name = "median" if terms.level == 0.5 else f"{terms.level:g} quantile"
    spread = " and their spread" if terms.loss in LIKELIHOODS - {"poisson"} else ""
    return f"the training rows' {name}, {value:.5g},{spread} for every row"
