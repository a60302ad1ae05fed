"""One thing to try, where a profile's figures leave no doubt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from chainrule.profiling.row import Row
from chainrule.profiling.units import percent

#: What is said of Python's parts of the time, where one is long.
_PYTHON: Final = {
    "validation": "validate on fewer rows",
    "callbacks": "do less in the callbacks",
    "checkpoints": "checkpoint_every= more seconds",
}
#: A part that takes this much of the whole is worth a word; waiting is, from a smaller one on.
_LONG, _WAIT = 0.25, 0.2
#: Such a part is at its limit from this share of it on.
_NEAR: Final = 0.7
#: A step that is shorter than this in seconds, and this far below its limit, is all beginnings.
_SHORT, _FAR = 20e-6, 0.25


def advice_on(rows: Iterable[Row], seconds: float, outside: Mapping[str, float], batch: int) -> str:
    """One thing to try; "" where nothing stands out.

    Args:
        rows: the parts of a step.
        seconds: of a step.
        outside: seconds of Python's parts for each step.
        batch: examples of a step.
    """
    rows = list(rows)
    found = (
        _python(outside, seconds),
        _waiting(rows, seconds),
        _gathering(rows, seconds),
        _beginnings(rows, seconds, batch),
        _at_limit(rows, seconds),
    )
    return next((words for words in found if words), "")


def _python(outside: Mapping[str, float], seconds: float) -> str:
    whole = seconds + sum(outside.values())
    for name, words in _PYTHON.items():
        share = outside.get(name, 0.0) / whole if whole else 0.0
        if share >= _LONG:
            return f"{name}: {percent(share)} of the run's time goes there: {words}"
    return ""


def _waiting(rows: list[Row], seconds: float) -> str:
    waited = sum(row.seconds for row in rows if row.name.startswith("waiting"))
    if waited < _WAIT * seconds:
        return ""
    return (
        f"threads=1: {percent(waited / seconds)} of the step is waiting of one thread for "
        "another, by too little work or by another program on the processor"
    )


def _gathering(rows: list[Row], seconds: float) -> str:
    gathered = [row for row in rows if row.kind == "gather"]
    took = sum(row.seconds for row in gathered)
    if took < _LONG * seconds or not any(row.bound == "memory" for row in gathered):
        return ""
    return (
        f'order="in order", on rows shuffled once: {percent(took / seconds)} of the step is '
        "gathering rows that stand apart in memory"
    )


def _beginnings(rows: list[Row], seconds: float, batch: int) -> str:
    share = sum(row.limit for row in rows) / seconds if seconds else 1.0
    parts = sum(row.bytes > 0 for row in rows)
    if seconds > _SHORT or share > _FAR:
        return ""
    return (
        f"a batch above {batch}: most of this step is the beginning and ending of its {parts} "
        "parts, and more examples take little longer"
    )


def _at_limit(rows: list[Row], seconds: float) -> str:
    longest = max(rows, key=lambda row: row.seconds)
    share = longest.share or 0.0
    if longest.seconds < 2 * _LONG * seconds or share < _NEAR:
        return ""
    if longest.dtype == "f64":
        return f"float32: {longest.name} is at {percent(share)} of the limit for float64"
    return (
        f"a smaller layer: {longest.name} takes {percent(longest.seconds / seconds)} of the step "
        f"and is at {percent(share)} of the machine's limit"
    )
