"""The errors of derivatives that do not exist: no silent zero."""

from __future__ import annotations

from typing import Final

from chainrule.errors import GradientError, TraceError
from chainrule.ops import NoGradient
from chainrule.tracing.lines import Place, line_text, user_line

#: Why integers that were made of real numbers carry no derivative.
ROUNDED: Final = NoGradient(
    "whole numbers made of real ones do not change with them; keep floats, or say "
    "cr.stop_gradient(x) where none is meant"
)


def no_gradient(op: str, where: Place, why: NoGradient) -> GradientError:
    """The error of an operation without a derivative."""
    return GradientError(f"no gradient flows through {op} at {line_text(where)}: {why.why}")


def outlived() -> TraceError:
    """The error of a tracer that was kept: to take it for a constant would be a silent zero."""
    return TraceError(
        f"a value of a transform that has ended is used at {user_line()}",
        "return it from the function that is transformed, with has_aux=True",
    )
