"""Metrics of predicted classes: of the label, of how examples are ranked, of probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from scipy import special

from chainrule.data.extras import need
from chainrule.evaluation.metrics_rows import Classes, Metric, Undefined

#: Bins of the calibration error: of equal width, as many as in the paper.
_BINS: Final = 15


def accuracy(rows: Classes) -> float:
    """The share of rows whose label is predicted."""
    return _of_labels("accuracy_score")(rows)


def top_k_accuracy(top: int) -> Metric:
    """The share of rows whose label is among the ``top`` largest scores."""

    def score(rows: Classes) -> float:
        if top >= rows.k:
            return 1.0
        if top == 1:
            return accuracy(rows)
        labels = np.arange(rows.k)
        return float(
            need("sklearn.metrics").top_k_accuracy_score(
                rows.label, rows.score, k=top, labels=labels, sample_weight=rows.weight
            )
        )

    return Metric(f"top_{top}_accuracy", "scores", True, score)


def roc_auc(rows: Classes) -> float:
    """The chance that a row of a class is ranked above one of another; the mean over classes."""
    return _each_class("roc_auc_score", rows)


def average_precision(rows: Classes) -> float:
    """The mean precision over the ranking of a class's rows; the mean over classes."""
    return _each_class("average_precision_score", rows)


def log_loss(rows: Classes) -> float:
    """Minus the mean log of the label's probability, in nats."""
    if rows.target is None:
        labels = np.arange(rows.k)
        return float(
            need("sklearn.metrics").log_loss(
                rows.label, rows.score, labels=labels, sample_weight=rows.weight
            )
        )
    least = np.finfo(np.float64).eps  # as scikit-learn
    p = np.clip(rows.score, least, 1 - least)
    if rows.k == 2:
        return _mean(-special.xlogy(rows.target, p) - special.xlogy(1 - rows.target, 1 - p), rows)
    return _mean(-special.xlogy(rows.target, p).sum(axis=1), rows)


def brier(rows: Classes) -> float:
    """The mean squared error of the probabilities: of the second of two classes, or over all."""
    squares = (rows.score - rows.wanted) ** 2
    return _mean(squares if rows.k == 2 else squares.sum(axis=1), rows)


def calibration_error(rows: Classes) -> float:
    """Expected calibration error: how far confidence and accuracy lie apart, over 15 bins.

    Of two classes the confidence is the probability of the second; of more, the largest.

    Source:
        Guo, Pleiss, Sun & Weinberger 2017, On Calibration of Modern Neural Networks, equation 3.
    """
    confidence, hit = rows.score, rows.wanted
    if rows.k > 2:
        top = rows.predicted[:, None]
        confidence, hit = (np.take_along_axis(x, top, axis=1)[:, 0] for x in (confidence, hit))
    bins = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    w = np.ones(len(hit)) if rows.weight is None else rows.weight
    return float(abs(np.bincount(bins, w * (confidence - hit))).sum() / w.sum())


def _of_labels(function: str, **options: Any) -> Callable[[Classes], float]:
    """scikit-learn's metric of labels."""

    def score(rows: Classes) -> float:
        found = getattr(need("sklearn.metrics"), function)
        return float(found(rows.label, rows.predicted, sample_weight=rows.weight, **options))

    return score


def _positive_or_macro(function: str) -> Callable[[Classes], float]:
    """Of two classes the second's, of more the mean over them."""

    def score(rows: Classes) -> float:
        average = "binary" if rows.k == 2 else "macro"
        return _of_labels(function, average=average, zero_division=0)(rows)

    return score


def _each_class(function: str, rows: Classes) -> float:
    """Of the second of two classes; of more, the mean of each against the rest."""
    absent = np.setdiff1d(np.arange(rows.k), rows.label)
    if len(absent):
        raise Undefined(f"no row has label {absent[0]}")
    if len(rows.label) and (rows.label == rows.label[0]).all():
        raise Undefined("all rows have one label")
    found = getattr(need("sklearn.metrics"), function)
    if rows.k == 2:
        return float(found(rows.label, rows.score, sample_weight=rows.weight))
    each = [
        found(rows.label == j, rows.score[:, j], sample_weight=rows.weight) for j in range(rows.k)
    ]
    return float(np.mean(each))


def _mean(values: Any, rows: Classes) -> float:
    return float(np.average(values, weights=rows.weight))


_F1_MACRO = _of_labels("f1_score", average="macro", zero_division=0)

CLASS_METRICS: Final = (
    Metric("accuracy", "labels", True, accuracy),
    Metric("balanced_accuracy", "labels", True, _of_labels("balanced_accuracy_score")),
    Metric("precision", "labels", True, _positive_or_macro("precision_score")),
    Metric("recall", "labels", True, _positive_or_macro("recall_score")),
    Metric("f1", "labels", True, _positive_or_macro("f1_score")),
    Metric("f1_macro", "labels", True, _F1_MACRO),
    Metric("matthews", "labels", True, _of_labels("matthews_corrcoef")),
    Metric("roc_auc", "scores", True, roc_auc),
    Metric("average_precision", "scores", True, average_precision),
    Metric("log_loss", "probabilities", False, log_loss),
    Metric("brier", "probabilities", False, brier),
    Metric("calibration_error", "probabilities", False, calibration_error),
)
