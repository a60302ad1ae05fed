"""Probabilities that mean what they say: one number that divides the logits."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from chainrule.estimators.objective import Objective
from chainrule.estimators.rows import Rows

#: The temperature lies between e⁻⁴ and e⁴: beyond, held-out rows are all right or all wrong.
_BOUNDS = (-4.0, 4.0)


def fitted_temperature(output: np.ndarray, rows: Rows, objective: Objective) -> float:
    """The number that the logits of held-out rows are divided by for the least loss.

    Source:
        Guo, Pleiss, Sun & Weinberger 2017, On Calibration of Modern Neural Networks, 4.2.
    """
    logits = output.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return float(objective.mean(logits / np.exp(log_temperature), rows.y, rows.w))

    found = minimize_scalar(loss, bounds=_BOUNDS, method="bounded")
    return float(np.exp(found.x)) if np.isfinite(found.fun) else 1.0
