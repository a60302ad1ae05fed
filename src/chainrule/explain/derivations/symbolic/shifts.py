"""What only keeps numbers in range is left out of formulas: softmax(z - max z) is softmax(z).

Such a shift is held constant (``stop_gradient``), and the value of the function does not depend on
it. That is tried: with 0 and with 1 in its place, at several points, the result must stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chainrule.explain.derivations.symbolic.scalars import Program, Scalar, changed, ordered
from chainrule.ops import PRIMITIVES

Values = Mapping[Scalar, np.ndarray]
_POINTS: Final = 4
#: A shift that is no more than rounding at every point is 0.
_NOTHING: Final = 1e-13


def without_shifts(program: Program, leaves: Mapping[str, np.ndarray]) -> Program:
    """The program without constants that its value does not depend on."""
    at = _points(program, leaves)
    for scalar in program.order:
        if scalar.op == "stop_gradient" and _is_free(program, scalar, at):
            program = _replaced(program, {scalar: Scalar("constant", value=0.0)})
            return without_shifts(program, leaves)
    return program


def without_guards(program: Program, leaves: Mapping[str, np.ndarray]) -> Program:
    """The program without ``where`` that only keep a formula from 0 / 0, away from there.

    ``where(c, a, where(c, b, x))`` is ``where(c, a, x)``; and ``where(u == k, a, f(u))`` is
    ``f(u)`` if f(k) is a, unless u is k at the point.
    """
    at = _points(program, leaves)
    for scalar in program.order:
        if scalar.op == "where":
            made = _unguarded(scalar, at)
            if made is not scalar:
                return without_guards(_replaced(program, {scalar: made}), leaves)
    return program


def _unguarded(scalar: Scalar, at: Values) -> Scalar:
    condition, a, b = scalar.inputs
    inner = [x for x in ordered(b) if x.op == "where" and x.inputs[0] is condition]
    if inner:
        new = _rebuilt(b, {x: x.inputs[2] for x in inner})
        return Scalar("where", (condition, a, new))
    if condition.op == "equal" and condition.inputs[1].op == "constant" and a.op == "constant":
        u, k = condition.inputs
        point = {x: value[:1] for x, value in at.items()}
        here = _value(condition, point, {}, 1)
        limit = _value(b, at, {u: np.full(_POINTS, k.value)})
        if u in ordered(b) and not here.any() and np.all(limit == a.value):
            return b
    return scalar


def _rebuilt(output: Scalar, by: Mapping[Scalar, Scalar]) -> Scalar:
    new: dict[Scalar, Scalar] = dict(by)
    for scalar in ordered(output):
        if scalar not in new:
            new[scalar] = _folded(scalar, tuple(new[x] for x in scalar.inputs))
    return new[output]


def _points(program: Program, leaves: Mapping[str, np.ndarray]) -> dict[Scalar, np.ndarray]:
    """The point itself and others around it, for each element of each input."""
    rng = np.random.default_rng(0)
    found: dict[Scalar, np.ndarray] = {}
    for name, elements in program.leaves.items():
        for place in np.ndindex(*elements.shape):
            x = np.asarray(leaves[name])[place]
            noise = rng.normal(0, 0.3, _POINTS) if x.dtype.kind == "f" else np.zeros(_POINTS)
            noise[0] = 0
            found[elements[place]] = np.asarray(x + noise, np.float64)
    return found


def _is_free(program: Program, scalar: Scalar, at: Values) -> bool:
    if np.all(np.abs(_value(scalar, at, {})) <= _NOTHING):
        return True
    own = _value(program.output, at, {})
    others = [_value(program.output, at, {scalar: np.full(_POINTS, k)}) for k in (0.0, 1.0)]
    return all(np.allclose(own, x, rtol=1e-11, atol=1e-13, equal_nan=True) for x in others)


def _value(output: Scalar, at: Values, fixed: Values, count: int = _POINTS) -> np.ndarray:
    """The result at all points, with some numbers fixed."""
    values: dict[Scalar, Any] = {**at, **fixed}
    with np.errstate(all="ignore"):
        for scalar in ordered(output):
            if scalar in values:
                continue
            if scalar.op == "constant":
                values[scalar] = np.full(count, scalar.value)
            else:
                operands = [values[x] for x in scalar.inputs]
                values[scalar] = PRIMITIVES[scalar.op].evaluate(*operands)
    return np.asarray(values[output])


def _replaced(program: Program, by: dict[Scalar, Scalar]) -> Program:
    """The program with numbers in the place of others, and what follows from it folded."""
    new: dict[Scalar, Scalar] = dict(by)
    everything = {x for elements in program.elements.values() for x in elements.flat}
    for scalar in {x: None for top in (program.output, *everything) for x in ordered(top)}:
        if scalar not in new:
            new[scalar] = _folded(scalar, tuple(new[x] for x in scalar.inputs))
    elements = {node: changed(x, new.__getitem__) for node, x in program.elements.items()}
    return Program(program.leaves, new[program.output], elements)


#: Operation: the number on its right that changes nothing.
_NEUTRAL: Final = {"add": 0.0, "subtract": 0.0, "multiply": 1.0, "divide": 1.0}


def _folded(scalar: Scalar, operands: tuple[Scalar, ...]) -> Scalar:
    if all(a is b for a, b in zip(operands, scalar.inputs, strict=True)):
        return scalar
    if all(x.op == "constant" for x in operands):
        value = PRIMITIVES[scalar.op].evaluate(*(np.asarray(x.value) for x in operands))
        return Scalar("constant", value=np.asarray(value).item())
    if scalar.op == "where" and operands[0].op == "constant":
        return operands[1] if operands[0].value else operands[2]
    right = operands[-1]
    if right.op == "constant" and _NEUTRAL.get(scalar.op) == right.value:
        return operands[0]
    return Scalar(scalar.op, operands)
