"""SciPy's functions that are no ufuncs: an error names ours; under SCIPY_ARRAY_API=1 they work."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.errors import TraceError

PROGRAM = """
import numpy as np
from scipy import special
import chainrule as cr

x = np.random.default_rng(0).normal(size=(3, 4)) * 2
w = np.random.default_rng(1).normal(size=(3, 4))
kept = np.cos(x) > 0
PROGRAMS = {
    "logsumexp": lambda x: special.logsumexp(x, axis=1),
    "logsumexp of all": special.logsumexp,
    "logsumexp kept": lambda x: special.logsumexp(x, axis=0, keepdims=True),
    "logsumexp weighted": lambda x: special.logsumexp(x, axis=0, b=x * 0 + 2.0),
    "logsumexp of a part": lambda x: special.logsumexp(np.where(kept, x, -np.inf)),
    "softmax": lambda x: special.softmax(x, axis=1),
    "log_softmax": lambda x: special.log_softmax(x, axis=0),
    "of results": lambda x: special.log_softmax(np.tanh(x) * 2, axis=1) * special.softmax(x * x),
    "expit": special.expit, "erf": special.erf, "xlogy": lambda x: special.xlogy(x * x, x * x),
    "gammaln": lambda x: special.gammaln(x * x + 1), "ndtr": special.ndtr,
}
for name, f in PROGRAMS.items():
    def total(x):
        y = f(x)
        return np.sum(y * w[:1, :1] * (1 + np.arange(y.size).reshape(y.shape)))
    value, g = cr.value_and_grad(total)(x)
    np.testing.assert_allclose(value, total(x), rtol=1e-12, err_msg=name)
    v, h = np.cos(x), 1e-6
    slope = (total(x + h * v) - total(x - h * v)) / (2 * h)
    np.testing.assert_allclose(np.sum(g * v), slope, rtol=1e-6, atol=1e-8, err_msg=name)
    traced = cr.trace(f, x).outputs[0].type
    assert traced.shape == np.shape(f(x)), name
    np.testing.assert_allclose(cr.compile(f)(x), f(x), rtol=1e-12, err_msg=name)
    hessian = cr.grad(lambda x: np.sum(cr.grad(total)(x) * v))(x)
    assert np.isfinite(hessian).all(), name
print("all", len(PROGRAMS))
"""


def test_scipys_functions_work_under_its_array_api():
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("all 13"), done.stderr


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("transform", [cr.compile, cr.grad])
def test_without_it_the_error_names_ours(transform, name):
    if os.environ.get("SCIPY_ARRAY_API", "0") != "0":
        pytest.skip("they work under SCIPY_ARRAY_API=1")
    with pytest.raises(TraceError, match=rf"cr\.{name}"):
        transform(lambda x: np.sum(getattr(special, name)(x)))(np.ones(3))


def test_the_namespace_is_numpys_with_what_protocols_cannot_carry():
    def f(x):
        xp = x.__array_namespace__(api_version="2024.12")
        y = xp.asarray([x[0], 2.0])
        y = xp.sort(xp.concat([y, xp.asarray(x, copy=True)]), descending=True)
        places = xp.argsort(x, descending=True)
        return xp.sum(xp.take(np.arange(3.0), places, axis=0) * x) + xp.mean(y)

    x = np.array([3.0, 1.0, 2.0])
    expected = np.array([0.0 * 3 + 2 * 1 + 1 * 2]) + np.mean([3.0, 2, 3, 1, 2])
    np.testing.assert_allclose(cr.value_and_grad(f)(x)[0], expected[0])
    np.testing.assert_allclose(cr.grad(f)(x), [0.4, 2.2, 1.2])
