"""Optimisers, as pure functions on trees of arrays, and schedules of their learning rate."""

from chainrule.optim.schedules import (
    Constant,
    Cosine,
    Schedule,
    constant,
    cosine,
    learning_rates,
)
from chainrule.optim.sgd import SGD

__all__ = ["SGD", "Constant", "Cosine", "Schedule", "constant", "cosine", "learning_rates"]
