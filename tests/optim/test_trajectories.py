"""Optimisers walk as the implementations that define them do, step by step, in float64."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from tests.optim.problem import (
    AS_REFERENCE,
    KEPT,
    STEPS,
    TRAJECTORIES,
    falling,
    flat,
    loss,
    network,
)

#: A step from a root of nearly 0 doubles the rounding: Adagrad's first, LAMB's ratio.
CLOSE = 1e-9


def descend(optimizer, steps=STEPS):
    """The parameters after each step, and (parameters, state) at the end."""
    params, x, y = network()
    state, rows = optimizer.init(params), []
    for rate in optimizer.learning_rates(np.arange(STEPS), STEPS)[:steps]:
        grads = cr.grad(loss)(params, x, y)
        params, state = optimizer.update(grads, state, params, rate)
        rows.append(flat(params))
    return np.stack(rows), params, state


@pytest.mark.parametrize(("name", "optimizer"), AS_REFERENCE.items(), ids=AS_REFERENCE)
def test_trajectory_is_that_of_the_definition(name, optimizer):
    """60 steps on a network, of torch.optim or of the authors' own package; see references/."""
    expected = TRAJECTORIES[name]
    rows, params, state = descend(optimizer)
    np.testing.assert_allclose(rows[KEPT], expected[: len(KEPT)], rtol=CLOSE, atol=CLOSE)
    if len(expected) > len(KEPT):
        x = flat(optimizer.evaluation(params, state))
        np.testing.assert_allclose(x, expected[-1], rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize(
    ("name", "options"),
    [("average swa", {"kind": "swa", "start": 20}), ("average ema", {"decay": 0.9})],
)
def test_average_is_that_of_pytorchs_averaged_model(name, options):
    optimizer = optim.average(optim.SGD(falling(0.1)), **options)
    rows, params, state = descend(optimizer)
    np.testing.assert_allclose(rows[KEPT], TRAJECTORIES["SGD"], rtol=CLOSE, atol=CLOSE)
    averaged = flat(optimizer.evaluation(params, state))
    np.testing.assert_allclose(averaged, TRAJECTORIES[name], rtol=CLOSE, atol=CLOSE)
