"""Batch schedules and orders of the rows by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule import optim, orders
from chainrule.data.words import count
from chainrule.orders.order import Remainder

#: Rows that a growing batch may reach: this share of them, as g ≈ ε N / B asks for B ≪ N; in a
#: small table at least so many times the first batch. CABS may divide it by as much too.
_SHARE: Final = 10
_LEAST_GROWTH: Final = 4


def largest_batch(batch: int, rows: int) -> int:
    """What a batch of so many rows may grow to."""
    return max(rows // _SHARE, min(_LEAST_GROWTH * batch, rows))


def least_batch(batch: int) -> int:
    """What CABS may make of a batch: from 2, as one example has no spread."""
    return max(2, -(-batch // _LEAST_GROWTH))


def batch_schedule(name: str, batch: int, rows: int, epochs: int, then: str = "decay") -> Any:
    """The batch schedule of this name for ``rows`` training rows, or the batch itself."""
    limit = largest_batch(batch, rows)
    if name == "step-growth":
        return optim.StepGrowth(batch, at=[epochs / 2, 0.75 * epochs], limit=limit)
    if name == "doubling":
        return optim.Doubling(batch, every=epochs / 5, limit=limit)
    if name == "cabs":
        return optim.CABS(batch, least=least_batch(batch), limit=limit)
    if name == "noise":
        return optim.NoiseDriven(batch, limit=limit, then=then)
    return batch


def batch_words(name: str, batch: int, rows: int, epochs: int) -> str:
    """What the batch does, for people; "" if it stays as it is."""
    limit = count(largest_batch(batch, rows), "row")
    upto, least = f"up to {limit}", least_batch(batch)
    return {
        "step-growth": f"times 5 at epoch {epochs / 2:g} and {0.75 * epochs:g}, {upto}",
        "doubling": f"doubled every {count_of(epochs / 5)}, {upto}",
        "cabs": f"chosen by the gradients' variance and the rate (CABS), {least:,} to {limit}",
        "noise": f"doubled while the gradient is mostly noise, {upto}; then the rate falls",
    }.get(name, "")


def count_of(epochs: float) -> str:
    """Epochs, which may be a part of one."""
    return "epoch" if epochs == 1 else f"{epochs:g} epochs"


def order_of(name: str, remainder: Remainder, y: NDArray[Any]) -> orders.Order:
    """The order of this name; ``y`` are the rows' labels, which "stratified" asks for."""
    if name == "stratified":
        return orders.stratified(np.asarray(y), remainder=remainder)
    makers: dict[str, Callable[..., orders.Order]] = {
        "reshuffle": orders.reshuffle,
        "once": orders.once,
        "in-order": orders.in_order,
        "with-replacement": orders.with_replacement,
    }
    return makers[name](remainder=remainder)
