"""The native elementary functions against references of higher precision.

Errors are counted in floats between a result and the correctly rounded one. f32 is swept with
references in f64: every 2003rd of all 2**32 numbers, or with ``CHAINRULE_F32_STEP=1`` every one
(some minutes a function). f64 is sampled against mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special

from chainrule.compiler.native.elementary import BINARY, FUNCTIONS
from chainrule.compiler.native.emit import Kind
from tests.compiler.native.functions import DTYPES, STEP, Array, Native, assert_within, native
from tests.compiler.native.references import REFERENCES as OTHERS

# -- references --------------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    t = np.exp(-np.abs(x))
    return np.where(x < 0, t, 1) / (1 + t)


def softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def gelu(x: Array) -> Array:
    return np.where(x == -np.inf, -0.0, x * special.erfc(-x / np.sqrt(2)) / 2)


IN_DOUBLE: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": special.erf,
    "gelu": gelu,
    "sin": np.sin,
    "cos": np.cos,
}


def real_log(x: Any) -> Any:
    """mpmath's own is complex below 0."""
    return mpmath.log(x) if x > 0 else mpmath.mpf("-inf" if x == 0 else "nan")


# With 200 bits these are exact for any double, as far as a double can tell.
EXACT: dict[str, Callable[[Any], Any]] = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": real_log,
    "log1p": lambda x: mpmath.log1p(x) if x > -1 else real_log(1 + x),
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "erf": mpmath.erf,
    "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
}

# Floats from the correctly rounded result; in f64 what `gelu` promises is more.
LIMIT = dict.fromkeys(IN_DOUBLE, 2)
LIMIT_F64 = {**LIMIT, "gelu": 5}


def exact(name: str, x: Array) -> Array:
    with mpmath.workprec(200):
        return np.array([float(EXACT[name](mpmath.mpf(float(v)))) for v in x])


def test_every_function_has_its_references_and_its_limit() -> None:
    assert set(FUNCTIONS) == {*IN_DOUBLE, *OTHERS}
    assert set(IN_DOUBLE) == set(EXACT) == set(LIMIT) == set(ENDS)


# -- f32 -----------------------------------------------------------------------------------------


def edges() -> Array:
    """Where methods change, with their neighbours: powers of two, ends of range, switches."""
    points = np.concatenate(
        [
            np.exp2(np.arange(-149, 128)),
            [
                0,
                np.inf,
                np.nan,
                0.55,
                0.6,
                0.9,
                3.93,
                9.05,
                14.4,
                17.33,
                88.7228,
                88.9,
                103.97,
                104.5,
            ],
            np.arange(1, 300) * (np.log(2) / 2),
            np.arange(1, 4000) * (np.pi / 2),
        ]
    ).astype(np.float32)
    near = np.concatenate([points.view(np.int32) + k for k in range(-3, 4)]).view(np.float32)
    return np.concatenate([near, -near])


@pytest.mark.parametrize("name", IN_DOUBLE)
def test_f32_agrees_with_f64_over_the_whole_range(name: str) -> None:
    """Within 2 floats of the correctly rounded value; the sign of zero is kept."""
    chunk = STEP * (1 << 20)
    starts = range(STEP // 2, 1 << 32, chunk)
    sweep = (np.arange(a, min(a + chunk, 1 << 32), STEP, np.uint32) for a in starts)
    for x in (edges(), *(bits.view(np.float32) for bits in sweep)):
        got = native(name, "f32")(x)
        with np.errstate(all="ignore"):
            expected = IN_DOUBLE[name](x.astype(np.float64)).astype(np.float32)
            assert_within(LIMIT[name], got, expected, x)
        wrong = (np.signbit(got) != np.signbit(expected)) & ~np.isnan(got)
        assert not wrong.any(), x[wrong][:5]


# -- f64 -----------------------------------------------------------------------------------------


def doubles(name: str, count: int = 500) -> Array:
    """Numbers of all exponents, of moderate size, near 0, subnormal, and where it is hard."""
    rng = np.random.default_rng(sum(name.encode()))
    hard = {
        "log": 1 + rng.uniform(-1, 1, count) * 10.0 ** rng.uniform(-15, 0, count),
        "log1p": np.concatenate([rng.uniform(-1, -0.9, 99), rng.uniform(-0.5, 0.5, 400)]),
        "expm1": rng.uniform(0.3, 0.5, count),  # 2 e**r - 1 cancels most
        "exp": rng.uniform(-746, -708, count),  # subnormal results
        "sigmoid": rng.uniform(-746, -708, count),
        "softplus": rng.uniform(-746, -708, count),
        "tanh": rng.uniform(0.5, 0.7, count),
        "erf": rng.uniform(0.8, 1.2, count),
        "gelu": rng.uniform(-38.6, -5, count),
    }.get(name, near_multiples_of_half_pi(rng, count))
    spread = rng.integers(0, 1 << 64, count, np.uint64).view(np.float64)
    return np.concatenate(
        [
            spread if name != "gelu" else spread[np.abs(spread) < 1e6],
            rng.uniform(-40, 40, count),
            rng.uniform(-1, 1, count) * 10.0 ** rng.uniform(-20, 0, count),
            rng.uniform(-4e-308, 4e-308, 50),
            hard,
        ]
    )


def near_multiples_of_half_pi(rng: np.random.Generator, count: int) -> Array:
    """And the double that comes closest to one of them (Muller, Elementary Functions)."""
    few = rng.integers(1, 1 << 20, count // 2) * (np.pi / 2)
    many = rng.integers(1, 1 << 40, count // 2) * (np.pi / 2)
    return np.concatenate([few, many, [6381956970095103 * 2.0**797, 2.0**1023]])


@pytest.mark.parametrize("name", IN_DOUBLE)
def test_f64_agrees_with_mpmath(name: str) -> None:
    x = doubles(name)
    x = x[np.isfinite(x)]
    assert_within(LIMIT_F64[name], native(name, "f64")(x), exact(name, x), x)


# -- both ----------------------------------------------------------------------------------------

INF, NAN = np.inf, np.nan
AT = (0.0, -0.0, INF, -INF, NAN)
ENDS: dict[str, tuple[float, ...]] = {
    "exp": (1, 1, INF, 0, NAN),
    "expm1": (0.0, -0.0, INF, -1, NAN),
    "log": (-INF, -INF, INF, NAN, NAN),
    "log1p": (0.0, -0.0, INF, NAN, NAN),
    "tanh": (0.0, -0.0, 1, -1, NAN),
    "sigmoid": (0.5, 0.5, 1, 0, NAN),
    "softplus": (np.log(2), np.log(2), INF, 0, NAN),
    "erf": (0.0, -0.0, 1, -1, NAN),
    "gelu": (0.0, -0.0, INF, -0.0, NAN),
    "sin": (0.0, -0.0, NAN, NAN, NAN),
    "cos": (1, 1, NAN, NAN, NAN),
}


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", IN_DOUBLE)
def test_zeros_infinities_and_nan(name: str, kind: Kind) -> None:
    got = native(name, kind)(np.array(AT, DTYPES[kind]))
    expected = np.array(ENDS[name], DTYPES[kind])
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got[:4]) & ~np.isnan(got[:4]),
                                  np.signbit(expected[:4]) & ~np.isnan(expected[:4]))  # fmt: skip


def test_log_of_minus_one_is_nan_and_log1p_of_minus_one_is_minus_infinity() -> None:
    for kind, dtype in DTYPES.items():
        below = np.array([-1.0, -np.finfo(dtype).tiny, -np.finfo(dtype).max], dtype)
        assert np.isnan(native("log", kind)(below)).all()
        at = np.array([-1.0, np.nextafter(dtype(-1), dtype(-2)), -3.0], dtype)
        np.testing.assert_array_equal(native("log1p", kind)(at), [-INF, NAN, NAN])


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("name", [*FUNCTIONS, *BINARY])
def test_the_bits_do_not_depend_on_the_lanes_nor_on_the_vectors(name: str, kind: Kind) -> None:
    """Scalars, odd vectors and narrower registers give what full vectors give.

    Huge arguments among small ones: the branch of sin and cos must not touch their neighbours.
    """
    rng = np.random.default_rng(0)
    x = (rng.normal(size=203) * 10.0 ** rng.integers(-3, 30, 203)).astype(DTYPES[kind])
    operands = [x, rng.permutation(x)][: 2 if name in BINARY else 1]
    expected = native(name, kind)(*operands)
    for lanes, widest in ((0, 512), (3, 512), (8, 256)):
        got = Native(name, kind, lanes, widest)(*operands)
        np.testing.assert_array_equal(got, expected)


# -- two operands ----------------------------------------------------------------------------------

CORNERS = (0.0, -0.0, 1, -1, INF, -INF, NAN, 2, -2, 3, -3, 0.5, -0.5, 2.5, -2.5, 1e30, -1e30, 1e-30)


@pytest.mark.parametrize("kind", DTYPES)
def test_power_is_numpys_at_the_corners(kind: Kind) -> None:
    """0**0, 1**nan, (-2)**3, (-2)**0.5, (-0)**-3, infinities: value and sign."""
    x, y = (a.ravel() for a in np.meshgrid(*[np.array(CORNERS, DTYPES[kind])] * 2))
    got = native("power", kind)(x, y)
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
        assert_within(2, got, expected, x, y)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(expected[known]))


def test_power_in_f32_is_within_1_ulp() -> None:
    rng = np.random.default_rng(1)
    x = (10.0 ** rng.uniform(-38, 38, 200_000)).astype(np.float32)
    y = (rng.uniform(-104, 89, 200_000) / np.log(x.astype(np.float64))).astype(np.float32)
    got = native("power", "f32")(x, y)
    with np.errstate(all="ignore"):
        assert_within(1, got, np.power(x.astype(np.float64), y).astype(np.float32), x, y)


def test_power_in_f64_is_within_2_ulp() -> None:
    """Over all results, for bases of any size and for bases near 1 with huge exponents."""
    rng = np.random.default_rng(2)
    wide = 10.0 ** rng.uniform(-300, 300, 700)
    near = 1 + rng.uniform(-1, 1, 700) * 10.0 ** rng.uniform(-15, -1, 700)
    x = np.concatenate([wide, near[near != 1], rng.uniform(0, 2e-308, 100)])
    y = rng.uniform(-744, 709, x.size) / np.log(x)
    with mpmath.workprec(200):
        expected = np.array(
            [float(mpmath.mpf(a) ** mpmath.mpf(b)) for a, b in zip(x, y, strict=True)]
        )
    assert_within(2, native("power", "f64")(x, y), expected, x, y)


@pytest.mark.parametrize("kind", DTYPES)
def test_logaddexp_does_not_overflow_and_is_exact_at_the_ends(kind: Kind) -> None:
    f, dtype = native("logaddexp", kind), DTYPES[kind]
    top = np.finfo(dtype).max
    x = np.array([INF, -INF, INF, -INF, 0, top, -top, top, NAN, 1, NAN], dtype)
    y = np.array([INF, -INF, -INF, 5, 0, top, -top, -top, 1, NAN, INF], dtype)
    expected = np.array([INF, -INF, INF, 5, np.log(2), top, -top, top, NAN, NAN, NAN], dtype)
    np.testing.assert_array_equal(f(x, y), expected)


@pytest.mark.parametrize("kind", DTYPES)
def test_logaddexp_of_positive_numbers_is_within_2_ulp(kind: Kind) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 50, (2, 1000)).astype(DTYPES[kind])
    with mpmath.workprec(200):
        expected = [
            float(mpmath.log(mpmath.exp(mpmath.mpf(float(a))) + mpmath.exp(mpmath.mpf(float(b)))))
            for a, b in zip(x, y, strict=True)
        ]
    assert_within(2, native("logaddexp", kind)(x, y), np.array(expected, DTYPES[kind]), x, y)
