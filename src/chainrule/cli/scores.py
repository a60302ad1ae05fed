"""Scores of predictions, beside those of a trivial baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import need
from chainrule.data.target import Target
from chainrule.data.values import spelled

Scores: TypeAlias = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Metric:
    """A score's key, its name for people, and whether more is better."""

    key: str
    name: str
    more_is_better: bool


CLASSES = (
    Metric("roc_auc", "ROC AUC", True),
    Metric("log_loss", "log loss (nats)", False),
    Metric("accuracy", "accuracy", True),
)
NUMBERS = (
    Metric("rmse", "RMSE", False),
    Metric("r2", "R²", True),
    Metric("mae", "MAE", False),
)


def metrics_of(target: Target) -> tuple[Metric, ...]:
    """The metrics of the target's task."""
    return NUMBERS if target.task == "regression" else CLASSES


def score(target: Target, y: NDArray[Any], predicted: NDArray[np.float64]) -> Scores:
    """Score predictions.

    Args:
        target: what is predicted.
        y: class indices, or numbers in the target's own unit: (n,).
        predicted: probabilities (n, classes), or numbers (n,).

    Returns:
        A number by metric; None where it is not defined, as the ROC AUC of one class.
    """
    if target.task == "regression":
        return _score_numbers(y, predicted)
    return _score_classes(y, predicted)


def baseline(target: Target, y: NDArray[Any]) -> Scores:
    """The scores of one answer for every row: the training rows' class shares, or their mean."""
    if target.task == "regression":
        return score(target, y, np.full(len(y), target.mean))
    return score(target, y, np.tile(np.asarray(target.rates), (len(y), 1)))


def baseline_words(target: Target) -> str:
    """What the baseline answers."""
    if target.task == "regression":
        return f"the training rows' mean, {target.mean:.5g}, for every row"
    most = spelled(target.classes[int(np.argmax(target.rates))])
    return f"the training rows' shares for every row; most: {most} ({max(target.rates):.1%})"


def _score_numbers(y: NDArray[Any], predicted: NDArray[np.float64]) -> Scores:
    metrics = need("sklearn.metrics")
    r2 = float(metrics.r2_score(y, predicted)) if len(y) > 1 else None
    mae = float(metrics.mean_absolute_error(y, predicted))
    return {"rmse": float(metrics.root_mean_squared_error(y, predicted)), "r2": r2, "mae": mae}


def _score_classes(y: NDArray[Any], p: NDArray[np.float64]) -> Scores:
    metrics = need("sklearn.metrics")
    return {
        "roc_auc": _roc_auc(y, p),
        "log_loss": float(metrics.log_loss(y, p, labels=np.arange(p.shape[1]))),
        "accuracy": float(metrics.accuracy_score(y, p.argmax(axis=1))),
    }


def _roc_auc(y: NDArray[Any], p: NDArray[np.float64]) -> float | None:
    """Of the positive class; of several classes the mean of each against the rest."""
    metrics = need("sklearn.metrics")
    if len(np.unique(y)) < p.shape[1]:
        return None
    if p.shape[1] == 2:
        return float(metrics.roc_auc_score(y, p[:, 1]))
    return float(metrics.roc_auc_score(y, p, multi_class="ovr"))
