"""``bind``, the one door through which every operation goes.

On plain arrays an operation is done at once, by its NumPy meaning. On tracers the innermost
recording decides what becomes of it: a node of a graph, an entry of a tape, a tangent beside the
value, or the same operation on one more axis.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import Any, Final

from chainrule.ir.graph import Attribute
from chainrule.ops.record import PRIMITIVES

_levels: Final = itertools.count()
#: The user's line ("file.py:14") of the operation that is being done once more, or "".
replayed: Final[ContextVar[str]] = ContextVar("replayed", default="")


class Recording(ABC):
    """What one run of a function under a transform writes down. Later ones have higher levels."""

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = next(_levels)

    @abstractmethod
    def bind(self, op: str, operands: tuple[Any, ...], attributes: dict[str, Attribute]) -> Any:
        """The result of one operation, at least one of whose operands is this recording's."""


#: The branch that is being written down: what is done to values from around it is part of it.
branch: Final[ContextVar[Recording | None]] = ContextVar("branch", default=None)


class Recorded:
    """A value of a recording: the base of all tracers."""

    __slots__ = ("recording",)
    recording: Recording


def bind(op: str, *operands: Any, **attributes: Attribute) -> Any:
    """Run one primitive on arrays or tracers of them."""
    top: Recording | None = None
    for x in operands:
        if isinstance(x, Recorded) and (top is None or x.recording.level > top.level):
            top = x.recording
    if top is None:
        return PRIMITIVES[op].evaluate(*operands, **attributes)
    inside = branch.get()
    if inside is not None and inside.level > top.level and any(map(_is_stand_in, operands)):
        top = inside
    return top.bind(op, operands, attributes)


def _is_stand_in(x: Any) -> bool:
    """Whether no value is known behind a tracer."""
    while isinstance(x, Recorded) and hasattr(x, "value"):
        x = x.value
    return isinstance(x, Recorded)
