"""The automatic learning rate: found by trying growing ones, or by rule where a run is short."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from chainrule.cli.optimizers import METHODS
from chainrule.cli.setup import Setup
from chainrule.cli.terms import LOG_LINKED
from chainrule.training.range_test import RangeTest, range_test

#: A run of fewer updates is over before rates have been tried in as many.
LEAST_STEPS: Final = 300
#: Where between the rate by which half of the fall is done (0) and that of the lowest loss (1), by
#: factors, the best first rate of a schedule that falls lies.
_BETWEEN: Final = 2 / 3
#: No nearer than this to where the loss rises.
_SAFE: Final = 3.0
#: The same where the loss fell at no rate.
_FAR: Final = 10.0
#: How far from the rule, as a factor, a test is believed.
_BELIEVED: Final = 4.0


def with_rate(setup: Setup, data: tuple[Any, Any]) -> Setup:
    """The setup with its automatic learning rate.

    The same setup and data give the same rate, on any machine that gives the same losses.

    Args:
        setup: whose learning rate is still to be chosen.
        data: the training rows as the network and its loss take them.
    """
    by_rule = rule(setup)
    if METHODS[setup.optimizer].estimates:
        return _with(setup, by_rule, f"auto; {METHODS[setup.optimizer].title} finds its own")
    if setup.steps < LEAST_STEPS:
        return _with(setup, by_rule, "auto: by rule, as the run is short")
    found = read(_tried(replace(setup, learning_rate=by_rule), data), by_rule, _caution(setup))
    if found is None:
        why = f"auto: by rule; in {LEAST_STEPS} trial steps the loss fell by no more than its noise"
        return _with(setup, by_rule, why)
    return _with(setup, *found, found=True)


def rule(setup: Setup) -> float:
    """A rate that suits most tables.

    It grows with the root of the batch and, for SGD, with ``1 - momentum``, up to twice the
    optimiser's usual one. The squared error has twice the slope of its half; a count's likelihood
    is as curved as its mean is large.
    """
    method = METHODS[setup.optimizer]
    rate = method.rate
    if method.grows:
        rate *= (setup.batch / 32) ** 0.5
    if setup.optimizer in ("sgd", "nesterov"):
        momentum = 0.9 if setup.momentum is None else setup.momentum
        rate *= (1 - momentum) / 0.1
        rate = min(rate, 2 * method.rate) * (0.5 if setup.loss == "squared_error" else 1.0)
        rate /= _steepness(setup)
    elif method.grows:
        rate = min(rate, 4 * method.rate)
    return rate


def _steepness(setup: Setup) -> float:
    """The loss's curvature in the network's output, by its constant model; at most 1/4 is usual.

    A yes or no has p (1 - p); the log-linked ones their Fisher information.
    """
    if setup.loss not in LOG_LINKED:
        return 1.0
    mean, spread = math.exp(setup.constant[0]), math.exp(setup.constant[-1])
    curvature = {"poisson": mean, "gamma": spread, "negative_binomial": mean / (1 + spread * mean)}
    return max(1.0, 4 * curvature[setup.loss])


def _tried(setup: Setup, data: tuple[Any, Any]) -> RangeTest:
    plain = replace(setup, average="none", schedule="constant", warmup=0)
    return range_test(
        setup.network(), setup.terms.function, data, optimizer=plain.descent(),
        batch=setup.batch, order=setup.rows_in_order(data[1]), steps=LEAST_STEPS, seed=setup.seed,
        threads=setup.threads,
    )  # fmt: skip


def read(test: RangeTest, by_rule: float, caution: float = 1.0) -> tuple[float, str] | None:
    """The rate to begin a schedule with, and why; None where the test does not say.

    A test of one table is a noisy measurement, and the rule says what is usual: the rate lies
    halfway between the two, by factors, and well below where the loss rises.
    """
    if test.half is None or test.lowest is None:
        if test.diverged is None:
            return None
        rose = f"auto: {by_rule:.2g} is usual; tried, the loss rose from {test.diverged:.2g}"
        return min(by_rule, max(test.diverged / _FAR, by_rule / _BELIEVED)), rose
    tried = caution * test.half ** (1 - _BETWEEN) * test.lowest**_BETWEEN
    tried = min(max(tried, by_rule / _BELIEVED), by_rule * _BELIEVED)
    safe = max((test.diverged or math.inf) / _SAFE, by_rule / _BELIEVED**2)
    rate = min(math.sqrt(tried * by_rule), safe)
    rises = f", rose from {test.diverged:.2g}" if test.diverged else ""
    return rate, f"auto: {by_rule:.2g} is usual; tried, loss was lowest at {test.lowest:.2g}{rises}"


def _caution(setup: Setup) -> float:
    return METHODS[setup.optimizer].caution


def _with(setup: Setup, rate: float, why: str, found: bool = False) -> Setup:
    return replace(setup, learning_rate=float(f"{rate:.2g}"), rate_rule=why, rate_found=found)
