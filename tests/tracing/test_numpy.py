"""What NumPy computes a trace computes: values, shapes and dtypes, function by function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.tracing.trace import array_type, trace_types
from tests.compiler.interpret import Bounded, assert_agree, run

RNG = np.random.default_rng(0)
A, B = RNG.uniform(0.3, 2.0, size=(2, 3, 4))
V = RNG.uniform(0.3, 0.9, size=4)
F32, F64, I32, I64, BOOL = (np.dtype(d) for d in ("f4", "f8", "i4", "i8", "?"))

UNARY = {
    # ufuncs
    "negative": lambda x: -x,
    "positive": lambda x: +x,
    "absolute": abs,
    "sign": np.sign,
    "square": np.square,
    "sqrt": np.sqrt,
    "reciprocal": lambda x: np.reciprocal(x * 1.0),
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "invert": lambda x: ~(x > 1),
    "expit": special.expit,
    "erf": special.erf,
    "logit": lambda x: special.logit(x / 4),
    "log_expit": special.log_expit,
    "ndtr": special.ndtr,
    "softplus": lambda x: np.logaddexp(0, x),
    "softplus turned": lambda x: np.logaddexp(x, 0.0),
    # powers
    **{f"power {k}": lambda x, k=k: x**k for k in (1, 2, 3, 4, 0.5, -1, 5, 2.5, -0.5, 0)},
    **{f"power {k} of floats": lambda x, k=k: (x * 1.0) ** k for k in (1, 2, 3, 4, 0.5, -1, -2, 0)},
    "power 2.0": lambda x: x**2.0,
    "base 2": lambda x: 2.0**x,
    "float_power": lambda x: np.float_power(x, 2),
    # reductions
    "sum": np.sum,
    "sum 0": lambda x: np.sum(x, axis=0),
    "sum -1": lambda x: x.sum(axis=-1),
    "sum (0, 1)": lambda x: np.sum(x, axis=(0, 1)),
    "sum ()": lambda x: np.sum(x * 1, axis=()),
    "sum kept": lambda x: np.sum(x, axis=1, keepdims=True),
    "sum f8": lambda x: np.sum(x, dtype=np.float64),
    "sum of booleans": lambda x: np.sum(x > 1),
    "any as a sum": lambda x: np.sum(x > 1, axis=0, dtype=bool),
    "max": np.max,
    "max 0": lambda x: x.max(axis=0),
    "amax": np.amax,
    "max kept": lambda x: np.max(x, axis=0, keepdims=True),
    "min": np.min,
    "min 1": lambda x: x.min(axis=1),
    "max of booleans": lambda x: np.max(x > 1, axis=0),
    "min of booleans": lambda x: np.min(x > 1, axis=0),
    "mean": np.mean,
    "mean 0": lambda x: x.mean(axis=0),
    "mean kept": lambda x: np.mean(x, 1, keepdims=True),
    "var": np.var,
    "var ddof": lambda x: np.var(x, axis=0, ddof=1),
    "std": np.std,
    "std 1": lambda x: x.std(axis=1),
    "norm": lambda x: np.linalg.norm(x * 1.0),
    "norm 1": lambda x: np.linalg.norm(x * 1.0, axis=1),
    "norm kept": lambda x: np.linalg.norm(x * 1.0, axis=0, keepdims=True),
    # places
    "T": lambda x: x.T,
    "transpose": lambda x: x.transpose(1, 0),
    "transpose ()": lambda x: x.transpose((1, 0)),
    "np.transpose": np.transpose,
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "reshape": lambda x: x.reshape(4, 3),
    "reshape -1": lambda x: np.reshape(x, (2, -1)),
    "reshape ()": lambda x: x.reshape((12,)),
    "ravel": np.ravel,
    "flatten": lambda x: x.flatten(),
    "expand_dims": lambda x: np.expand_dims(x, (0, 2)),
    "squeeze": lambda x: np.squeeze(x[None, :, :, None]),
    "squeeze 0": lambda x: np.squeeze(x[None], axis=0),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)),
    "pad 1": lambda x: np.pad(x, 1),
    "pad (1, 2)": lambda x: np.pad(x, (1, 2)),
    "pad ((0, 1), (2, 0))": lambda x: np.pad(x, ((0, 1), (2, 0))),
    "concatenate": lambda x: np.concatenate([x, x + x, x]),
    "concatenate 1": lambda x: np.concatenate([x, x], axis=1),
    "concatenate all": lambda x: np.concatenate([x, x], axis=None),
    "stack": lambda x: np.stack([x, x], axis=1),
    "stack -1": lambda x: np.stack([x, x], axis=-1),
    "copy": np.copy,
    "x.copy": lambda x: x.copy(),
    "zeros_like": lambda x: x + np.zeros_like(x),
    "ones_like": lambda x: x * np.ones_like(x),
    "full_like": lambda x: x + np.full_like(x, 2),
    # indices
    "[1]": lambda x: x[1],
    "[-1]": lambda x: x[-1],
    "[1, 2]": lambda x: x[1, 2],
    "[:, 1]": lambda x: x[:, 1],
    "[1:]": lambda x: x[1:],
    "[:-1, 1:3]": lambda x: x[:-1, 1:3],
    "[..., 0]": lambda x: x[..., 0],
    "[None]": lambda x: x[None],
    "[:, None, 1:]": lambda x: x[:, None, 1:],
    "[5:]": lambda x: x[5:],
    "[2:1]": lambda x: x[2:1],
    "[...]": lambda x: x[...],
    "[()]": lambda x: x[()],
    "rows and columns": lambda x: x[np.arange(3), np.array([0, 3, 1])],
    "columns from the end": lambda x: x[np.arange(3), np.array([-1, -4, 1])],
    "rows and one column": lambda x: x[np.arange(3), 2],
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[1], [0], [3]]), axis=1),
    "iteration": lambda x: [row * 2 for row in x],
    "unpacking": lambda x: (lambda a, b, c: a + c)(*x),
    # choices
    "where": lambda x: np.where(x > 1, x, 0),
    "where of numbers": lambda x: np.where(x > 1, 1.0, 0.0),
    "where of a plain truth": lambda x: np.where(True, x, 0),
    "where of numbers as truths": lambda x: np.where(x, x, 1),
    "clip": lambda x: np.clip(x, 1, 1.5),
    "x.clip": lambda x: x.clip(1, 2),
    "clip below": lambda x: np.clip(x, 1, None),
    "clip by name": lambda x: np.clip(x, a_min=0, a_max=1),
    "logical": lambda x: np.logical_and(x > 1, np.logical_not(np.logical_or(x < 1.2, x > 1.7))),
    "bits": lambda x: (x > 1) & ~(x > 1.5) | (x < 0.5),
    "comparisons": lambda x: [x < 1, x <= 1, x > 1, x >= 1, x == 1, x != 1],
    "astype": lambda x: [x.astype(d) for d in ("f4", "f8", "i4", "i8", "?")],
    # promotion
    "with a number": lambda x: [x + 1, x * 2.5, 3 - x, 1.0 / (x + 1)],
    "with f4": lambda x: x * np.float32(2),
    "with f8": lambda x: x * np.float64(2),
    "with i8": lambda x: x + np.arange(4),
    "with i4": lambda x: x * np.int32(2),
    "with a boolean": lambda x: [x * True, x * (x > 1)],
    "with a list": lambda x: x * [1.0, 2.0, 3.0, 4.0],
    # what the code around brings along
    "a plain array": lambda x: x * A,
    "the same array twice": lambda x: x * A + A,
    "a spread array": lambda x: x * np.broadcast_to(V, (3, 4)),
    "an identity": lambda x: x + np.eye(3, 4),
    "a numbering": lambda x: x + np.arange(4.0),
    "a numbering down": lambda x: x + np.arange(3)[:, None],
    "signed zeros": lambda x: x * np.array([-0.0, 0.0, -0.0, 1.0]),
    "zeros of both signs": lambda x: 1 / (x * np.array([-0.0, 0.0, -0.0, 0.0])),
    "a minus zero first": lambda x: 1 / (x * 0 + np.array([-0.0, 1, 2, 3])),
    # asking
    "shape": lambda x: x.reshape(np.shape(x)[::-1]),
    "len": lambda x: x * len(x),
    "size": lambda x: x * x.size,
    "ndim": lambda x: x * np.ndim(x),
    "np.size": lambda x: x * np.size(x, 1),
    "dtype": lambda x: x * np.ones(4, x.dtype),
}
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": lambda a, b: (a * 1.0) ** b,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "logaddexp": np.logaddexp,
    "xlogy": special.xlogy,
    "xlog1py": special.xlog1py,
    "matmul": lambda a, b: a @ b.T,
    "dot": lambda a, b: np.dot(a.T, b),
    "inner": np.inner,
    "vdot": np.vdot,
    "outer": np.outer,
    "x.dot": lambda a, b: a.dot(b.T),
    "row times matrix": lambda a, b: a[0] @ b.T,
    "matrix times row": lambda a, b: a @ b[0],
    "rows": lambda a, b: a[0] @ b[0],
    "matrix times a plain one": lambda a, b: a @ np.ones((4, 2)),
    "plain times matrix": lambda a, b: np.ones((2, 3)) @ a,
    "list times matrix": lambda a, b: [1.0, 2.0, 3.0] @ a,
    "numbers in a dot": lambda a, b: np.dot(a, 2.0),
    "broadcast": lambda a, b: a[:, None, :] - b[None, :, :],
    "row and column": lambda a, b: a[0] + b[:, :1],
    "concatenate": lambda a, b: np.concatenate([a, b], axis=1),
    "stack": lambda a, b: np.stack([a, b]),
    "concatenate a plain one": lambda a, b: np.concatenate([a, np.ones((1, 4), a.dtype)]),
}
DTYPES = (F64, F32, I64, I32, BOOL)


def _same(f: Any, *xs: np.ndarray) -> None:
    """The trace's result is NumPy's; where NumPy refuses or a trace says that it does, none."""
    try:
        with np.errstate(all="ignore"):
            expected = f(*xs)
    except (TypeError, ValueError):
        expected = None
    results = expected if isinstance(expected, list) else [expected]
    if expected is not None and not all(np.asarray(y).dtype in DTYPES for y in results):
        return  # float16 or int8 of booleans: no dtype of graphs
    try:
        traced = trace_types(lambda tracers: f(*tracers), [array_type(x) for x in xs])
    except ChainruleError:
        if xs[0].dtype.kind == "f":
            raise
        return  # said plainly, which is as good as done
    assert expected is not None, "traced, though NumPy refuses"
    given = [Bounded.exact(x) for x in (*xs, *traced.constants)]
    assert_agree(run(traced.graph, given), [np.asarray(y) for y in results], traced.graph)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_one_array_is_numpys(name, dtype):
    _same(UNARY[name], (A * (1 if dtype.kind == "f" else 3)).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_a_function_of_two_arrays_is_numpys(name, dtype):
    scale = 1 if dtype.kind == "f" else 3
    _same(BINARY[name], (A * scale).astype(dtype), (B * scale).astype(dtype))


@pytest.mark.parametrize("pair", [(F32, F64), (F32, I32), (F32, I64), (F64, BOOL), (I32, I64)])
@pytest.mark.parametrize("name", ["add", "multiply", "divide", "maximum", "matmul", "concatenate"])
def test_two_dtypes_meet_as_in_numpy(name, pair):
    _same(BINARY[name], (A * 2).astype(pair[0]), (B * 2).astype(pair[1]))


# -- derivatives through all of these --------------------------------------------------------------

_ROUGH = {"sign", "isnan", "isfinite", "isinf", "invert", "sum of booleans", "any as a sum",
          "max of booleans", "min of booleans", "logical", "bits", "comparisons", "astype",
          "where of numbers", "power 0", "power 0 of floats",
          "a minus zero first", "zeros of both signs"}  # fmt: skip


def _weighted(f: Any) -> Any:
    """Sum of the floating results, each element with a weight of its own."""

    def g(*xs: Any) -> Any:
        found = f(*xs)
        total: Any = 0.0
        for y in found if isinstance(found, list) else [found]:
            weights = np.cos(np.arange(np.size(y), dtype=float)).reshape(np.shape(y))
            total = total + np.sum(y * weights)
        return total

    return g


@pytest.mark.parametrize("name", [*(n for n in UNARY if n not in _ROUGH), *BINARY])
def test_derivative_agrees_with_a_central_difference(name):
    """Along a random direction of all arguments; each gradient has its argument's type."""
    f = _weighted({**UNARY, **BINARY}[name])
    xs = (A, B) if name in BINARY and name not in UNARY else (A,)
    if name in BINARY:
        f, xs = _weighted(BINARY[name]), (A, B)
    rng = np.random.default_rng(1)
    v = [rng.normal(size=x.shape) for x in xs]
    h = 1e-6  # balances truncation h² with rounding eps / h in f64
    ahead, behind = (f(*(x + s * h * u for x, u in zip(xs, v, strict=True))) for s in (1, -1))
    gradients = cr.grad(f, argnums=tuple(range(len(xs))))(*xs)
    along = sum(np.sum(g * u) for g, u in zip(gradients, v, strict=True))
    np.testing.assert_allclose(along, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-7)
    assert all((g.shape, g.dtype) == (x.shape, x.dtype) for g, x in zip(gradients, xs, strict=True))


# -- what NumPy itself lacks -----------------------------------------------------------------------

OWN = {"logsumexp": cr.logsumexp, "softmax": cr.softmax, "log_softmax": cr.log_softmax}


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("name", OWN)
def test_softmax_and_its_kin_are_scipys(name, axis):
    x = RNG.normal(size=(3, 4)) * 5
    expected = getattr(special, name)(x, axis=axis)
    np.testing.assert_allclose(OWN[name](x, axis=axis), expected, rtol=1e-12)
    np.testing.assert_allclose(
        cr.compile(lambda x: OWN[name](x, axis=axis))(x), expected, rtol=1e-12
    )


@pytest.mark.parametrize("name", OWN)
def test_softmax_and_its_kin_do_not_overflow_and_keep_float32(name):
    x = np.array([[1000.0, 1000.0, -1000.0], [-1000.0, 0.0, 80.0]], np.float32)
    for f in (lambda x: OWN[name](x, axis=1), cr.compile(lambda x: OWN[name](x, axis=1))):
        y = f(x)
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
    gradient = cr.grad(lambda x: np.sum(OWN[name](x, axis=1)[:2]))(x)
    assert np.isfinite(gradient).all()


def test_logsumexp_of_nothing_likely_is_minus_infinity():
    x = np.full((2, 3), -np.inf)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(cr.logsumexp(x, axis=1), [-np.inf, -np.inf])
    np.testing.assert_array_equal(cr.compile(lambda x: cr.logsumexp(x, axis=1))(x), [-np.inf] * 2)


def test_stop_gradient_is_the_value_and_no_derivative():
    assert cr.grad(lambda x: x * cr.stop_gradient(x))(3.0) == 3.0
    assert cr.stop_gradient(3.0) == 3.0
    assert cr.grad(lambda x: cr.stop_gradient(x) * 2.0)(3.0) == 0.0


def test_norm_does_not_overflow():
    x = np.array([3e200, 4e200])
    assert cr.compile(np.linalg.norm)(x) == pytest.approx(5e200, rel=1e-15)
    np.testing.assert_allclose(cr.grad(np.linalg.norm)(x), [0.6, 0.8], rtol=1e-15)


@pytest.mark.parametrize("transform", [cr.compile, lambda f: lambda x: cr.jvp(f, (x,), (x,))[0]])
@pytest.mark.parametrize("x", [[1.0, np.inf], [-np.inf, 2.0], [1.0, 2.0, np.inf], [3.0, 4.5]])
def test_a_median_beside_infinity_is_numpys(transform, x):
    """The mean of the middle two, not the first and half of the way (inf - inf) to the second."""
    with np.errstate(invalid="ignore"):
        assert transform(np.median)(np.array(x)) == np.median(x)
