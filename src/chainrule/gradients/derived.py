"""Where operations stand that no user wrote: those of a derivative, at the line it is of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chainrule.ops.apply import replayed
from chainrule.tracing.lines import Place, line_text

#: Behind the line of what is written down on the way back, and of what makes a tangent.
BACKWARD: Final = " (backward)"
FORWARD: Final = " (forward)"


@contextmanager
def derivative_of(where: Place, mark: str) -> Iterator[None]:
    """What is written down inside stands at the line of the operation that it derives."""
    text = line_text(where)
    token = replayed.set(text if text.endswith((BACKWARD, FORWARD)) else text + mark)
    try:
        yield
    finally:
        replayed.reset(token)


def is_derived(where: Place) -> bool:
    """Whether a derivative's rule did this, and not the user.

    Its comparisons choose between slopes, which are constant where the comparison is.
    """
    return where is not None and where[0].endswith((BACKWARD, FORWARD))
