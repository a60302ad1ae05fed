"""More epochs for a run than it was begun with: whether its learning rates allow that.

A rate that does not look at the end of the run (constant, a step every so many updates, a plateau)
goes on, and the run has the bits of one that was asked for as many epochs at the start. One that
does (a cosine, one cycle) has been through rates that the longer run would not have had: that is
refused, or, where it is asked for, planned anew over the longer run and gone on with from where
the run stands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from chainrule.errors import RunError
from chainrule.training.descent import Descent
from chainrule.training.order import Cursor, Place

#: Steps whose rates are compared at a time.
_BLOCK: Final = 1 << 20


def check_longer(path: Path, descent: Descent, before: int, replan: bool) -> None:
    """Let a restored descent go on after the ``before`` epochs that it was begun with.

    Where its learning rates are planned anew, that is noted among its decisions.

    Args:
        path: the run's folder, for messages.
        descent: it stands where the run stands, and has the larger number of epochs.
        before: epochs that the run was begun with.
        replan: whether rates may be planned anew.

    Raises:
        RunError: the run has stopped early; or its rates, or the rows that an epoch left over for
            the next, would have been others.
    """
    if descent.watch.has_waited:
        raise RunError(
            f"{path}: this run has stopped early: {descent.watch.why_stopped()}",
            "more epochs change nothing; begin a new run with more patience",
        )
    if replan:
        if not _goes_on(descent, before):
            _note(descent, before)
        return
    if _left_over(descent.cursor, before, descent.deciding.first_batch):
        raise RunError(
            f"{path}: {before} epochs left rows over, which a longer run would have carried on",
            'resume="replan" goes on without them',
        )
    if not _goes_on(descent, before):
        raise RunError(
            f"{path}: its learning rates depend on the length of the run: in"
            f" {descent.cursor.epochs} epochs the first {before} would have had others",
            'resume="replan" plans them anew and goes on from here, or begin a new run',
        )


def _goes_on(descent: Descent, before: int) -> bool:
    """Whether the longer run's rates begin with those of the shorter one."""
    cursor, batch = descent.cursor, descent.deciding.first_batch
    shorter = Cursor(cursor.order, cursor.n, before, cursor.seed).all_left(Place(), batch)
    longer = cursor.all_left(Place(), batch)
    return all(
        _same_rates(descent.optimizer, low, min(low + _BLOCK, shorter), (shorter, longer))
        for low in range(0, shorter, _BLOCK)
    )


def _same_rates(optimizer: Any, low: int, high: int, totals: tuple[int, int]) -> bool:
    steps = np.arange(low, high)
    a, b = (np.asarray(optimizer.learning_rates(steps, total)) for total in totals)
    return np.array_equal(a, b)


def _left_over(cursor: Cursor, epochs: int, batch: int) -> bool:
    return cursor.order.remainder == "carry" and epochs * cursor.n % batch > 0


def _note(descent: Descent, before: int) -> None:
    epochs = descent.cursor.epochs
    reason = (
        f"begun with {before} epochs, now {epochs}: the learning rate is planned anew over"
        f" {epochs} epochs, and goes on at epoch {descent.epoch:.4g} of them"
    )
    descent.deciding.note_longer(descent.done, descent.epoch, reason)
