"""Assignment to a part of a tracer, for SciPy under ``SCIPY_ARRAY_API=1`` alone.

SciPy's functions assign through ``array_api_extra.at``, to copies of theirs or to results that
they are done with. Elsewhere ``x[i] = v`` stays an error: what else the code around calls x would
or would not change with it, and no derivative can tell.
"""

from __future__ import annotations

from typing import Any

from chainrule.errors import TraceError
from chainrule.tracing.at import at
from chainrule.tracing.lines import user_line
from chainrule.tracing.tracer import Tracer, register_function


def assign(x: Tracer, index: Any, value: Any) -> None:
    """Let x stand for what it is after ``x[index] = value``; what was made of it before stays."""
    new = at(x)[index].set(value)
    is_input = getattr(x, "op", "") == "input"
    if type(new) is not type(x) or new.recording is not x.recording or is_input:
        raise TraceError(
            f"x[...] = v at {user_line()} would change a traced value in place",
            "x = x.at[...].set(v) (or cr.at(x)[...].set(v)) gives a new array",
        )
    entries = getattr(x.recording, "entries", None)
    if entries is not None:
        _step_aside(entries, x, new)
    _become(x, new)


def _become(x: Any, other: Tracer) -> None:
    for cls in type(other).__mro__:
        for name in getattr(cls, "__slots__", ()):
            setattr(x, name, getattr(other, name))


def _step_aside(entries: list[Any], x: Tracer, new: Tracer) -> None:
    """On a tape a copy takes the place of x in all that was made of it, and x that of ``new``."""
    old: Any = object.__new__(type(x))
    _become(old, x)
    for k, entry in enumerate(entries):
        if entry is x:
            entries[k] = old
        elif entry is new:
            entries[k] = x
        _exchange(entry, x, old)
    _exchange(new, x, old)


def _exchange(entry: Any, x: Tracer, old: Tracer) -> None:
    if any(operand is x for operand in getattr(entry, "operands", ())):
        entry.operands = tuple(old if o is x else o for o in entry.operands)


register_function("setitem", assign)
