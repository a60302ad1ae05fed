"""``checkpoint``: forget what a function computed on the way, and compute it again going back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chainrule.gradients.tape import OPEN, Segment, Tape, TapeTracer
from chainrule.ops import Recorded
from chainrule.tracing.trees import flatten


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, whose values on the way are not kept for the backward pass but computed again in it.

    For memory: a chain of n equal blocks keeps n results instead of all that the blocks compute,
    and does each block's forward pass twice. The values and the gradient are the same bits. f runs
    once; what it did is done again from the record, so that a random number or a condition in it
    is the same. Outside of a gradient it is f.

    Raises:
        TraceError: a value inside of f was kept by other means than returning it, and is used.

    Source:
        Chen et al. 2016, Training deep nets with sublinear memory cost.

    Example:
        >>> import numpy as np
        >>> from chainrule.gradients.reverse import grad
        >>> grad(checkpoint(lambda x: np.sin(np.sin(x))))(0.0)
        np.float64(1.0)
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        begun = [(tape, len(tape.entries)) for tape in OPEN.tapes]
        result = f(*args, **kwargs)
        kept = _behind(flatten(result)[0])
        for tape, start in reversed(begun):
            if _forget(tape, start, kept).has_custom():
                break  # its backward function holds values that the tapes below must keep
        return result

    return checkpointed


def _forget(tape: Tape, start: int, kept: dict[Any, None]) -> Segment:
    """What was done since ``start`` as one segment."""
    entries = tape.entries[start:]
    outside = {x: None for x in kept if type(x) is TapeTracer and x.recording is tape}
    segment = Segment(entries, outside)
    tape.entries[start:] = [segment]
    return segment


def _behind(leaves: list[Any]) -> dict[Any, None]:
    """The tracers among these values and, level by level, behind them."""
    found: dict[Any, None] = {}
    waiting = [x for x in leaves if isinstance(x, Recorded)]
    while waiting:
        x = waiting.pop()
        found[x] = None
        inner = (getattr(x, "value", None), getattr(x, "tangent", None))
        waiting += [y for y in inner if isinstance(y, Recorded)]
    return found
