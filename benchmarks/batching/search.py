"""The learning rate of each scheme, by the same search, on images that no result is read from."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Final

#: The rates that are tried first; each is twice the one before.
FIRST_RATES: Final = (0.1, 0.2, 0.4)
#: How far it goes on where the best is the smallest or the largest.
BOUNDS: Final = (0.001, 4.0)

Score = Callable[[float], float]


def best_rate(score: Score, first: tuple[float, ...] = FIRST_RATES) -> dict[float, float]:
    """The scores of the rates that were tried: the best is neither the smallest nor the largest.

    Halves or doubles at the edge until that is so, or a bound is met.
    """
    scores = {rate: score(rate) for rate in first}
    while (rate := _next(scores)) is not None:
        scores[rate] = score(rate)
    return dict(sorted(scores.items()))


def chosen(scores: dict[float, float]) -> float:
    """The rate of the best score; the larger one of equals."""
    return max(scores, key=lambda rate: (scores[rate], rate))


def mean_score(score: Callable[[float, int], float], seeds: int) -> Score:
    """The mean over seeds, from 100 on: others than those of the results."""
    return lambda rate: statistics.mean(score(rate, 100 + seed) for seed in range(seeds))


def _next(scores: dict[float, float]) -> float | None:
    best, least, most = chosen(scores), min(scores), max(scores)
    if best == least and best / 2 >= BOUNDS[0]:
        return best / 2
    if best == most and best * 2 <= BOUNDS[1]:
        return best * 2
    return None
