"""Native functions of one real number beyond those of networks, against ``references``."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from chainrule.compiler.native.emit import Kind
from chainrule.ops import PRIMITIVES
from tests.compiler.native.functions import DTYPES, STEP, Array, assert_within, native
from tests.compiler.native.references import REFERENCES

INF, NAN = np.inf, np.nan
by_name = pytest.mark.parametrize("name", REFERENCES)
by_kind = pytest.mark.parametrize("kind", DTYPES)


def edges() -> Array:
    """Powers of two, and where methods change, with their neighbours."""
    points = np.concatenate(
        [
            np.exp2(np.arange(-149, 128)),
            [0, INF, NAN, 0.25, 0.75, 0.425, 0.7, 0.85, 1.75, 8, 7.5, 26.5, 38.5, 88.7, 89.4, 172],
            np.arange(1, 300),
            np.arange(1, 1000) * (np.pi / 2),
            np.sqrt(2) + np.array([-1, 1]),
        ]
    ).astype(np.float32)
    near = np.concatenate([points.view(np.int32) + k for k in range(-3, 4)]).view(np.float32)
    return np.concatenate([near, -near])


@by_name
def test_f32_agrees_with_f64_over_the_whole_range(name: str) -> None:
    """Every 16024th of all floats by default, and the hard ones."""
    reference = REFERENCES[name]
    bits = np.arange(STEP // 2, 1 << 32, 8 * STEP, np.uint32)
    for x in (edges(), *np.array_split(bits.view(np.float32), 1 + bits.size // (1 << 22))):
        with np.errstate(all="ignore"):
            expected = reference.in_double(x.astype(np.float64)).astype(np.float32)
            got = native(name, "f32")(x)
            away = reference.away(x) | np.isnan(x)
        assert_within(reference.f32, got[away], expected[away], x[away])
        wrong = (np.signbit(got) != np.signbit(expected)) & ~np.isnan(got) & away
        assert not wrong[expected != 0].any(), x[wrong][:5]


@by_name
def test_f64_agrees_with_mpmath(name: str) -> None:
    reference = REFERENCES[name]
    x = np.concatenate(reference.draw(np.random.default_rng(sum(name.encode())), 150))
    with mpmath.workprec(220):
        exact = [float(reference.exact(mpmath.mpf(float(v)))) for v in x]
    assert_within(reference.f64, native(name, "f64")(x), np.array(exact), x)


AT = (0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 2.0)


@by_kind
@by_name
def test_ends_are_numpys(name: str, kind: Kind) -> None:
    """Zeros with their signs, infinities, NaN, poles and zeros of the function itself."""
    x = np.array(AT, DTYPES[kind])
    with np.errstate(all="ignore"):
        expected = np.asarray(PRIMITIVES[name].evaluate(x), x.dtype)
    got = native(name, kind)(x)
    np.testing.assert_allclose(got, expected, rtol=4 * np.finfo(x.dtype).eps)
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(expected[zero]))


@by_kind
def test_powers_and_logarithms_are_exact_where_the_result_is(kind: Kind) -> None:
    dtype = DTYPES[kind]
    whole = np.arange(-149 if kind == "f32" else -1074, 128 if kind == "f32" else 1024)
    powers = np.ldexp(dtype(1), whole)
    np.testing.assert_array_equal(native("exp2", kind)(whole.astype(dtype)), powers)
    np.testing.assert_array_equal(native("log2", kind)(powers), whole)
    tens = np.arange(11 if kind == "f32" else 23)
    exact = np.array([10.0**k for k in tens], dtype)
    np.testing.assert_array_equal(native("log10", kind)(exact), tens)
    cubes = np.arange(-100, 101).astype(dtype)
    np.testing.assert_array_equal(native("cbrt", kind)(cubes**3), cubes)


@by_kind
def test_tails_of_the_normal_distribution_are_far_from_underflow(kind: Kind) -> None:
    """log Phi(-40) is -804.6 and its derivative 40.02, where Phi(-40) itself is 0."""
    x = np.array([-40.0, -1e4], DTYPES[kind])
    with mpmath.workdps(30):
        slope = [float(1 / (mpmath.sqrt(2 * mpmath.pi) * mpmath.ncdf(v) / mpmath.exp(-v * v / 2)))
                 for v in map(float, x)]  # fmt: skip
    eps = np.finfo(x.dtype).eps
    log_phi = native("log_ndtr", kind)(x)
    np.testing.assert_allclose(log_phi, [-804.608442013754, -50000010.129278915], rtol=4 * eps)
    np.testing.assert_allclose(native("normal_hazard", kind)(x), slope, rtol=4 * eps)
    excess = native("normal_hazard_excess", kind)(x)
    np.testing.assert_allclose(excess, [0.02496887, 9.9999998e-05], rtol=1e-6)


def test_zeros_of_gammaln_and_digamma_are_approached_with_relative_accuracy() -> None:
    """At 1 and 2 log Gamma is the distance times a digamma; digamma's zero is between floats."""
    step = 1e-9
    x = np.array([1 + step, 1 - step, 2 + step, 2 - step])
    with mpmath.workdps(40):
        exact = [float(mpmath.loggamma(mpmath.mpf(float(v)))) for v in x]
        zero = np.float64(1.4616321449683623)
        slope = float(mpmath.digamma(mpmath.mpf(float(zero))))
    np.testing.assert_allclose(native("gammaln", "f64")(x), exact, rtol=1e-15)
    np.testing.assert_allclose(native("digamma", "f64")(np.array([zero])), slope, rtol=1e-15)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7])
def test_polygamma_agrees_with_mpmath(order: int) -> None:
    """Within 2 (n + 1) floats, at least 8, in f64; 1 in f32; below 0 by reflection."""
    rng = np.random.default_rng(order)
    x = np.concatenate([10.0 ** rng.uniform(-12, 12, 60), rng.uniform(0, 12, 60),
                        rng.uniform(-6, 0, 30)])  # fmt: skip
    f64, f32 = (native("polygamma", kind, order=order) for kind in ("f64", "f32"))
    narrow = x.astype(np.float32)
    for f, points, limit in ((f64, x, max(8, 2 * order + 2)), (f32, narrow, 1)):
        with mpmath.workdps(60), np.errstate(over="ignore"):
            exact = [float(mpmath.polygamma(order, mpmath.mpf(float(v)))) for v in points]
            expected = np.array(exact).astype(points.dtype)
        with np.errstate(over="ignore"):
            assert_within(limit, f(points), expected, points)


def test_polygamma_at_its_ends() -> None:
    x = np.array([0.0, -0.0, INF, -1.0, -1e300, NAN])
    for order in (1, 2):
        sign = 1 if order % 2 else -1
        expected = [sign * INF, sign * INF, 0.0, sign * INF, sign * INF, NAN]
        np.testing.assert_array_equal(native("polygamma", "f64", order=order)(x), expected)
        np.testing.assert_array_equal(PRIMITIVES["polygamma"].evaluate(x, order=order), expected)


@by_kind
def test_betaln_does_not_cancel(kind: Kind) -> None:
    """Relative to the larger of log B and a term of some units; SciPy's own is 4e-10 off here."""
    rng = np.random.default_rng(0)
    a, b = 10.0 ** rng.uniform(-4, 6, (2, 300)).astype(DTYPES[kind])
    with mpmath.workdps(60):
        pairs = [(mpmath.mpf(float(x)), mpmath.mpf(float(y))) for x, y in zip(a, b, strict=True)]
        log = mpmath.loggamma
        exact = np.array([float(log(x) + log(y) - log(x + y)) for x, y in pairs])
    reference = PRIMITIVES["betaln"].evaluate
    for f, points in ((native("betaln", kind), (a, b)), (reference, (a, b))):
        off = np.abs(f(*points) - exact) / np.maximum(np.abs(exact), 4)
        assert off.max() < 8 * np.finfo(a.dtype).eps, (a[off.argmax()], b[off.argmax()])
