"""Losses: one number, in a unit that is said, for a batch of outputs and their targets."""

from typing import Final

from chainrule.losses.classification import (
    binary_cross_entropy,
    cross_entropy,
    hinge,
    kl_divergence,
)
from chainrule.losses.distributions import gamma, gaussian, negative_binomial, poisson
from chainrule.losses.likelihood import LogLikelihood, each_member, log_likelihood
from chainrule.losses.record import Loss
from chainrule.losses.regression import absolute_error, huber, quantile, squared_error
from chainrule.losses.weights import balanced_class_weight, check_weights

#: Losses by name: what a command line or a saved configuration may say.
LOSSES: Final[dict[str, Loss]] = {
    loss.name: loss
    for loss in (
        squared_error, absolute_error, huber, quantile, binary_cross_entropy, cross_entropy,
        kl_divergence, hinge, gaussian, poisson, gamma, negative_binomial,
    )
}  # fmt: skip

__all__ = [
    "LOSSES",
    "LogLikelihood",
    "Loss",
    "absolute_error",
    "balanced_class_weight",
    "binary_cross_entropy",
    "check_weights",
    "cross_entropy",
    "each_member",
    "gamma",
    "gaussian",
    "hinge",
    "huber",
    "kl_divergence",
    "log_likelihood",
    "negative_binomial",
    "poisson",
    "quantile",
    "squared_error",
]
