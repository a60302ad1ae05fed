"""The record of an operation on whole arrays, and operations that are written by name alone.

Their derivative is the product of the cotangent with their Jacobian, which automatic
differentiation computes: ``vjp``; what only moves numbers about is moved back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from chainrule.explain.derivations.layers.cotangent import (
    Cotangent,
    as_column,
    spread,
)
from chainrule.explain.derivations.layers.values import LINEAR_MOVES, Value
from chainrule.explain.notation import (
    Apply,
    Expr,
)
from chainrule.gradients.vjp import vjp

Forms: TypeAlias = tuple[Expr, ...]


class Names(Protocol):
    """What the rules ask for beside the operands: symbols for what is not in the graph."""

    def probability(self, z: Value) -> Expr: ...
    def one_hot(self, label: Value, classes: int) -> Expr: ...
    def count(self, n: int) -> Expr: ...


@dataclass(frozen=True)
class Structure:
    """How an operation on whole arrays is written.

    Attributes:
        write: (value, operands, names) -> the formula.
        back: (value, number of the operand, operands, result, cotangent, names) -> its cotangent.
        rule: its name.
    """

    write: Callable[[Value, Forms, Names], Expr]
    back: Callable[[Value, int, Forms, Expr, Cotangent, Names], Cotangent | None]
    rule: str


def full(v: Value, g: Cotangent) -> Expr:
    """The cotangent with all elements of the value's shape."""
    return spread(g.formula, g.uniform, v.shape)


def write_named(v: Value, xs: Forms, names: Names) -> Expr:
    """The operation by its name."""
    return Apply(v.op, spread_all(v, xs), lambda *arrays: as_column(_call(v, arrays)))


def spread_all(v: Value, xs: Forms) -> Forms:
    """The operands with all elements of their shapes."""
    pairs = zip(v.inputs, xs, strict=True)
    return tuple(spread(x, i.uniform, i.shape) for i, x in pairs)


def _call(v: Value, arrays: Any) -> Any:
    assert v.call is not None, v.op
    return v.call(*(np.reshape(x, i.shape) for i, x in zip(v.inputs, arrays, strict=True)))


def back_named(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """The product with the Jacobian, by automatic differentiation."""
    if v.inputs[k].data.dtype.kind != "f":
        return None

    if len(v.inputs) == 1 and v.op in LINEAR_MOVES:
        return _adjoint(v, g)

    def product(*given: Any) -> Any:
        *arrays, cotangent = given
        fixed = [np.reshape(x, i.shape) for i, x in zip(v.inputs, arrays, strict=True)]

        def of_one(x: Any) -> Any:
            return _call(v, [*fixed[:k], x, *fixed[k + 1 :]])

        pull = vjp(of_one, fixed[k])[1]
        return as_column(pull(np.reshape(cotangent, v.shape))[0])

    which = f"{v.op},{k + 1}" if len(v.inputs) > 1 else v.op
    return Cotangent(Apply("vjp", (*spread_all(v, xs), full(v, g)), product, which))


def _adjoint(v: Value, g: Cotangent) -> Cotangent:
    """What moves numbers about is moved back; it needs no operand."""
    zero = np.zeros(v.inputs[0].shape)

    def back(cotangent: Any) -> Any:
        pull = vjp(lambda x: _call(v, [x]), zero)[1]
        return as_column(pull(np.reshape(cotangent, v.shape))[0])

    return Cotangent(Apply(v.op, (full(v, g),), back, superscript="T"))


def no_gradient(v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names) -> None:
    """Nothing flows back."""
    return
