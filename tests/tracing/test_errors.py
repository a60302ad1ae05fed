"""What NumPy's protocols cannot carry: one clear message with the line and what works instead."""

from __future__ import annotations

import copy
import math
import pickle
import re
from typing import Any

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule.errors import ChainruleError, DTypeError, ShapeError, TraceError

X = np.ones((32, 4))
HERE = r"test_errors\.py:\d+"


def message(kind: type[ChainruleError], f: Any, *args: Any) -> str:
    """What the error says, hint included; it names a line of this very file."""
    with pytest.raises(kind) as caught:
        f(*args)
    text = str(caught.value)
    assert re.search(HERE, text), text
    return text


def both(f: Any) -> list[Any]:
    """Under compile and under grad."""
    return [cr.compile(f), cr.grad(lambda x: np.sum(f(x)))]


# -- sizes that do not fit -------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [0, 1])
def test_inner_sizes_of_a_product(transform):
    w = np.ones((8, 4))
    said = message(ShapeError, both(lambda x: x @ w)[transform], X)
    assert "32, 4" in said
    assert "8, 4" in said
    assert "4 is not 8" in said
    assert "hint" in said
    assert "b.T" in said


@pytest.mark.parametrize("transform", [0, 1])
def test_shapes_that_do_not_broadcast(transform):
    y = np.ones(32)
    said = message(ShapeError, both(lambda x: x - y)[transform], X)
    assert "f64[32, 4]" in said
    assert "(32,)" in said
    assert "hint" in said
    assert "[:, None]" in said


def test_two_traced_shapes_that_do_not_broadcast():
    said = message(ShapeError, cr.compile(lambda a, b: a + b), X, X.T)
    assert "f64[32, 4] and f64[4, 32]" in said


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.reshape(5, -1),
        lambda x: np.reshape(x, (32, 5)),
        lambda x: np.reshape(x, (-1, -1)),
        lambda x: np.broadcast_to(x, (4, 32)),
        lambda x: np.concatenate([x, x.T]),
        lambda x: np.squeeze(x, axis=0),
        lambda x: x[0, 0, 0],
        lambda x: x[32],
        lambda x: x[-33],
        lambda x: x @ np.ones((5, 2)),
        lambda x: x @ np.ones(5),
    ],
)
def test_a_shape_error_names_the_line_and_the_shape(f):
    said = message(ShapeError, cr.compile(f), X)
    assert "32" in said
    message(ShapeError, cr.grad(lambda x: np.sum(f(x))), X)


@pytest.mark.parametrize("axis", [2, -3, (0, 0)])
def test_an_axis_that_is_none_is_numpys_error(axis):
    with pytest.raises(ValueError, match="axis"):
        cr.compile(lambda x: np.sum(x, axis=axis))(X)


# -- what would leave the graph --------------------------------------------------------------------


@pytest.mark.parametrize("leave", [float, int, complex, math.exp, range, lambda x: [1, 2][x]])
@pytest.mark.parametrize("transform", [cr.compile, cr.grad])
def test_a_plain_number_of_a_traced_one(transform, leave):
    said = message(TraceError, transform(lambda x: x * leave(x)), 1.0)
    assert "would lose its gradient" in said
    assert "np.exp" in said


def test_a_condition_under_compile():
    said = message(TraceError, cr.compile(lambda x: x if x > 0 else -x), 1.0)
    assert "np.where(condition, a, b)" in said


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x.any() else -x,
        lambda x: 1.0 if x in [1.0, 2.0] else 0.0,
        lambda x: max(x, 0.0),
        lambda x: min([x, x + 1.0]),
        lambda x: x and 1.0,
        lambda x: not x,
    ],
)
def test_python_asks_for_the_truth_of_a_traced_value(f):
    with pytest.raises((TraceError, AttributeError)):
        cr.compile(f)(1.0)


def test_a_condition_under_grad_is_python():
    f = cr.grad(lambda x: x**2 if x > 0 else -x)
    assert (f(3.0), f(-3.0)) == (6.0, -1.0)


@pytest.mark.parametrize("transform", [cr.compile, lambda f: cr.grad(lambda x: np.sum(f(x)))])
def test_assignment_to_a_part(transform):
    def f(x: Any) -> Any:
        x[0] = 1.0
        return x

    said = message(TraceError, transform(f), X)
    assert "x.at[...].set(v)" in said


@pytest.mark.parametrize("transform", [cr.compile, lambda f: cr.grad(lambda x: np.sum(f(x)))])
def test_assignment_in_place(transform):
    def f(x: Any) -> Any:
        y = x * 2.0
        y += 1.0
        return y

    assert "y = y + x" in message(TraceError, transform(f), X)


@pytest.mark.parametrize("transform", [cr.compile, lambda f: cr.grad(lambda x: np.sum(f(x)))])
def test_an_array_of_traced_values(transform):
    said = message(TraceError, transform(lambda x: np.array([x[0, 0], x[1, 1]])), X)
    assert "np.stack" in said
    message(TraceError, transform(np.asarray), X)


@pytest.mark.parametrize(
    "transform",
    [
        cr.compile,
        cr.grad,
        lambda f: lambda x: cr.jvp(f, (x,), (x,)),
        lambda f: lambda x: cr.vjp(f, x),
        lambda f: lambda x: cr.vmap(f)(np.stack([x, x])),
    ],
)
def test_a_traced_number_put_into_a_plain_array_names_what_to_write(transform):
    """NumPy says "setting an array element with a sequence" of the error that it is given."""

    def f(x: Any) -> Any:
        y = np.zeros(4)
        y[0] = x[1]
        return np.sum(y)

    assert "cr.at(y)[k].set(x)" in message(TraceError, transform(f), X[0])


# -- functions and options -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (np.nonzero, "np.nonzero"),
        (np.unique, "np.unique"),
        (np.subtract.reduce, "np.subtract.reduce"),
        (lambda x: np.add.reduceat(x, [0, 2]), "np.add.reduceat"),
        (lambda x: np.add.at(x, 0, 1.0), "np.add.at"),
        (lambda x: np.add(x, x, where=X > 0), "np.add with where="),
        (lambda x: np.exp(x, dtype=np.float32), "np.exp with dtype="),
        (lambda x: np.add.reduce(x, out=np.zeros(4)), "np.add.reduce with out="),
        (lambda x: np.pad(x, 1, mode="mean"), "np.pad"),
        (lambda x: np.pad(x, 1, mode="reflect", reflect_type="odd"), "np.pad"),
        (lambda x: np.sum(x, out=np.zeros(())), "out="),
        (lambda x: np.quantile(x, 0.5, weights=X), "weights="),
        (np.fft.fft, "np.fft.fft"),
        (lambda x: x[x > 0], "mask"),
        (lambda x: np.where(x > 0), "np.where(condition)"),
        (lambda x: np.reshape(x, -1, order="A" * 2), "order="),
        (lambda x: x.item(), "x.item()"),
    ],
)
def test_what_is_not_carried_is_named_and_never_ignored(f, name):
    """An option that is left out without a word would be another result."""
    assert name in message(TraceError, cr.compile(f), X)
    assert name in message(TraceError, cr.grad(lambda x: np.sum(f(x))), X)


@pytest.mark.parametrize(
    "f", [lambda x: -(x > 0), lambda x: (x > 0) - (x > 1), lambda x: np.sign(x > 0)]
)
def test_what_numpy_refuses_of_booleans(f):
    assert "expected numbers" in message(DTypeError, cr.compile(f), X)


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.uint8, np.complex128])
def test_a_plain_array_of_a_dtype_that_graphs_do_not_hold(dtype):
    plain = np.array([1, 2, 3, 5], dtype)
    with pytest.raises(ChainruleError, match=r"expected f32"):
        cr.compile(lambda x: x.astype(dtype) * plain)(X)


def test_a_plain_integer_that_does_not_fit_is_numpys_error():
    x = np.array([1], np.int32)
    for f in (lambda x: x + 2**40, lambda x: np.maximum(x, -(2**40))):
        for run in (f, cr.compile(f)):
            with pytest.raises(OverflowError, match="out of bounds for int32"):
                run(x)


# -- other functions' values -----------------------------------------------------------------------


def test_a_value_of_grad_inside_a_compiled_function_must_be_its_argument():
    """The compiled one would take it for a constant, and the gradient would be lost."""
    said = message(TraceError, cr.grad(lambda w: np.sum(cr.compile(lambda x: x * w)(X))), 2.0)
    assert "pass it as an argument" in said
    assert cr.grad(lambda w: np.sum(cr.compile(lambda x, w: x * w)(X, w)))(2.0) == X.sum()


def test_a_value_that_left_its_function():
    kept: list[Any] = []
    cr.compile(kept.append)(X)
    said = message(TraceError, cr.compile(lambda x: kept[0]), X)
    assert "traced value of another function" in said


def test_a_number_that_chooses_an_axis_is_no_argument():
    said = message(TraceError, cr.compile(lambda x, axis: np.sum(x, axis=axis)), X, 0)
    assert "functools.partial" in said


def test_an_error_is_one_line_and_one_hint():
    said = message(TraceError, cr.compile(np.nonzero), X)
    first, *rest = said.splitlines()
    assert len(first) < 120
    assert len(rest) == 1
    assert rest[0].startswith("  hint: ")


def test_a_copy_of_a_traced_value_is_that_value():
    """Another object would be on no tape, and its gradient would be lost without a word."""
    assert cr.grad(lambda x: copy.copy(x) ** 2)(3.0) == 6.0
    assert cr.grad(lambda x: copy.deepcopy([x])[0] ** 2)(3.0) == 6.0
    assert "pickled" in message(TraceError, cr.grad(pickle.dumps), 1.0)


def test_a_value_under_grad_can_be_printed():
    shown: list[str] = []
    cr.grad(lambda x: (shown.append(f"{x:.2f}"), x)[1])(2.0)
    assert shown == ["2.00"]


def test_traced_values_print_their_type():
    shown = []
    cr.compile(lambda x: shown.append(repr(x)))(X)
    cr.grad(lambda x: (shown.append(repr(x)), x)[1])(2.0)
    assert shown == ["Tracer(f64[32, 4])", "Tracer(f64[], value=array(2.))"]


def test_scipys_polygamma_names_ours():
    said = message(TraceError, cr.compile(lambda x: special.polygamma(1, x)), X)
    assert "cr.polygamma" in said
