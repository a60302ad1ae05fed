"""Comparisons, booleans, choice and conversion. They pass no gradient but to what is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ir.types import NAMED_DTYPES, ArrayType
from chainrule.ops.record import LINEAR, POINTWISE, NoGradient, Primitive, register, same

BOOL = np.dtype(np.bool_)


def _compared(a: ArrayType, b: ArrayType) -> ArrayType:
    return ArrayType(BOOL, same(a, b).shape)


def _truth(*types: ArrayType) -> ArrayType:
    if types[0].dtype != BOOL:
        raise ShapeError(f"expected booleans, got {types[0]}")
    return same(*types)


def _chosen(condition: ArrayType, a: ArrayType, b: ArrayType) -> ArrayType:
    _truth(condition)
    if condition.shape != a.shape:
        raise ShapeError(f"the condition is {condition}, the choices are {a}")
    return same(a, b)


def _cast_type(x: ArrayType, *, dtype: str) -> ArrayType:
    return ArrayType(NAMED_DTYPES[dtype], x.shape)


def _cast_back(g: Any, y: Any, x: Any, *, dtype: str) -> Any:
    """g in the type of the operand."""
    return g.astype(x.dtype)


def _comparison(name: str, how: str) -> Primitive:
    why = f"{name} is constant but where its operands meet; use np.where on the values instead"
    return register(
        Primitive(
            name=name,
            shape=_compared,
            evaluate=getattr(np, name),
            vjp=NoGradient(why),
            jvp=POINTWISE,
            batched=POINTWISE,
            lower=lambda e, a, b: e.compare(how, a, b),
            domain=(-3.0, 3.0),
            source="IEEE 754-2019, 5.11",
        )
    )


less = _comparison("less", "lt")
less_equal = _comparison("less_equal", "le")
greater = _comparison("greater", "gt")
greater_equal = _comparison("greater_equal", "ge")
equal = _comparison("equal", "eq")
not_equal = _comparison("not_equal", "ne")

# fmt: off
logical_and = register(Primitive(
    name="logical_and", shape=_truth, evaluate=np.logical_and,
    vjp=NoGradient("booleans have no derivative"),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.and_(a, b),
    domain=(0.0, 1.0), source="Boolean algebra",
))
logical_or = register(Primitive(
    name="logical_or", shape=_truth, evaluate=np.logical_or,
    vjp=NoGradient("booleans have no derivative"),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.or_(a, b),
    domain=(0.0, 1.0), source="Boolean algebra",
))
logical_not = register(Primitive(
    name="logical_not", shape=_truth, evaluate=np.logical_not,
    vjp=NoGradient("booleans have no derivative"),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.xor(x, e.constant(True, x.type)),
    domain=(0.0, 1.0), source="Boolean algebra",
))
where = register(Primitive(
    name="where", shape=_chosen, evaluate=np.where,
    vjp=(None,
         lambda g, y, c, a, b: np.where(c, g, np.zeros_like(g)),
         lambda g, y, c, a, b: np.where(c, np.zeros_like(g), g)),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, c, a, b: e.select(c, a, b),
    domain=(-3.0, 3.0), source="the branch not chosen gets 0",
))
cast = register(Primitive(
    name="cast", shape=_cast_type,
    evaluate=lambda x, *, dtype: np.asarray(x).astype(NAMED_DTYPES[dtype]),
    vjp=(_cast_back,),
    jvp=LINEAR, batched=POINTWISE,
    lower=lambda e, x, *, dtype: e.convert(x, "i1" if dtype == "bool" else dtype),
    domain=(-3.0, 3.0), source="between floating types linear; integers pass no gradient",
))
# fmt: on
