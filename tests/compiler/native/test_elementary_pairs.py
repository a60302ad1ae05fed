"""Native functions of two operands, and those of integers and bits, against NumPy."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from chainrule.compiler.native.emit import Kind
from tests.compiler.native.functions import (
    DTYPES,
    WHOLE,
    Array,
    Native,
    assert_within,
    native,
)

by_kind = pytest.mark.parametrize("kind", DTYPES)
by_whole = pytest.mark.parametrize("kind", WHOLE)


def extremes(dtype: Any) -> list[Array]:
    """Every pair of zeros, infinities, NaN, subnormal, largest and plain numbers."""
    f = np.finfo(dtype)
    sizes = [0.0, f.smallest_subnormal, f.tiny, f.eps, 0.5, 1, 2, 3, 7.5, 1e10, f.max, np.inf]
    x = np.array([*sizes, *(-v for v in sizes), np.nan], dtype)
    return [a.ravel() for a in np.meshgrid(x, x)]


@by_kind
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide", "nextafter"])
def test_exact_functions_are_numpys_to_the_bit(name: str, kind: Kind) -> None:
    """Signs of zeros, infinite and huge quotients, quotients that round to a whole number."""
    rng, dtype = np.random.default_rng(0), DTYPES[kind]
    n, top = 4000, np.log10(float(np.finfo(dtype).max)) - 1
    wide = [rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-top, top, n) for _ in range(2)]
    near = rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-3, 3, n)
    parts = [near, (near / rng.integers(1, 1000, n)).astype(dtype)]
    whole = [rng.integers(-50, 50, n), rng.integers(-9, 9, n)]
    for x, y in ([a.astype(dtype) for a in pair] for pair in (extremes(dtype), wide, parts, whole)):
        with np.errstate(all="ignore"):
            expected = getattr(np, name)(x, y)
        for f in (native(name, kind), Native(name, kind, 0)):
            got = f(x, y)
            assert_within(0, got, expected, x, y)
            number = ~np.isnan(expected)
            np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(expected[number]))


@by_kind
@pytest.mark.parametrize("name", ["atan2", "hypot"])
def test_angle_and_length_are_numpys_at_the_extremes(name: str, kind: Kind) -> None:
    x, y = extremes(DTYPES[kind])
    with np.errstate(all="ignore"):
        expected = {"atan2": np.arctan2, "hypot": np.hypot}[name](x, y)
    got = native(name, kind)(x, y)
    assert_within(2, got, expected, x, y)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(expected[number]))


@by_kind
@pytest.mark.parametrize(
    ("name", "exact", "limit"),
    [("atan2", mpmath.atan2, 2), ("hypot", lambda y, x: mpmath.sqrt(x * x + y * y), 1)],
)
def test_angle_and_length_agree_with_mpmath(name: str, exact: Any, limit: int, kind: Kind) -> None:
    rng, dtype = np.random.default_rng(1), DTYPES[kind]
    top = np.log10(float(np.finfo(dtype).max)) - 0.2
    for low, high in ((-1, 1), (-top, top), (top - 1, top), (-top - 6, -top + 1)):
        y, x = ((rng.choice([-1, 1], 150) * 10.0 ** rng.uniform(low, high, 150)).astype(dtype)
                for _ in range(2))  # fmt: skip
        with mpmath.workprec(200), np.errstate(over="ignore"):
            pairs = zip(y, x, strict=True)
            truth = [float(exact(mpmath.mpf(float(a)), mpmath.mpf(float(b)))) for a, b in pairs]
            assert_within(limit, native(name, kind)(y, x), np.array(truth).astype(dtype), y, x)


# -- integers --------------------------------------------------------------------------------------


def integers(dtype: Any) -> list[Array]:
    info = np.iinfo(dtype)
    rng = np.random.default_rng(2)
    ends = np.array([0, 1, -1, 2, -2, 3, -7, 31, 32, 33, 63, 64, 65, info.max, info.min], dtype)
    x, y = (a.ravel() for a in np.meshgrid(ends, ends))
    wide = rng.integers(info.min, info.max, 500, dtype)
    near = rng.integers(-100, 100, 500, dtype)
    small = rng.integers(-20, 20, 1000, dtype)
    return [np.concatenate([x, wide, near]), np.concatenate([y, small])]


@by_whole
@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod", "left_shift", "right_shift"])
def test_integers_are_divided_and_shifted_as_numpy_does(name: str, kind: Kind) -> None:
    """By zero, by -1 of the lowest, by counts that are negative or larger than the word."""
    x, y = integers(WHOLE[kind])
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
    for lanes in (native(name, kind).step, 0, 3):
        np.testing.assert_array_equal(Native(name, kind, lanes)(x, y), expected)


@by_whole
def test_powers_of_integers_wrap_as_numpys_do(kind: Kind) -> None:
    x, y = integers(WHOLE[kind])
    x, y = x[y >= 0], y[y >= 0]
    expected = np.power(x, y)
    for lanes in (native("integer_power", kind).step, 0, 3):
        np.testing.assert_array_equal(Native("integer_power", kind, lanes)(x, y), expected)


@by_whole
def test_negative_powers_of_integers_have_no_fraction(kind: Kind) -> None:
    x = np.array([2, 1, -1, -1, 0, 5], WHOLE[kind])
    y = np.array([-1, -3, -3, -2, -1, -2], WHOLE[kind])
    np.testing.assert_array_equal(native("integer_power", kind)(x, y), [0, 1, -1, 1, 0, 0])
