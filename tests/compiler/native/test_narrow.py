"""Products of few columns, whose lanes run along the contracted axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.native.target import host
from chainrule.compiler.pipeline import compile_graph, plain_roles
from chainrule.ir.types import BATCH
from chainrule.tracing.batch import trace_batch
from chainrule.tracing.trace import array_type, trace_types
from tests.compiler.guarded import run_plain
from tests.compiler.steps import assert_same_bits

RNG = np.random.default_rng(0)
#: (rows, contracted, columns): short, whole and long rows, written out and looped over.
SHAPES = [(1, 8, 2), (16, 16, 2), (37, 21, 3), (70, 200, 4), (5, 64, 2)]


def _losses(x: Any, w: Any, b: Any) -> Any:
    z = np.maximum(x, 0.0) @ w.T + b
    return cr.log_softmax(z, axis=1), cr.logsumexp(z, axis=1)


def _inputs(shape: tuple[int, int, int], dtype: str) -> list[np.ndarray]:
    m, k, n = shape
    return [RNG.standard_normal(s).astype(dtype) for s in ((m, k), (n, k), (n,))]


def _compiled(f: Any, inputs: list[np.ndarray], width: int, batch: bool) -> Executable:
    types = [array_type(x) for x in inputs]
    if batch:
        types[0] = types[0].with_shape((BATCH, *types[0].shape[1:]))
    trace = trace_batch if batch else trace_types
    graph = trace(lambda given: f(*given), types).graph
    return compile_graph(graph, plain_roles(graph), host(width))


@pytest.mark.parametrize("width", [512, 256, 128])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("batch", [False, True])
def test_a_narrow_product_is_numpys_and_the_same_bits_for_any_number_of_threads(
    shape, dtype, width, batch
):
    """What stands behind the rows, and behind the ends of rows, is NaN in no result."""
    inputs = _inputs(shape, dtype)
    program = _compiled(_losses, inputs, width, batch)
    assert "rows of dot" in str(program.plan) or (shape[0] == 1 and not batch)  # then no product
    found = run_plain(program, inputs, batch=shape[0])
    tolerance = 2e-5 if dtype == "f4" else 1e-12
    for x, y in zip(found, _losses(*inputs), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)
    for threads in (2, 3, 8):
        again = run_plain(program, inputs, batch=shape[0], threads=threads)
        assert_same_bits(found, again, shape)


def test_the_rows_of_the_callers_array_are_read_where_they_are():
    """A row past the end is none that is read: it is not there."""
    inputs = _inputs((21, 12, 2), "f4")
    program = _compiled(lambda x, w, b: x @ w.T + b, inputs, 512, False)
    assert "rows of dot" in str(program.plan)
    (found,) = run_plain(program, inputs)
    np.testing.assert_allclose(found, inputs[0] @ inputs[1].T + inputs[2], rtol=1e-5, atol=1e-5)


def test_a_wide_product_and_one_that_lies_the_other_way_are_tiles():
    """Lanes along what is contracted need both operands to lie along it."""
    wide = _inputs((16, 16, 8), "f4")
    assert "rows of dot" not in str(_compiled(_losses, wide, 512, False).plan)
    turned = [x.T.copy() if k == 1 else x for k, x in enumerate(_inputs((16, 16, 2), "f4"))]
    program = _compiled(lambda x, w, b: x @ w + b, turned, 512, False)
    assert "rows of dot" not in str(program.plan)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("part", [np.s_[:, 0], np.s_[:, 1], np.s_[:, ::-1], np.s_[:, 1:]])
def test_columns_may_be_read_one_by_one(part: Any, batch: bool) -> None:
    """As a loss with a mean and a spread of each example does."""

    def f(x: Any, w: Any, b: Any) -> Any:
        z = np.exp(x @ w.T + b)
        return [z[part] * 2.0]

    inputs = _inputs((37, 16, 3), "f8")
    program = _compiled(f, inputs, 512, batch)
    assert "rows of dot" in str(program.plan)
    (found,) = run_plain(program, inputs, batch=37)
    np.testing.assert_allclose(found, f(*inputs)[0], rtol=1e-12)
