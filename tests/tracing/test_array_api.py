"""The functions of the array API standard (2024.12), through the compiler, against NumPy.

Arrays are drawn by hypothesis's strategies for the standard: dtypes, shapes (empty ones and numbers
among them), shapes that broadcast together, axes. One example is a program of several draws, so
that it is compiled once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.array_api import make_strategies_namespace

import chainrule as cr
from chainrule.errors import ChainruleError
from tests.tracing.surface import numpys, same

XP = make_strategies_namespace(np, api_version="2024.12")
#: Compilation is slow: a few programs each time, more where time is no matter.
FEW = settings(max_examples=max(2, settings.default.max_examples // 10))
REAL, WHOLE, TRUTH = ["float32", "float64"], ["int32", "int64"], ["bool"]
NUMBERS = REAL + WHOLE
ALL = NUMBERS + TRUTH
SHAPES = XP.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
FULL = XP.array_shapes(min_dims=1, max_dims=3, max_side=4)

ONE = {
    **dict.fromkeys(("abs", "negative", "positive", "sign", "square"), NUMBERS),
    **dict.fromkeys(("ceil", "floor", "round", "trunc"), NUMBERS),
    **dict.fromkeys(("isfinite", "isinf", "isnan"), NUMBERS),
    **dict.fromkeys(("logical_not", "bitwise_invert"), TRUTH),
    **dict.fromkeys(("real", "conj"), REAL),
    **dict.fromkeys((
        "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "reciprocal", "signbit",
        "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh",
    ), REAL),
}  # fmt: skip
TWO = {
    **dict.fromkeys(("add", "subtract", "multiply", "maximum", "minimum"), NUMBERS),
    **dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"), ALL),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), TRUTH),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), TRUTH + WHOLE),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), WHOLE),
    **dict.fromkeys(("divide", "atan2", "copysign", "hypot", "logaddexp", "nextafter"), REAL),
    **dict.fromkeys(("floor_divide", "remainder"), NUMBERS),
    "pow": REAL,
}
REDUCE = {
    **dict.fromkeys(("sum", "prod", "max", "min"), NUMBERS),
    **dict.fromkeys(("mean", "var", "std"), REAL),
    **dict.fromkeys(("any", "all", "count_nonzero"), ALL),
}
#: (x, data) -> a function of x with its options drawn.
LINES: dict[str, Any] = {
    "argmax": lambda x, axis: lambda x: np.argmax(x, axis=axis),
    "argmin": lambda x, axis: lambda x: np.argmin(x, axis=axis, keepdims=True),
    "sort": lambda x, axis: lambda x: np.sort(x, axis=axis),
    "argsort": lambda x, axis: lambda x: np.argsort(x, axis=axis, stable=True),
    "cumulative_sum": lambda x, axis: lambda x: np.cumulative_sum(x, axis=axis),
    "cumulative_prod": lambda x, axis: lambda x: np.cumulative_prod(x, axis=axis),
    "diff": lambda x, axis: lambda x: np.diff(x, axis=axis),
    "flip": lambda x, axis: lambda x: np.flip(x, axis=axis),
    "roll": lambda x, axis: lambda x: np.roll(x, 5, axis=axis),
    "concat": lambda x, axis: lambda x: np.concat([x, x, x], axis=axis),
    "stack": lambda x, axis: lambda x: np.stack([x, x], axis=axis),
    "unstack": lambda x, axis: lambda x: list(np.unstack(x, axis=axis)),
    "expand_dims": lambda x, axis: lambda x: np.expand_dims(x, axis),
    "squeeze": lambda x, axis: lambda x: np.squeeze(x[None], axis=0),
    "moveaxis": lambda x, axis: lambda x: np.moveaxis(x, 0, axis),
    "repeat": lambda x, axis: lambda x: np.repeat(x, 2, axis=axis),
    "tile": lambda x, axis: lambda x: np.tile(x, (2, 1)),
    "permute_dims": lambda x, axis: lambda x: np.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "reshape": lambda x, axis: lambda x: np.reshape(x, (-1,)),
    "broadcast_to": lambda x, axis: lambda x: np.broadcast_to(x, (2, *x.shape)),
    "take": lambda x, axis: lambda x: np.take(x, np.array([0, -1, 0]), axis=axis),
    "take_along_axis": lambda x, axis: lambda x: np.take_along_axis(
        x, np.argsort(x, axis=axis, stable=True), axis=axis),
    "tril": lambda x, axis: lambda x: np.tril(np.stack([x, x]), k=1),
    "triu": lambda x, axis: lambda x: np.triu(np.stack([x, x]), k=-1),
    "where": lambda x, axis: lambda x: np.where(x > x[:1], x, 1),
    "searchsorted": lambda x, axis: lambda x: np.searchsorted(np.sort(np.ravel(x)), x),
    "clip": lambda x, axis: lambda x: np.clip(x, 0, 2),
    "astype": lambda x, axis: lambda x: np.astype(x, np.float64),
    "meshgrid": lambda x, axis: lambda x: list(np.meshgrid(np.ravel(x), np.arange(2))),
    "zeros_like": lambda x, axis: lambda x: x + np.zeros_like(x),
    "full_like": lambda x, axis: lambda x: x * np.full_like(x, 2),
    "broadcast_arrays": lambda x, axis: lambda x: list(np.broadcast_arrays(x, x[:1])),
    "matrix_transpose": lambda x, axis: lambda x: np.matrix_transpose(np.stack([x, x])),
    "vecdot": lambda x, axis: lambda x: np.vecdot(x, x + 1, axis=axis),
    "tensordot": lambda x, axis: lambda x: np.tensordot(x, x, axes=((axis,), (axis,))),
    "matmul": lambda x, axis: lambda x: np.stack([x, x]) @ np.swapaxes(np.stack([x, x]), -1, -2),
    "isin": lambda x, axis: lambda x: np.isin(x, np.ravel(x)[:2]),
}  # fmt: skip


def elements(dtype: str, small: bool) -> Any:
    """Numbers of a dtype: any that is moderate, with zeros, NaN and infinities.

    Or small: eighths, whose sums and products are exact, so that their order is no matter.
    """
    if dtype in WHOLE:
        return st.integers(-7, 7) if small else st.integers(-1000, 1000)
    if dtype in TRUTH:
        return st.booleans()
    if small:
        return st.one_of(
            st.integers(-24, 24).map(lambda k: k / 8),
            st.sampled_from([0.0, -0.0]),
        )
    width = 32 if dtype == "float32" else 64
    return st.one_of(
        st.floats(-1000, 1000, width=width),
        st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, np.nan, np.inf, -np.inf]),
    )


def array(data: Any, dtypes: list[str], shapes: Any, small: bool = False) -> np.ndarray:
    dtype = data.draw(st.sampled_from(dtypes))
    return data.draw(XP.arrays(dtype, shapes, elements=elements(dtype, small)))


def agree(fs: list[Any], *xs: np.ndarray) -> None:
    """The functions, compiled as one program, give what NumPy gives of each."""
    known = [(f, numpys(f, *xs)) for f in fs]
    fs = [f for f, expected in known if expected is not None]
    expected = [y for _, ys in known if ys is not None for y in ys]
    if not fs:
        return
    got = cr.compile(lambda *xs: [f(*xs) for f in fs])(*xs)
    flat = [y for ys in got for y in (ys if isinstance(ys, list | tuple) else [ys])]
    for mine, wanted in zip(flat, expected, strict=True):
        same(mine, wanted)


@pytest.mark.parametrize("name", ONE)
@given(st.data())
@FEW
def test_an_elementwise_function_of_one_array(name, data):
    xs = [array(data, ONE[name], SHAPES) for _ in range(3)]
    f = getattr(np, name)
    agree([lambda *xs, k=k: f(xs[k]) for k in range(3)], *xs)


@pytest.mark.parametrize("name", TWO)
@given(st.data())
@FEW
def test_an_elementwise_function_of_two_arrays(name, data):
    """Of two dtypes of one kind that meet, over shapes that broadcast, and of a number."""
    shapes = data.draw(XP.mutually_broadcastable_shapes(2, max_dims=3, max_side=3)).input_shapes
    x, y = (array(data, TWO[name], st.just(shape)) for shape in shapes)
    if "shift" in name:
        y = np.abs(y) % 8
    f = getattr(np, name)
    one = x.dtype.type(1)
    agree([f, lambda x, y: f(x, one), lambda x, y: f(x, x)], x, y)


@pytest.mark.parametrize("name", REDUCE)
@given(st.data())
@FEW
def test_a_reduction(name, data):
    x = array(data, REDUCE[name], SHAPES, small=True)
    axis = data.draw(st.none() | XP.valid_tuple_axes(x.ndim))
    keepdims = data.draw(st.booleans())
    f = getattr(np, name)
    if name in ("max", "min", "mean", "var", "std") and x.size == 0:
        with pytest.raises((ValueError, RuntimeWarning)):
            f(x[:0] if x.ndim else np.zeros(0))
        return
    agree([lambda x: f(x, axis=axis, keepdims=keepdims), f], x)


@pytest.mark.parametrize("name", LINES)
@given(st.data())
@FEW
def test_a_function_along_an_axis_or_of_a_shape(name, data):
    x = array(data, REAL if name in ("vecdot", "tensordot", "matmul") else ALL, FULL, small=True)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    try:
        agree([LINES[name](x, axis)], x)
    except ChainruleError:
        if x.dtype.kind == "f":
            raise


@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse", "unique_values"])
def test_what_makes_a_size_of_values_is_refused(name):
    with pytest.raises(ChainruleError, match="depends on values"):
        cr.compile(getattr(np, name))(np.ones(3))


def test_nonzero_is_refused():
    with pytest.raises(ChainruleError, match="depends on values"):
        cr.compile(np.nonzero)(np.ones(3))
