"""Which operation's derivative is wrong: each rule on its own, on the numbers that it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.gradients.differences import differ, sides, slope
from chainrule.gradients.tape import CUSTOM, RESULT, Tape, TapeTracer, owed_by, walk
from chainrule.ops import PRIMITIVES, NoGradient
from chainrule.tracing.lines import line_text

#: How far a rule may be from its own operation's differences: the operands may be float32.
_TOLERANCE: Final = {8: 1e-6, 4: 1e-3}

#: A unit roundoff that is not float64's.
_COARSE: Final = 1e-10

Blame = tuple[str, str, str]  # operation, line, likely cause
#: Operands, by their numbers the directions to move some in, and the weights of results.
Setting = tuple[list[Any], dict[int, Any], dict[int, Any]]


@dataclass(frozen=True, slots=True)
class Line:
    """A function along a line: its values, its tapes, and how coarse they are."""

    value: Callable[[float], float]
    tape: Callable[[float], Tape]
    rounding: float


def blame(tape: Tape, line: Line) -> Blame:
    """The first operation whose rule disagrees with its own values, and the likely cause."""
    first, second = line.value(0.0), line.value(0.0)
    if first != second and not np.isnan(first):
        return "", "", "the function returns other values each time: fix its random numbers"
    for entry in reversed(list(walk(tape.entries))):
        cause = _fault(tape, entry)
        if cause:
            return _name(entry), line_text(entry.where), cause
    return _elsewhere(tape, line)


def rounding_of(tape: Tape, values: Sequence[Any]) -> float:
    """The unit roundoff of the coarsest numbers that were computed with."""
    seen = [x.value.dtype for x in walk(tape.entries) if not isinstance(x.value, tuple)]
    floats = {d for d in [*seen, *(y.dtype for y in values)] if d.kind == "f"}
    return float(max((np.finfo(d).eps for d in floats), default=np.finfo(np.float64).eps))


def _name(entry: TapeTracer) -> str:
    return entry.attributes["custom"].name if entry.op == CUSTOM else entry.op  # type: ignore[union-attr]


def _fault(tape: Tape, entry: TapeTracer) -> str:
    """What is wrong with one operation's rule, or "" if it is right here."""
    setting = _alone(tape, entry)
    if setting is None:
        return ""
    values, directions, weights = setting
    by_rule = _by_rule(tape, entry, weights, directions)
    return _compare(by_rule, _line(entry, values, directions, weights), _precision(entry, values))


def _alone(
    tape: Tape, entry: TapeTracer
) -> tuple[list[Any], dict[int, Any], dict[int, Any]] | None:
    """One operation's operands, directions to move them in and weights of its results."""
    if entry.op in (RESULT, "item", "stop_gradient"):
        return None
    if entry.op != CUSTOM and isinstance(PRIMITIVES[entry.op].vjp, NoGradient):
        return None
    values: list[Any] = [np.asarray(tape.value(x)) for x in entry.operands]
    rng = np.random.default_rng(0)
    directions = {
        k: rng.normal(size=x.shape) * np.where(x == 0, 1.0, np.abs(x))
        for k, x in enumerate(values)
        if tape.owns(entry.operands[k]) and x.dtype.kind == "f"
    }
    return (values, directions, _weights(entry.value, rng)) if directions else None


def _bent(tape: Tape) -> tuple[str, str]:
    """The first operation that has a kink at its own operands: its name and line."""
    rounding = float(np.finfo(np.float64).eps)
    for entry in reversed(list(walk(tape.entries))):
        setting = _alone(tape, entry)
        if setting and differ(*sides(_line(entry, *setting), rounding, 1e-3), rounding):
            return _name(entry), line_text(entry.where)
    return "", ""


def _precision(entry: TapeTracer, values: list[Any]) -> float:
    numbers = [*values, *_results(entry.value)]
    sizes = [x.dtype.itemsize for x in numbers if x.dtype.kind == "f"]
    return _TOLERANCE[min(sizes, default=8)]


def _results(value: Any) -> list[Any]:
    return [np.asarray(y) for y in (value if isinstance(value, tuple) else (value,))]


def _weights(value: Any, rng: np.random.Generator) -> dict[int, Any]:
    """A random cotangent for each floating-point result."""
    results = enumerate(_results(value))
    return {k: rng.normal(size=y.shape).astype(y.dtype) for k, y in results if y.dtype.kind == "f"}


def _by_rule(
    tape: Tape, entry: TapeTracer, weights: dict[int, Any], directions: dict[int, Any]
) -> float:
    g = weights if isinstance(entry.value, tuple) else weights.get(0)
    owed = owed_by(tape, entry, g) if g is not None else {}
    return float(sum(np.sum(owed[k] * v) for k, v in directions.items() if owed.get(k) is not None))


def _line(
    entry: TapeTracer, values: list[Any], directions: dict[int, Any], weights: dict[int, Any]
) -> Callable[[float], float]:
    """The operation alone, in float64, along a line of its operands."""
    wide = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in values]

    def value(t: float) -> float:
        moved = [x + t * directions[k] if k in directions else x for k, x in enumerate(wide)]
        results = _results(_run(entry, moved))
        return float(sum(np.sum(results[k] * w) for k, w in weights.items()))

    return value


def _run(entry: TapeTracer, values: list[Any]) -> Any:
    if entry.op == CUSTOM:
        return tuple(entry.attributes["custom"].run(values))  # type: ignore[union-attr]
    return PRIMITIVES[entry.op].evaluate(*values, **entry.attributes)


def _compare(by_rule: float, line: Callable[[float], float], tolerance: float) -> str:
    rounding = float(np.finfo(np.float64).eps)
    found = slope(line, rounding)
    scale = max(abs(by_rule), abs(found.value))
    if not np.isfinite(by_rule):
        return f"the edge of the operation's domain, where its derivative is {by_rule}"
    if (
        not np.isfinite(found.value)
        or abs(by_rule - found.value) <= tolerance * scale + 2 * found.error
    ):
        return ""
    left, right = sides(line, rounding)
    if differ(left, right, rounding):
        return _kink(left, right, "the operation")
    return f"a wrong rule: it gives {by_rule:.6g} where its own values change by {found.value:.6g}"


def _kink(left: float, right: float, what: str) -> str:
    return (
        f"a kink: along a line {what} has the slope {left:.6g} on one side and {right:.6g} on the "
        "other, and the derivative is neither; check beside it"
    )


def _elsewhere(tape: Tape, line: Line) -> Blame:
    """No rule is wrong on its own: what the operations together, or their surroundings, can be."""
    left, right = sides(line.value, line.rounding)
    if differ(left, right, line.rounding):
        switch = _switch(line)
        return *(switch if switch[0] else _bent(tape)), _kink(left, right, "the function")
    cut = next((x for x in walk(tape.entries) if x.op == "stop_gradient"), None)
    if cut is not None:
        where = line_text(cut.where)
        return cut.op, where, "a part is left out on purpose, by cr.stop_gradient"
    if line.rounding > _COARSE:
        return "", "", "float32 rounding: the function computes in float32 inside; use float64"
    return "", "", "a part of the function that is not traced, or values too coarse to tell"


def _switch(line: Line) -> tuple[str, str]:
    """The first operation that chooses otherwise on the other side: its name and line."""
    step = line.rounding ** (2 / 3)
    tapes = [reversed(list(walk(line.tape(t).entries))) for t in (-step, step)]
    for a, b in zip(*tapes, strict=False):
        if a.op != b.op:
            return "a condition", line_text(a.where)
        if not isinstance(a.value, tuple) and a.value.dtype.kind in "bi":
            if not np.array_equal(a.value, b.value):
                return a.op, line_text(a.where)
    return "", ""
