"""How surprising counts are."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2


def surprise(counts: np.ndarray, expected: np.ndarray) -> float:
    """The chance of counts as uneven as these, by chi-square."""
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    return float(chi2.sf(statistic, counts.size - 1))
