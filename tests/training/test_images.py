"""Examples that are no rows of a table: images, volumes, sequences."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr


@pytest.mark.parametrize("shape", [(36,), (6, 6), (1, 6, 6), (2, 3, 5), (3, 16), (2, 2, 2, 3)])
def test_examples_of_any_rank_are_gathered_whole(shape):
    """The loss of each step is that of the same numbers laid flat, bit for bit or nearly."""
    x = np.random.default_rng(0).normal(size=(64, *shape))

    def loss(p, x):
        return np.mean((x.reshape(len(x), -1) - p["v"].reshape(-1)) ** 2)

    settings = {"optimizer": cr.optim.SGD(0.5), "batch": 16, "epochs": 2, "seed": 0}
    images = cr.train({"v": np.zeros(shape)}, loss, (x,), **settings)
    rows = cr.train({"v": np.zeros(x[0].size)}, loss, (x.reshape(64, -1),), **settings)
    np.testing.assert_allclose(images.model["v"].ravel(), rows.model["v"], rtol=1e-12)
