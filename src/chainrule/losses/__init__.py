"""Losses: one number, in a unit that is said, for a batch of outputs and their targets."""

from typing import Final

from chainrule.losses.classification import binary_cross_entropy, cross_entropy
from chainrule.losses.record import Loss
from chainrule.losses.regression import squared_error

#: Losses by name: what a command line or a saved configuration may say.
LOSSES: Final[dict[str, Loss]] = {
    loss.name: loss for loss in (squared_error, binary_cross_entropy, cross_entropy)
}

__all__ = ["LOSSES", "Loss", "binary_cross_entropy", "cross_entropy", "squared_error"]
