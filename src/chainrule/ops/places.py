"""Whole numbers that say where something stands, tied to the numbers they were found from.

The place of a largest element is composed (a comparison, a numbering, a minimum), and truth values
lead no derivative on. So that a gradient through a place is an error with its name, and no silent
zero, the place passes through one of these records beside a value that it depends on.
"""

from __future__ import annotations

from typing import Any

from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.types import ArrayType
from chainrule.ops.record import POINTWISE, NoGradient, Primitive, register

Array = Any


def _tied(place: ArrayType, of: ArrayType) -> ArrayType:
    if place.dtype.kind != "i" or not of.is_float:
        raise DTypeError(f"expected whole numbers and what they are places of, got {place}, {of}")
    if place.shape != of.shape:
        raise ShapeError(f"{place} are not the places of {of}")
    return place


def _record(name: str, why: str) -> Primitive:
    return register(
        Primitive(
            name=name,
            shape=_tied,
            evaluate=lambda place, of: place,
            vjp=NoGradient(why),
            jvp=POINTWISE,
            batched=POINTWISE,
            lower=lambda e, place, of: place,
            domain=(-3.0, 3.0),
            source="a place is a whole number, constant but where elements meet",
        )
    )


argmax = _record("argmax", "a place is a whole number; np.max, or x at that place, has a gradient")
searchsorted = _record(
    "searchsorted", "a place is a whole number; np.interp has a gradient between places"
)
