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
#: factors, the best first rate of a schedule that falls lies; see docs/training.md.
_BETWEEN: Final = 2 / 3
#: No nearer than this to where the loss rises.
_SAFE: Final = 3.0


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
    found = read(_tried(replace(setup, learning_rate=by_rule), data))
    if found is None:
        return _with(setup, by_rule, "auto: by rule, as no rate tried made the loss fall")
    rate, why = found
    rate *= METHODS[setup.optimizer].caution
    return _with(setup, rate, f"auto: {why}", found=True)


def rule(setup: Setup) -> float:
    """A rate that suits most tables.

    It grows with the root of the batch and, for SGD, with ``1 - momentum``, up to twice the
    optimiser's usual one. The squared error has twice the slope of its half; a count's likelihood
    is as steep as its mean is large.
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
    """How many times steeper than usual the loss is, by its constant model."""
    if setup.loss not in LOG_LINKED:
        return 1.0
    if setup.loss == "poisson":
        return max(1.0, math.exp(setup.constant[0]))
    return max(1.0, math.exp(abs(setup.constant[1])))


def _tried(setup: Setup, data: tuple[Any, Any]) -> RangeTest:
    plain = replace(setup, average="none", schedule="constant", warmup=0)
    return range_test(
        setup.network(), setup.terms.function, data, optimizer=plain.descent(),
        batch=setup.batch, order=setup.rows_in_order(data[1]), steps=LEAST_STEPS, seed=setup.seed,
        threads=setup.threads,
    )  # fmt: skip


def read(test: RangeTest) -> tuple[float, str] | None:
    """The rate to begin a schedule with, and why; None where the test does not say."""
    if test.half is None or test.lowest is None:
        return None
    rate = test.half ** (1 - _BETWEEN) * test.lowest**_BETWEEN
    rises = f", rising from {test.diverged:.2g}" if test.diverged else ""
    why = f"tried, loss lowest at {test.lowest:.2g}{rises}"
    return min(rate, (test.diverged or math.inf) / _SAFE), why


def _with(setup: Setup, rate: float, why: str, found: bool = False) -> Setup:
    return replace(setup, learning_rate=float(f"{rate:.2g}"), rate_rule=why, rate_found=found)
