"""The order of examples: which rows each epoch takes, as a function of (seed, epoch)."""

from chainrule.orders.choice import as_order
from chainrule.orders.order import ORDER_STREAM, Order, Remainder
from chainrule.orders.plain import (
    InOrder,
    Once,
    Reshuffle,
    WithReplacement,
    in_order,
    once,
    reshuffle,
    with_replacement,
)
from chainrule.orders.stratified import Stratified, stratified
from chainrule.orders.weighted import Weighted, weighted

__all__ = [
    "ORDER_STREAM",
    "InOrder",
    "Once",
    "Order",
    "Remainder",
    "Reshuffle",
    "Stratified",
    "Weighted",
    "WithReplacement",
    "as_order",
    "in_order",
    "once",
    "reshuffle",
    "stratified",
    "weighted",
    "with_replacement",
]
