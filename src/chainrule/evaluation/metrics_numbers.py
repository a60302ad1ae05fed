"""Metrics of predicted numbers, as scikit-learn computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.data.extras import need
from chainrule.evaluation.metrics_rows import Metric, Numbers, Undefined


def pinball(level: float) -> Metric:
    """The mean pinball loss of a quantile, of level in (0, 1)."""
    score = _of_numbers("mean_pinball_loss", alpha=level)
    return Metric(f"pinball_{level:g}", "numbers", False, score)


def max_error(rows: Numbers) -> float:
    """The largest absolute error."""
    return float(np.max(abs(rows.y - rows.prediction)))


def _of_numbers(
    function: str, allowed: Callable[[Numbers], str] = lambda rows: "", **options: Any
) -> Callable[[Numbers], float]:
    """scikit-learn's metric; ``allowed`` says why it is not defined, or ""."""

    def score(rows: Numbers) -> float:
        if reason := allowed(rows):
            raise Undefined(reason)
        found = getattr(need("sklearn.metrics"), function)
        return float(found(rows.y, rows.prediction, sample_weight=rows.weight, **options))

    return score


def _two_rows(rows: Numbers) -> str:
    return "" if len(rows.y) > 1 else "it takes two rows"


def _counts(rows: Numbers) -> str:
    if (rows.y < 0).any():
        return "a target is below 0"
    return "" if (rows.prediction > 0).all() else "a prediction is not above 0"


def _positive(rows: Numbers) -> str:
    return "a target is not above 0" if (rows.y <= 0).any() else _counts(rows)


def _above_minus_one(rows: Numbers) -> str:
    least = min(rows.y.min(), rows.prediction.min())
    return "" if least > -1 else f"log(1 + {least:.3g}) is none"


_R2 = _of_numbers("r2_score", _two_rows)
_EXPLAINED = _of_numbers("explained_variance_score", _two_rows)
_RMSLE = _of_numbers("root_mean_squared_log_error", _above_minus_one)

NUMBER_METRICS: Final = (
    Metric("rmse", "numbers", False, _of_numbers("root_mean_squared_error")),
    Metric("mse", "numbers", False, _of_numbers("mean_squared_error")),
    Metric("mae", "numbers", False, _of_numbers("mean_absolute_error")),
    Metric("median_absolute_error", "numbers", False, _of_numbers("median_absolute_error")),
    Metric("max_error", "numbers", False, max_error),
    Metric("r2", "numbers", True, _R2),
    Metric("explained_variance", "numbers", True, _EXPLAINED),
    Metric("mape", "numbers", False, _of_numbers("mean_absolute_percentage_error")),
    Metric("rmsle", "numbers", False, _RMSLE),
    Metric("poisson_deviance", "numbers", False, _of_numbers("mean_poisson_deviance", _counts)),
    Metric("gamma_deviance", "numbers", False, _of_numbers("mean_gamma_deviance", _positive)),
)
