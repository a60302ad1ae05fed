"""Leaks: a column that alone tells the target, on rows that the rule was not made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks.finding import Finding
from chainrule.data.checks.seen import Seen, Subject
from chainrule.data.extras import need

ROWS: Final = 4_000  # half of them for the rule, half to test it
LEFT: Final = 0.02  # of the errors of always saying the most frequent class
FIT: Final = 0.99  # the share of the variance of the target's ranks
CERTAIN: Final = 0.999
_LEAST: Final = 20  # rows of other classes, or of all, that a rule must be tested on


def leaks(subject: Subject) -> Iterator[Finding]:
    """Columns from which the target can be told almost without error.

    A number's rule is a decision tree of that column alone; a category's its rows' class, or mean.
    """
    rows = np.random.default_rng(0).permutation(len(subject.sampled_y))[:ROWS]
    made, tested = rows[::2], rows[1::2]
    y = subject.sampled_y if subject.classes else _ranks(subject.sampled_y)
    if len(tested) < _LEAST or not _varies(y[made]) or not _varies(y[tested]):
        return
    worth = _accuracy if subject.classes else _share_of_variance
    for seen in subject.columns:
        said = _rule(seen, y, made, tested, subject.classes)
        found = worth(y[made], y[tested], said)
        if found is not None:
            yield _finding(subject, seen, *found)


def _finding(subject: Subject, seen: Seen, figure: float, certain: bool) -> Finding:
    name, target = seen.name, subject.schema.target.name
    right = (
        f"tells {target} of {figure:.1%} of the rows it was not made from"
        if subject.classes
        else f"explains {figure:.2%} of the variance of {target}'s ranks"
    )
    return Finding(
        "serious" if certain else "warning", "leak", name, f"{name} alone {right}", figure,
        f"drop {name}, if it is made from {target} or known only after it",
    )  # fmt: skip


# -- rules of one column ---------------------------------------------------------------------------


def _rule(
    seen: Seen, y: NDArray[Any], made: NDArray[np.int64], tested: NDArray[np.int64], classes: int
) -> NDArray[Any]:
    """What a rule of one column says of the rows ``tested``."""
    if seen.levels is not None:
        return _by_level(seen.levels, y, made, tested, classes)
    tree = need("sklearn.tree")
    if classes:
        model = tree.DecisionTreeClassifier(max_leaf_nodes=32, min_samples_leaf=3)
    else:
        model = tree.DecisionTreeRegressor(max_leaf_nodes=256, min_samples_leaf=3)
    assert seen.values is not None
    x = _places(seen.values)[:, None]
    said: NDArray[Any] = model.fit(x[made], y[made]).predict(x[tested])
    return said


def _places(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The place of each value in their order, NaN where missing: trees hold float32."""
    found = np.searchsorted(np.sort(values), values).astype(np.float64)
    return np.where(np.isnan(values), np.nan, found)


def _by_level(
    levels: NDArray[np.int64], y: NDArray[Any], made: NDArray[np.int64],
    tested: NDArray[np.int64], classes: int,
) -> NDArray[Any]:  # fmt: skip
    """The most frequent class, or the mean, of the rows of the same category."""
    level, n = levels + 1, int(levels.max()) + 2  # 0 is missing
    if classes:
        rows = np.bincount(level[made] * classes + y[made], minlength=n * classes)
        usual = np.bincount(y[made]).argmax()
        best = rows.reshape(n, classes)
        return np.where(best.any(axis=1), best.argmax(axis=1), usual)[level[tested]]
    times = np.bincount(level[made], minlength=n)
    sums = np.bincount(level[made], y[made], minlength=n)
    means = np.where(times > 0, sums / np.maximum(times, 1), y[made].mean())
    return np.asarray(means[level[tested]])


# -- what they are worth ---------------------------------------------------------------------------


def _accuracy(
    made: NDArray[Any], tested: NDArray[Any], said: NDArray[Any]
) -> tuple[float, bool] | None:
    """The share of right answers, where hardly an error is left; whether none is."""
    usual = np.bincount(made).argmax()
    errors = int((said != tested).sum())
    others = int((tested != usual).sum())
    if others < _LEAST or errors > LEFT * others:
        return None
    return 1 - errors / len(tested), errors == 0 and others >= 5 * _LEAST


def _share_of_variance(
    made: NDArray[Any], tested: NDArray[Any], said: NDArray[Any]
) -> tuple[float, bool] | None:
    left = float(np.square(tested - said).mean() / np.square(tested - made.mean()).mean())
    return None if 1 - left < FIT else (1 - left, 1 - left > CERTAIN)


def _ranks(y: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks between 0 and 1: a function of the target is found whatever its shape."""
    _, which, times = np.unique(y, return_inverse=True, return_counts=True)
    middle = np.cumsum(times) - times / 2
    return np.asarray(middle[which] / len(y), dtype=np.float64)


def _varies(y: NDArray[Any]) -> bool:
    return bool((y != y[0]).any())
