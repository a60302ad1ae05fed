"""Where the first NaN or infinity of the two passes was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.explain.numbers.recorded import Recorded
from chainrule.explain.numbers.visits import Visit


def first_nonfinite(
    recorded: Recorded, visits: Sequence[Visit], gradients: Mapping[str, Any]
) -> str:
    """A sentence; "" where the loss and all gradients are finite."""
    if is_finite(recorded.value) and all(map(is_finite, gradients.values())):
        return ""
    for name, x in recorded.inputs.items():
        if not is_finite(x.value):
            return f"The first {_word(x.value)} is in {name} already."
    for entry, visit in zip(recorded.entries, reversed(visits), strict=True):
        operands = (recorded.tape.value(x) for x in entry.operands)
        if not is_finite(entry.value) and all(map(is_finite, operands)):
            return f"The first {_word(entry.value)} is made on the way forward, by {_at(visit)}."
    for visit in visits:
        made = [p for p in visit.passed if not is_finite(p.gradient)]
        if made and is_finite(visit.delta):
            what = f"The first {_word(made[0].gradient)} of a gradient is passed on"
            return f"{what} to {made[0].to} by {_at(visit)}: its Jacobian is not finite there."
    return "The loss is not finite: a NaN or an infinity comes from what is not differentiated."


def is_finite(x: Any) -> bool:
    """Whether every number of an array, or of several, is finite."""
    if isinstance(x, dict | tuple):
        parts = x.values() if isinstance(x, dict) else x
        return all(is_finite(part) for part in parts if part is not None)
    x = np.asarray(x)
    return x.dtype.kind != "f" or bool(np.isfinite(x).all())


def _word(x: Any) -> str:
    return "NaN" if np.isnan(np.asarray(x)).any() else "infinity"


def _at(visit: Visit) -> str:
    where = f" at {visit.where}" if visit.where else ""
    return f"{visit.op}{where} (visit #{visit.number}, {visit.layer})"
