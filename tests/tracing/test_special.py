"""Ufuncs of NumPy and SciPy beyond arithmetic: values, dtypes and gradients as they should be."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.errors import GradientError, TraceError
from chainrule.tracing.special import polygamma

X = np.array([0.3, 0.55, 0.8, 0.95])
WIDE = np.array([-2.75, -1.5, -0.5, -0.0, 0.0, 0.25, 0.5, 1.5, 2.5, 7.25])
WHOLE = np.array([-7, -3, -1, 0, 1, 2, 5, 12])

UNARY: dict[str, Any] = {
    # accurate near their zeros, on (0, 1)
    **{name: getattr(np, name) for name in (
        "arccos", "arcsin", "arctan", "arctanh", "arcsinh", "sinh", "cosh", "tan", "exp2", "log2",
        "log10", "cbrt", "sinc", "deg2rad", "rad2deg", "degrees", "radians", "fabs", "reciprocal",
        "square",
    )},
    "arccosh": lambda x: np.arccosh(x + 1),
    **{name: getattr(special, name) for name in (
        "expit", "logit", "log_expit", "erf", "erfc", "erfcx", "erfinv", "erfcinv", "ndtr", "ndtri",
        "log_ndtr", "gammaln", "loggamma", "gamma", "digamma", "psi", "entr", "log1p", "expm1",
        "exp2", "exp10", "cbrt", "cosm1",
    )},
    "trigamma": lambda x: polygamma(1, x),
}  # fmt: skip
BINARY: dict[str, Any] = {
    **{name: getattr(np, name) for name in (
        "arctan2", "hypot", "copysign", "fmax", "fmin", "remainder", "fmod", "logaddexp2",
    )},
    **{name: getattr(special, name) for name in (
        "betaln", "xlogy", "xlog1py", "rel_entr", "kl_div", "huber", "pseudo_huber",
    )},
}  # fmt: skip
STEPS: dict[str, Any] = {
    **{name: getattr(np, name) for name in ("floor", "ceil", "trunc", "rint", "round", "fix")},
    "round 1": lambda x: np.round(x, 1),
    "round -1": lambda x: np.round(x * 10, -1),
    "floor_divide": lambda x: x // 0.75,
    "nextafter": lambda x: np.nextafter(x, np.float32(2)),
    "divmod": lambda x: divmod(x, 0.75),
    "modf": np.modf,
    "heaviside": lambda x: np.heaviside(x, 0.5),
    "signbit": lambda x: np.where(np.signbit(x), x.dtype.type(1), x.dtype.type(2)),
    "isnan": lambda x: np.isnan(np.log(np.abs(x)) * 0),
    "isinf": lambda x: np.isinf(np.log(np.abs(x))),
    "isfinite": lambda x: np.isfinite(np.log(np.abs(x))),
}


def assert_like(got: Any, expected: Any, tolerance: float) -> None:
    got, expected = (x if isinstance(x, tuple) else (x,) for x in (got, expected))
    for a, b in zip(got, expected, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_one_number_is_numpys_and_scipys(name, dtype):
    f, x = UNARY[name], X.astype(dtype)
    assert_like(cr.compile(f)(x), f(x), 32 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", BINARY)
def test_a_function_of_two_numbers_is_numpys_and_scipys(name, dtype):
    f, a, b = BINARY[name], X.astype(dtype), X[::-1].astype(dtype)
    assert_like(cr.compile(f)(a, b), f(a, b), 32 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", STEPS)
def test_rounding_and_signs_are_numpys_to_the_bit(name, dtype):
    f, x = STEPS[name], WIDE.astype(dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = f(x)
        assert_like(cr.compile(f)(x), expected, 0)


def _difference(f: Any, x: Any, h: float = 1e-6) -> Any:
    return (f(x + h) - f(x - h)) / (2 * h)


@pytest.mark.parametrize("name", UNARY)
def test_two_derivatives_of_one_number_are_the_differences(name):
    f, w = UNARY[name], np.arange(1.0, 5.0)
    slope = cr.grad(lambda x: np.sum(w * f(x)))
    np.testing.assert_allclose(slope(X), w * _difference(f, X), rtol=1e-7)
    curve = cr.grad(lambda x: np.sum(slope(x) + 0 * x))
    np.testing.assert_allclose(curve(X), _difference(slope, X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", BINARY)
def test_derivatives_of_two_numbers_are_the_differences(name):
    f, a, b = BINARY[name], X, X[::-1] + 0.01
    both = cr.grad(lambda a, b: np.sum(f(a, b)), argnums=(0, 1))
    if name == "copysign":
        both = lambda a, b: (cr.grad(lambda a: np.sum(f(a, b)))(a), 0 * b)  # noqa: E731
    da, db = both(a, b)
    np.testing.assert_allclose(da, _difference(lambda x: f(x, b), a), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(db, _difference(lambda x: f(a, x), b), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "rint", "round", "floor_divide",
                                  "nextafter", "heaviside", "signbit"])  # fmt: skip
def test_what_has_no_derivative_says_so(name):
    with pytest.raises(GradientError, match="no gradient flows through"):
        cr.grad(lambda x: np.sum(STEPS[name](x)))(X)


# -- integers and booleans -------------------------------------------------------------------------

INTEGERS: dict[str, Any] = {
    **{name: getattr(np, name) for name in (
        "floor_divide", "remainder", "fmod", "bitwise_and", "bitwise_or", "bitwise_xor", "fmax",
        "left_shift", "right_shift", "logical_xor", "divmod",
    )},
    "power": lambda a, b: a ** np.absolute(b),
    "operators": lambda a, b: (a // b, a % b, a & b, a | b, a ^ b, ~a, a << b, a >> b),
    "powers": lambda a, b: (a**0, a**1, a**5, a**13, 3 ** np.absolute(b)),
    "of floats": lambda a, b: (np.rint(a), np.arctan2(a, b), np.hypot(a, b), np.exp2(b)),
    "as they are": lambda a, b: (np.floor(a), np.trunc(a), np.round(a), np.round(a, 2), np.fix(a)),
    "isnan": lambda a, b: (np.isnan(a), np.isfinite(a), np.signbit(a)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("name", INTEGERS)
def test_a_function_of_integers_is_numpys(name, dtype):
    """Division by zero gives 0, as NumPy's; shifts by more bits than there are give 0 or -1."""
    f, (a, b) = INTEGERS[name], (x.ravel() for x in np.meshgrid(WHOLE, WHOLE))
    a, b = a.astype(dtype), b.astype(dtype)
    with np.errstate(divide="ignore"):
        expected = f(a, b)
    got = cr.compile(f)(a, b)
    assert_like(got, expected, 1e-14)


def test_bits_of_booleans_are_logic():
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    f = lambda a, b: (a & b, a | b, a ^ b, ~a, np.logical_xor(a, b), a == b)  # noqa: E731
    for got, expected in zip(cr.compile(f)(a, b), f(a, b), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_negative_power_of_integers_is_refused_as_in_numpy():
    with pytest.raises(TraceError, match=r"negative integer powers at test_special\.py"):
        cr.compile(lambda x: x**-2)(WHOLE)


# -- what is easily lost ---------------------------------------------------------------------------


def both_ways(f: Any, x: Any) -> list[float]:
    """The gradient, eagerly and compiled, with every warning an error."""
    gradient = cr.grad(f)
    return [float(gradient(x)), float(cr.compile(gradient)(x))]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.tanh, 12.0, 4 * math.exp(-24) / (1 + math.exp(-24)) ** 2),
        (special.log_ndtr, -40.0, 40.0249688472072),
        (special.log_ndtr, -1e4, 10000.00009999999800),
        (special.log_expit, -90.0, 1.0),
        (special.logit, 1e-30, 1e30),
        (special.logit, 0.5, 4.0),
        (special.gammaln, 1e-30, -1e30),
        (special.gammaln, 1.0, -np.euler_gamma),
        (special.erfcx, 1e4, -5.6418957508491266e-09),
        (np.arctan, 1e30, 0.0),
        (np.arcsinh, 1e30, 1e-30),
        (np.absolute, 0.0, 0.0),
        (np.sinc, 0.0, 0.0),
        (lambda x: special.xlogy(x, 2.0), 0.0, math.log(2)),
        (lambda x: special.xlogy(0.0, x), 0.0, 0.0),
        (lambda x: special.xlog1py(0.0, x), -1.0, 0.0),
        (lambda x: np.hypot(x, 0.0), 0.0, 0.0),
        (lambda x: np.hypot(x, 4e30), 3e30, 0.6),
        (lambda x: np.arctan2(x, 1e-30), 0.0, 1e30),
        (lambda x: np.fmax(x, np.nan), 1.0, 1.0),
        (lambda x: special.huber(1.0, x), 3.0, 1.0),
    ],
)
def test_a_gradient_is_right_where_others_lose_it(f, x, expected, dtype):
    for got in both_ways(f, dtype(x)):
        assert got == pytest.approx(expected, rel=64 * float(np.finfo(dtype).eps), abs=1e-35)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_curvature_of_log_ndtr_goes_to_minus_one_far_in_the_tail(dtype):
    curve = cr.grad(cr.grad(special.log_ndtr))
    x = dtype(-1e6)
    for got in (curve(x), cr.compile(curve)(x)):
        assert float(got) == pytest.approx(-1.0, rel=1e-6)


def test_every_derivative_of_gammaln_exists():
    f, x = special.gammaln, 1.7
    for order in range(1, 6):
        f = cr.grad(f)
        expected = float(mpmath.psi(order - 1, x))
        assert float(f(x)) == pytest.approx(expected, rel=1e-13)
        assert float(cr.compile(f)(x)) == pytest.approx(expected, rel=1e-13)


def test_derivatives_of_sinc_at_0_are_those_of_its_series():
    f = np.sinc
    for expected in (0.0, -(math.pi**2) / 3, 0.0, math.pi**4 / 5):
        f = cr.grad(f)
        assert float(f(0.0)) == pytest.approx(expected, abs=1e-12)


def test_the_whole_of_infinities_and_nan_passes_without_a_warning():
    """A NaN that comes in goes out; that is no reason to warn."""
    x = np.array([np.nan, np.inf, 1.0])
    for f in (special.ndtr, special.log_ndtr, special.gammaln, special.softplus, np.arctan):
        value, slope = cr.value_and_grad(lambda x, f=f: np.sum(f(x)))(x)
        assert np.isnan(value)
        assert np.isnan(slope[0])


def test_polygamma_needs_a_plain_order():
    with pytest.raises(TraceError, match="polygamma of order -1"):
        polygamma(-1, X)
    assert polygamma(0, X) == pytest.approx(special.digamma(X))
