"""``report``: the sections one after the other; one that cannot be made says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import ChainruleError, TrainingError
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part, Report
from chainrule.explain.reports.sections import SECTIONS, Maker
from chainrule.explain.reports.told import Told, told_of
from chainrule.tracing.trees import flatten
from chainrule.training.run import Run

#: Told what is being worked on: "3 of 11: learning curves".
Progress: TypeAlias = Callable[[str], None]
#: What a section of odd data or of an odd model may raise; the others are shown all the same.
_FAILURES: Final = (
    ChainruleError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError,
    MemoryError, np.linalg.LinAlgError,
)  # fmt: skip


def report(
    run: Run | Told, path: str | Path | None = None, *, row: int | None = None,
    sections: Sequence[str] | None = None, progress: Progress | None = None, **options: Any,
) -> Report:  # fmt: skip
    """The report of a run: what it did, why, and what its model has learnt.

    Args:
        run: what ``cr.train`` returned; or a ``Told``.
        path: a file to write the page to.
        row: the row of the training data whose gradients are shown; None for a typical one.
        sections: names of those that are wanted, such as ("curves", "flow"); None for all.
        progress: called before each section with a line that says which.
        options: of a run, fields of ``Told``: ``features``, ``classes``, ``title``, ``target``.

    Raises:
        TrainingError: not a run; a row that is not there; an option that is none.
        RunError: the file cannot be written.

    Example:
        >>> import chainrule as cr
        >>> x = np.linspace(-1.0, 1.0, 64)
        >>> def loss(p, x, y):
        ...     return np.mean((p["w"] * x + p["b"] - y) ** 2)
        >>> start = {"w": np.array(0.0), "b": np.array(0.0)}
        >>> run = cr.train(start, loss, (x, 3 * x + 1), epochs=3)
        >>> made = report(run, title="A line")
        >>> made.title, made.part("curves").is_missing
        ('A line', False)
    """
    start = perf_counter()
    told = _told(run, options)
    context = Context(told, _checked(row, told))
    parts = []
    wanted = _wanted(sections)
    for k, (name, title, make) in enumerate(wanted, 1):
        if progress is not None:
            progress(f"{k} of {len(wanted)}: {title.lower()}")
        parts.append(_made(name, title, make, context))
    made = Report(told.title, tuple(parts), perf_counter() - start)
    if path is not None:
        made.save(path)
    return made


def _wanted(names: Sequence[str] | None) -> Sequence[Maker]:
    known = {maker[0]: maker for maker in SECTIONS}
    asked = list(known) if names is None else [names] if isinstance(names, str) else names
    for name in asked:
        if name not in known:
            raise TrainingError(f"report: no section {name!r}; expected of {', '.join(known)}")
    return [maker for name, maker in known.items() if name in asked]


def _told(run: object, options: dict[str, Any]) -> Told:
    if isinstance(run, Run):
        return told_of(run, **options)
    if not isinstance(run, Told):
        raise TrainingError(
            f"report: got {type(run).__name__}; expected the result of cr.train",
            'run = cr.train(...); run.explain().save("report.html")',
        )
    if options:
        raise TrainingError(f"report: {', '.join(options)}: a Told says these itself")
    return run


def _checked(row: Any, told: Told) -> int | None:
    if row is None:
        return None
    leaves = [np.asarray(leaf) for leaf in flatten(told.data)[0]]
    rows = len(leaves[0]) if leaves and leaves[0].ndim else 0
    if not isinstance(row, int | np.integer) or not 0 <= row < rows:
        raise TrainingError(f"row={row!r} of {rows:,} rows", "rows count from 0")
    return int(row)


def _made(name: str, title: str, make: Callable[[Context], Part], context: Context) -> Part:
    try:
        with np.errstate(all="ignore"):
            return make(context)
    except _FAILURES as error:
        why = error.message if isinstance(error, ChainruleError) else f"{error!r}"
        return Part(name, title, (why,), is_missing=True)
