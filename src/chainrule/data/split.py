"""Training, validation and test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import need

SMALL = 1000  # rows below which a test set of a tenth says too little
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers, in rising order, and the rule in words."""

    train: Rows
    validation: Rows
    test: Rows
    rule: str


def split_rows(n: int, classes: NDArray[Any] | None, seed: int) -> Split:
    """Split ``n`` rows at random: 80/10/10 %, or 60/20/20 % below 1,000 rows.

    Args:
        n: how many rows.
        classes: the class of each row, to give each part the same share of every class; or None.
        seed: the same seed gives the same rows.
    """
    held = 0.4 if n < SMALL else 0.2
    cut = need("sklearn.model_selection").train_test_split
    labels = _labels(n, classes, held)
    train, rest = cut(np.arange(n), test_size=held, random_state=seed, stratify=labels)
    again = None if labels is None else labels[rest]
    again = _labels(len(rest), again, 0.5)
    validation, test = cut(rest, test_size=0.5, random_state=seed, stratify=again)
    how = "at random" if labels is None else "at random, each class in proportion"
    shares = f"{1 - held:.0%} training, {held / 2:.0%} validation, {held / 2:.0%} test"
    return Split(np.sort(train), np.sort(validation), np.sort(test), f"{shares}, {how}")


def _labels(n: int, classes: NDArray[Any] | None, share: float) -> NDArray[Any] | None:
    """The classes to hold in proportion; None where a part is too small to have them all."""
    if classes is None:
        return None
    rows = np.unique(classes, return_counts=True)[1]
    smaller = int(n * min(share, 1 - share))
    return classes if rows.min() >= 2 and smaller >= len(rows) else None
