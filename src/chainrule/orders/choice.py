"""An order by its name."""

from __future__ import annotations

from typing import Any, Final

from chainrule.errors import TrainingError
from chainrule.orders.order import Order
from chainrule.orders.plain import in_order, once, reshuffle, with_replacement

_NAMED: Final = {
    "reshuffle": reshuffle,
    "once": once,
    "in order": in_order,
    "with replacement": with_replacement,
}


def as_order(value: Any) -> Order:
    """An order, given as one or by its name.

    Args:
        value: "reshuffle", "once", "in order", "with replacement", or an ``Order``.

    Raises:
        TrainingError: anything else.

    Example:
        >>> as_order("in order")
        in_order(remainder='drop')
    """
    if isinstance(value, Order):
        return value
    if isinstance(value, str) and value.replace("_", " ") in _NAMED:
        return _NAMED[value.replace("_", " ")]()
    names = ", ".join(map(repr, _NAMED))
    raise TrainingError(
        f"the order of examples is {value!r}; expected {names} or an order",
        'from chainrule import orders: orders.stratified(labels), orders.once("smaller") ...',
    )
