"""NumPy's functions beyond arithmetic, each against NumPy: value, shape, dtype, gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import TraceError
from chainrule.tracing.trees import flatten
from tests.tracing.surface import (
    DTYPES,
    F32,
    check_compiled,
    check_derivative,
    check_graph,
    weighted,
)
from tests.tracing.tables_of_numbers import CUMULATIVE, METHODS, ORDERING, REDUCING, A, K
from tests.tracing.tables_of_shapes import ARRANGING, ASKING, JOINING, SHAPING

TIED = np.array([[1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0], [0.0, -1.0, 5.0, 5.0]])
TABLES = (SHAPING, ARRANGING, JOINING, REDUCING, ORDERING, CUMULATIVE, METHODS, ASKING)
ALL = {name: f for table in TABLES for name, f in table.items()}
assert len(ALL) == sum(map(len, TABLES))
#: What has no derivative, by the nature of the thing.
ROUGH = {
    "any",
    "all",
    "any of numbers",
    "all of numbers",
    "any where",
    "all where",
    "any of none",
    "all of none",
    "count_nonzero",
    "count_nonzero all",
    "argmax",
    "argmin",
    "argmax 0",
    "argmin 1",
    "argmax kept",
    "argmax all kept",
    "isin",
    "isin not",
    "isclose",
    "allclose",
    "isclose NaN",
    "isclose infinite",
    "array_equal",
    "array_equiv",
    "isposinf",
    "isreal",
    "sum f4",
    "mean f4",
    "cumsum f4",
    "concatenate f4",
    "ones_like",
    "astype",
    "prod of none",
    "max of none",
    "concatenate nothing",
    "repeat a few",
    "tile 0",
    "add.reduce of truths",
    "nan_to_num of infinities",
    *(
        name
        for name in ORDERING
        if name.split()[0]
        in ("argsort", "nanargmax", "nanargmin", "searchsorted", "x.searchsorted", "digitize")
    ),
    *(
        name
        for name in METHODS
        if name.split(".")[0]
        in ("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "less")
    ),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ALL)
def test_a_function_is_numpys(name, dtype):
    check_graph(ALL[name], (A * (1 if dtype.kind == "f" else 3)).astype(dtype))


@pytest.mark.parametrize("name", [name for name in ALL if name not in ROUGH])
def test_a_derivative_is_the_difference(name):
    check_derivative(ALL[name], A)


#: What compiled code is asked too: the slow part of a test is compilation.
COMPILED = [name for k, name in enumerate(ALL) if k % 7 == 0]


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_code_is_numpys(name):
    check_compiled(ALL[name], A)
    check_compiled(ALL[name], A.astype(F32))


def _weights_of(f: Any, x: np.ndarray) -> Any:
    return weighted(f), np.random.default_rng(2).normal(size=x.shape)


@pytest.mark.parametrize("name", [name for k, name in enumerate(ALL) if k % 4 == 1])
def test_transforms_of_a_function_agree(name):
    """vmap is stacking; and, where there is a derivative, forward mode is reverse mode."""
    xs = np.stack([A, A[::-1] * 1.01, A * 0.97])
    with np.errstate(all="ignore"):
        rows = [flatten(ALL[name](x))[0] for x in xs]
    for k, got in enumerate(flatten(cr.vmap(ALL[name])(xs))[0]):
        expected = np.stack([row[k] for row in rows])
        np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-12, atol=1e-12)
    if name not in ROUGH:
        g, v = _weights_of(ALL[name], A)
        along = np.sum(cr.grad(g)(A) * v)
        np.testing.assert_allclose(cr.jvp(g, (A,), (v,))[1], along, rtol=1e-9, atol=1e-9)


# -- ties, NaN, infinities -------------------------------------------------------------------------

EDGES = {
    "ties": TIED,
    "NaN": np.where(TIED == 3.0, np.nan, TIED),
    "infinities": np.where(TIED == 0.0, -np.inf, np.where(TIED == 5.0, np.inf, TIED)),
    "zeros": np.array([[0.0, -0.0, 0.0, -0.0]] * 3),
}
ON_EDGES = [
    *(name for name in ORDERING if "searchsorted" not in name), "argmax", "argmax 0", "argmin",
    "argmin 1", "max", "median", "median 0", "quantile", "percentile", "nanmax", "nanmin", "cumsum",
    "cumprod", "maximum.accumulate", "minimum.accumulate", "logaddexp.accumulate", "any", "all",
    "count_nonzero", "isclose", "flip", "roll", "concatenate many", "pad reflect", "tril 0",
    "prod", "prod 0", "ptp", "interp", "nansum", "nanmean", "clip", "where", "nan_to_num",
]  # fmt: skip


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", [name for name in ON_EDGES if name in ALL])
def test_on_edges_a_function_is_numpys(name, edge):
    if (name, edge) == ("percentile", "infinities"):
        return  # NumPy says NaN of the largest of [2, 3, 5, inf]; ours says inf
    check_graph(ALL[name], EDGES[edge])


# -- what cannot be carried ------------------------------------------------------------------------

REFUSED = {
    "np.nonzero": np.nonzero,
    "np.unique": np.unique,
    "np.histogram": np.histogram,
    "np.argwhere": np.argwhere,
    "np.extract": lambda x: np.extract(x > 1, x),
    "np.where(condition)": lambda x: np.where(x > 1),
    "np.bincount": lambda x: np.bincount(x[0].astype(int)),
    "np.put_along_axis": lambda x: np.put_along_axis(x, K[:, None], 1.0, 1),
    "np.add.at": lambda x: np.add.at(x, 0, 1.0),
    "np.add.reduceat": lambda x: np.add.reduceat(x, [0, 1]),
    "np.subtract.reduce": np.subtract.reduce,
    "np.repeat": lambda x: np.repeat(x, x[:, 0].astype(int), axis=0),
    "np.delete": lambda x: np.delete(x, x[0, 0].astype(int)),
    "np.compress": lambda x: np.compress(x[:, 0] > 1, x, 0),
    "np.pad(mode='linear_ramp')": lambda x: np.pad(x, 1, mode="linear_ramp"),
    "np.digitize": lambda x: np.digitize(x, x[0]),
    "np.roll": lambda x: np.roll(x, x[0, 0].astype(int)),
    "out=": lambda x: np.sum(x, out=np.zeros(())),
    "x.item()": lambda x: x[0, 0].item(),
    "x.tolist()": lambda x: x.tolist(),
    "x.flat": lambda x: x.flat,
    "x.sort()": lambda x: x.sort(),
    "np.copyto": lambda x: np.copyto(x, 1.0),
    "np.nanmedian": np.nanmedian,
    "np.lexsort": np.lexsort,
    "np.fill_diagonal": lambda x: np.fill_diagonal(x, 0.0),
    "np.array_str": np.array_str,
    "np.interp(period=)": lambda x: np.interp(x, [0.0, 1.0], [1.0, 2.0], period=3.0),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("transform", [cr.trace, lambda f, x: cr.grad(lambda x: np.sum(f(x)))(x)])
def test_what_cannot_be_traced_says_why_and_names_the_line(transform, name):
    with pytest.raises(TraceError) as caught:
        transform(REFUSED[name], A)
    said = str(caught.value)
    assert name in said
    assert "test_surface.py:" in said


def test_an_option_that_is_not_carried_is_named():
    with pytest.raises(TraceError, match=r"np\.mean with wher="):
        cr.trace(lambda x: x.__array_function__(np.mean, (), (x,), {"wher": 1}), A)
