"""x[...] on tracers is NumPy's, in full; and x.at[...], which NumPy lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.errors import ChainruleError, DTypeError, ShapeError, TraceError
from tests.tracing.surface import (
    DTYPES,
    check_derivative,
    check_graph,
    evaluate,
    graph_of,
    numpys,
    same,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5))
M = RNG.normal(size=(4, 3))
MASK = RNG.uniform(size=(3, 4)) > 0.5
I, J = np.array([2, 0, -1, 2]), np.array([[1, -4], [3, 0]])

INDICES: dict[str, Any] = {
    "every other": np.s_[::2],
    "backwards": np.s_[::-1],
    "backwards from": np.s_[1::-1],
    "backwards by two": np.s_[:, ::-2],
    "all backwards": np.s_[::-1, ::-1, ::-1],
    "a part backwards": np.s_[:, 3:0:-1],
    "nothing": np.s_[2:1, ::-1],
    "past the end": np.s_[1:99:3],
    "new axes": np.s_[None, :, None, ..., None],
    "dots in the middle": np.s_[1, ..., 2],
    "a number first": np.s_[1, None, :, ::-1],
    "a NumPy number": np.s_[np.int32(-1), :],
    "a number of no axes": np.s_[np.array(1)],
    "a list": [0, 2],
    "an empty list": [],
    "a list of one": [1],
    "a list twice": ([0, 1], [2, 0]),
    "an array": I,
    "an array on axis 1": np.s_[:, I],
    "an array behind dots": np.s_[..., I],
    "a matrix": J[None] % 3,
    "a matrix on axis 2": np.s_[:, :, J],
    "two arrays": (I % 3, I),
    "two that broadcast": (I[:2, None] % 3, I),
    "three arrays": (I % 3, I, -I),
    "outer": np.ix_([0, 2], [1, 3, 0], [4, 4]),
    "separated": np.s_[I % 3, :, I],
    "separated by a number": np.s_[0, :, I],
    "side by side with a number": np.s_[:, 1, I],
    "a number before": np.s_[1, I],
    "separated by a new axis": np.s_[I % 3, None, I],
    "new axis first": np.s_[None, I % 3, I],
    "separated by dots": np.s_[I % 3, ..., I],
    "with a slice behind": np.s_[I, ::-1, 1:3],
    "with a slice between": np.s_[:, I, ::2],
    "a number and a slice between": np.s_[I % 3, ::-2, 3],
    "rows and columns": np.s_[np.arange(3), [0, 3, 1]],
    "rows and one": np.s_[np.arange(3), 2],
    "rows and places behind": np.s_[np.arange(3), :, [0, 4, 1]],
    "rows, two places": np.s_[np.arange(3), [0, 3, 1], [4, 0, 2]],
    "rows as a column": np.s_[np.arange(3)[:, None], [[0, 1], [1, 2], [3, 3]]],
    "equal distances": np.s_[:, np.array([1, 3])],
    "equal distances down": np.s_[:, [3, 2, 1, 0]],
    "the same place": np.s_[[1, 1, 1]],
    "unsigned": np.array([1, 0], np.uint8),
    "a mask": MASK,
    "a mask of one axis": np.s_[:, [True, False, True, False]],
    "a mask and an array": np.s_[np.array([True, False, True]), :, [0, 1]],
    "a mask and a number": np.s_[:, np.array([True, False, True, True]), 1],
    "a mask of all": X > 0,
    "True": True,
    "False": np.s_[False],
    "True and slices": np.s_[True, :, 1],
    "an empty mask": np.zeros((3, 4), bool),
    "a mask and a new axis": np.s_[None, MASK],
    "empty places": np.s_[:, np.zeros((2, 0), int)],
    "all": np.s_[...],
    "()": (),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", INDICES)
def test_an_index_takes_what_numpy_takes(name, dtype):
    check_graph(lambda x: x[INDICES[name]], (X * 3).astype(dtype))


@pytest.mark.parametrize("name", INDICES)
def test_the_gradient_goes_to_where_the_elements_came_from(name):
    check_derivative(lambda x: x[INDICES[name]] ** 2, X)


@st.composite
def indices(draw: Any, shape: tuple[int, ...]) -> Any:
    """Any mixture of slices, numbers, new axes, dots, arrays that broadcast and masks."""
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    entries: list[Any] = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        kind = draw(st.sampled_from(["slice", "number", "array", "mask", "new"]))
        if kind == "new":
            entries.append(None)
        if kind in ("slice", "new"):
            entries.append(draw(st.slices(n)))
        elif kind == "number":
            entries.append(draw(st.integers(-n, n - 1)))
        elif kind == "array":
            part = draw(st.sampled_from([common, common[1:], (*common[:-1], 1)[-len(common) :]]))
            entries.append(draw(hnp.arrays(int, part, elements=st.integers(-n, n - 1))))
        else:
            size = common[-1] if common else 1
            hits = draw(st.permutations([k < min(size, n) for k in range(n)]))
            entries.append(np.array(hits))
    if draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), Ellipsis)
    return tuple(entries)


@pytest.mark.parametrize(
    "index",
    [
        (None, slice(0, 2), np.arange(4) == 1, ..., 0),
        (slice(0, 2), np.array([0, 1]), ..., np.array([1, 0])),
        (slice(0, 2), ..., np.array([0, 1]), np.array([1, 0])),
        (np.array([0, 1]), ..., 0, slice(None)),
    ],
    ids=["mask and integer", "between places", "before places", "first axis"],
)
def test_an_ellipsis_of_no_axes_keeps_places_apart(index):
    """As a slice there would: the places' axis comes first."""
    x = np.arange(24.0).reshape(3, 4, 2)
    check_graph(lambda x: x[index], x)


@given(st.data())
def test_any_mixture_of_entries_is_numpys(data):
    x = np.arange(3.0 * 4 * 2 * 5).reshape(3, 4, 2, 5)
    index = data.draw(indices(x.shape))
    expected = numpys(lambda x: x[index], x)
    if expected is None:  # shapes that do not broadcast
        with pytest.raises(ChainruleError):
            graph_of(lambda x: x[index], x)
        return
    check_graph(lambda x: x[index], x)
    gradient = cr.grad(lambda x: np.sum(x[index] * (expected[0] + 1.0)))(x)
    mine = np.zeros_like(x)
    np.add.at(mine, index, expected[0] + 1.0)
    np.testing.assert_array_equal(gradient, mine)


# -- places that are traced ------------------------------------------------------------------------

TRACED = {
    "an array": lambda x, i: x[i],
    "on axis 1": lambda x, i: x[:, i],
    "two": lambda x, i: x[i, i],
    "separated": lambda x, i: x[i, :, i],
    "with a plain one": lambda x, i: x[i, [0, 1, 1, 2]],
    "with a slice": lambda x, i: x[::-1, i],
    "a number": lambda x, i: x[i[0]],
    "a number on axis 1": lambda x, i: x[:, i[0], 1:],
    "a number and an array": lambda x, i: x[i[0], :, i],
    "from the end": lambda x, i: x[i - 3],
    "as a matrix": lambda x, i: x[i[:, None], i],
    "rows": lambda x, i: x[np.arange(3), i[:3]],
    "rows, two places": lambda x, i: x[np.arange(3), i[:3], i[1:]],
    "a window": lambda x, i: x[i[1] + np.arange(2)],
    "take": np.take,
    "take 1": lambda x, i: np.take(x, i[:, None], axis=1),
    "take wrapped": lambda x, i: np.take(x, i * 7, axis=0, mode="wrap"),
    "take clipped": lambda x, i: x.take(i * 7 - 9, axis=2, mode="clip"),
    "from a plain one": lambda x, i: x[0, 0, 0] * cr.at(M)[:, i].get(),
    "take along": lambda x, i: np.take_along_axis(x, i[:, None, None] % 3, axis=0),
    "take along 1": lambda x, i: np.take_along_axis(x, np.broadcast_to(i[:2, None], (3, 2, 5)), 1),
    "take along -1": lambda x, i: np.take_along_axis(x, i[None, :, None], axis=-1),
    "take along flat": lambda x, i: np.take_along_axis(x, i * 5, axis=None),
    "choose": lambda x, i: np.choose(i[:3] % 3, [x[0, 0, :3], 1.0, x[1, 1, :3]]),
}


@pytest.mark.parametrize("name", TRACED)
@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_traced_places_are_numpys(name, kind):
    i = np.array([1, 0, 2, 2], kind)
    check_graph(TRACED[name], X, i)
    check_graph(TRACED[name], (X * 3).astype(int), i)
    check_derivative(lambda x: TRACED[name](x, i) ** 2, X)
    once = cr.grad(lambda x: np.sum(TRACED[name](x, i) ** 2))(X)
    again = cr.grad(lambda x, i: np.sum(TRACED[name](x, i) ** 2))(X, i)  # i stays plain
    np.testing.assert_array_equal(once, again)


# -- x.at[...] -------------------------------------------------------------------------------------

AT = {
    "slices": np.s_[1:, ::2], "backwards": np.s_[::-1, 3:0:-1], "a number": np.s_[1],
    "numbers": np.s_[1, 2], "a column": np.s_[:, 1], "all": np.s_[:], "nothing": np.s_[2:2],
    "new axes": np.s_[None, 1:, None], "places": [0, 2], "places twice": [0, 2, 0],
    "pairs": ([0, 2, 0], [1, 1, 1]), "pairs apart": ([0, 2, 1], [1, 1, 1]), "a mask": MASK,
    "a mixture": np.s_[[0, 0], 1:], "empty": np.zeros(0, int),
}  # fmt: skip
_PLAIN = {"add": np.add.at, "multiply": np.multiply.at, "min": np.minimum.at, "max": np.maximum.at}


def _in_place(x: np.ndarray, index: Any, how: str, v: Any) -> np.ndarray:
    made = x.copy()
    if how == "set":
        made[index] = v
    else:
        _PLAIN[how](made, index, v)
    return made


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("how", ["set", *_PLAIN])
@pytest.mark.parametrize("name", AT)
def test_at_is_numpys_assignment(name, how, dtype):
    """On plain arrays, in a graph with a plain index; the array itself stays as it was."""
    x, index = (RNG.normal(size=(3, 4)) * 3).astype(dtype), AT[name]
    v = (RNG.normal(size=x[index].shape) * 3).astype(dtype)
    for value in (v, v.dtype.type(1)):
        expected = _in_place(x, index, how, value)
        before = x.copy()
        same(getattr(cr.at(x)[index], how)(value), expected)
        np.testing.assert_array_equal(x, before)
        check_graph(lambda x, v: getattr(cr.at(x)[index], how)(v), x, np.asarray(value))
        graph, arguments = graph_of(lambda x, v: getattr(x.at[index], how)(v), x, np.asarray(value))
        same(evaluate(graph, arguments)[0], expected)


@pytest.mark.parametrize("how", ["set", *_PLAIN])
@pytest.mark.parametrize("name", AT)
def test_the_gradient_of_at_is_of_what_was_written_last(name, how):
    x, index = RNG.normal(size=(3, 4)), AT[name]
    v = RNG.normal(size=x[index].shape)
    check_derivative(lambda x, v: getattr(cr.at(x)[index], how)(v) ** 2, x, v)


@pytest.mark.parametrize("how", ["set", *_PLAIN])
def test_at_takes_traced_places(how):
    x, v = RNG.normal(size=(3, 4)), RNG.normal(size=5)
    i, j = np.array([0, 2, 0, 2, 0]), np.array([1, 3, 1, 0, -3])
    f = lambda x, i, j, v: getattr(cr.at(x)[i, j], how)(v)  # noqa: E731
    expected = _in_place(x, (i, j), how, v)
    same(f(x, i, j, v), expected)
    check_graph(f, x, i, j, v)
    check_derivative(lambda x, v: f(x, i, j, v) ** 2, x, v)


def test_of_values_written_to_one_place_the_last_gets_the_gradient():
    index = [1, 1, 1]
    gx, gv = cr.grad(lambda x, v: np.sum(cr.at(x)[index].set(v)), argnums=(0, 1))(
        np.zeros(3), np.ones(3)
    )
    np.testing.assert_array_equal(gx, [1, 0, 1])
    np.testing.assert_array_equal(gv, [0, 0, 1])


@pytest.mark.parametrize("how", ["set", *_PLAIN])
@pytest.mark.parametrize("value", [2.0, np.arange(4.0)])
def test_at_takes_a_traced_mask(how, value):
    x = RNG.normal(size=(3, 4))
    for mask in (lambda x: x > 0, lambda x: x[:, 0] > 0):
        if np.ndim(value) and mask(x).ndim == 2:
            continue
        expected = _in_place(x, mask(x), how, value)
        f = lambda x, v, mask=mask: getattr(cr.at(x)[mask(x)], how)(v)  # noqa: E731
        same(f(x, value), expected)
        check_graph(f, x, np.asarray(value))
        check_derivative(lambda x, v, f=f: f(x, v) ** 2, x, np.asarray(value))


def test_at_get_is_indexing():
    assert cr.at(X)[1, 2, 3].get() == X[1, 2, 3]
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(x.at[1:].get()))(np.ones(3)), [0, 1, 1])


def test_a_traced_value_goes_into_a_plain_array():
    gradient = cr.grad(lambda v: np.sum(cr.at(np.zeros(4))[[1, 1, 2]].add(v) ** 2))(np.ones(3))
    np.testing.assert_array_equal(gradient, [4, 4, 2])


# -- what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "kind", "said"),
    [
        (lambda x: x[3], ShapeError, "index 3"),
        (lambda x: x[[0, -4]], ShapeError, "index -4"),
        (lambda x: x[0, 0, 0], ShapeError, "3 indices"),
        (lambda x: x[..., ...], ShapeError, "ellipsis"),
        (lambda x: x[1.0], DTypeError, "integers"),
        (lambda x: x["a"], DTypeError, "integers"),
        (lambda x: x[[True, False]], ShapeError, "mask of shape"),
        (lambda x: x[x > 0], TraceError, "np.where(mask"),
        (lambda x: x[x[0, 0] :], TraceError, "np.arange(size)"),
        (lambda x: x[[0, 1], [0, 1, 2]], ShapeError, "broadcast"),
        (lambda x: x[x], DTypeError, "integers"),
        (lambda x: x.at[0].set(np.ones(3)), ShapeError, "does not spread"),
        (lambda x: x.astype(int).at[0].set(x[0]), DTypeError, "whole numbers"),
        (lambda x: x.at[x > 0].set(np.ones(12)), TraceError, "np.where(mask"),
        (lambda x: x.at[x[0] > 0].set(1.0), ShapeError, "sizes of the first axes"),
        (lambda x: np.take_along_axis(x, np.zeros(3, int), 0), ShapeError, "as many axes"),
        (lambda x: np.compress(x[0] > 0, x, axis=1), TraceError, "np.where"),
        (lambda x: np.choose([0, 5], [x, x]), ShapeError, "2 choices"),
    ],
)
@pytest.mark.parametrize("transform", [cr.trace, lambda f, x: cr.grad(lambda x: np.sum(f(x)))(x)])
def test_an_index_that_cannot_be_says_why_and_what_else(transform, f, kind, said):
    with pytest.raises(kind) as caught:
        transform(f, np.ones((3, 4)))
    assert said in str(caught.value)
    assert "test_indexing.py:" in str(caught.value)


def test_a_traced_place_that_is_none_is_an_error_where_it_is_known():
    with pytest.raises(ShapeError, match="outside"):
        cr.grad(lambda x, i: np.sum(x[i]))(np.ones(3), np.array([7]))
    with pytest.raises(ShapeError, match="outside"):
        cr.grad(lambda x: np.sum(x[np.argmax(x) + 5]))(np.ones(3))


def test_a_place_outside_of_its_axis_is_never_another_elements():
    """Laid flat, [0, 7] of 3 x 4 would be [1, 3]."""
    x, rows = np.arange(12.0).reshape(3, 4), np.arange(3)
    pair = np.array([0, 1, 2]), np.array([7, 0, 1])
    for f in (lambda x, i, j: x[i, j], lambda x, i, j: np.take_along_axis(x, j[:, None], 1),
              lambda x, i, j: x[rows, j], lambda x, i, j: x.at[i, j].add(1)):  # fmt: skip
        with pytest.raises(ShapeError, match="outside"):
            cr.grad(lambda x, i, j, f=f: np.sum(f(x, i, j)))(x, *pair)
        with pytest.raises(ShapeError, match="outside"):
            cr.compile(f)(x.astype(int), *pair)
    assert np.isnan(cr.compile(lambda x, j: x[rows, j])(x, pair[1])[0])


def test_rows_and_columns_stay_one_comparison_over_the_batch():
    graph, _ = graph_of(lambda x, y: x[np.arange(3), y], np.ones((3, 4)), np.zeros(3, int))
    assert "take" not in str(graph)
    wide, _ = graph_of(lambda x, y: x[np.arange(3), y], np.ones((3, 400)), np.zeros(3, int))
    assert "take" in str(wide)


def test_the_sign_of_zero_stays():
    x = np.array([-0.0, 0.0, -0.0])
    for f in (lambda x: x[::-1], lambda x: np.concatenate([x, x]), lambda x: np.stack([x, x, x]),
              lambda x: x.at[1].set(-0.0), np.cumprod, lambda x: np.roll(x, 1)):  # fmt: skip
        graph, arguments = graph_of(f, x)
        signs = np.signbit(evaluate(graph, arguments)[0])
        if f is np.cumprod:
            np.testing.assert_array_equal(signs, np.signbit(np.cumprod(x)))
        elif "at" not in f.__code__.co_names:
            np.testing.assert_array_equal(signs, np.signbit(f(x)))
        else:
            assert signs.all()
