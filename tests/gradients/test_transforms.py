"""``vjp``, ``jvp``, ``jacobian``, ``hessian``, ``hvp`` and ``vmap``: alone, nested, compiled."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GradientError, ShapeError, TraceError
from chainrule.tracing.tracer import Tracer

X = np.array([0.3, -0.7, 1.1])
M = np.arange(6.0).reshape(2, 3) / 4 + 0.5


class Pair(NamedTuple):
    a: Any
    b: Any


def f(x: Any) -> Any:
    """A number that mixes all elements and bends."""
    return np.sum(np.exp(x[0] * x[1]) * x[2] ** 2) + np.sum(np.sin(x) * x)


def rows(x: Any) -> Any:
    return np.outer(np.sin(x), x)


# -- vjp -------------------------------------------------------------------------------------------


def test_backward_may_be_called_many_times_with_trees():
    value, backward = cr.vjp(lambda p, n: {"y": p["w"] * p["v"], "n": n}, {"w": X, "v": 2.0}, 3)
    np.testing.assert_array_equal(value["y"], 2 * X)
    for scale in (1.0, -2.0):
        owed, none = backward({"y": scale * np.ones(3), "n": None})
        np.testing.assert_array_equal(owed["w"], np.full(3, 2.0 * scale))
        assert owed["v"] == pytest.approx(scale * np.sum(X))
        assert none is None


def test_one_result_twice_gets_both_cotangents():
    value, backward = cr.vjp(lambda x: (lambda y: (y, y))(x * 3.0), 2.0)
    assert value == (6.0, 6.0)
    assert backward((1.0, 10.0)) == (33.0,)


def test_aux_is_plain():
    value, backward, aux = cr.vjp(lambda x: (x * x, {"x": x, "name": "square"}), 3.0, has_aux=True)
    assert (value, backward(1.0), aux) == (9.0, (6.0,), {"x": 3.0, "name": "square"})
    value, tangent, aux = cr.jvp(lambda x: (x * x, x), (3.0,), (1.0,), has_aux=True)
    assert (value, tangent, aux) == (9.0, 6.0, 3.0)
    assert not isinstance(aux, Tracer)


@pytest.mark.parametrize(
    ("g", "error", "message"),
    [((1.0, 1.0), GradientError, "the cotangent at .*expected a tree like"),
     (np.ones(2), ShapeError, r"the cotangent of the value at .*expected the shape \(3,\)"),
     (None, GradientError, "is None; expected an array")],
)  # fmt: skip
def test_a_cotangent_that_does_not_fit_is_named(g, error, message):
    _, backward = cr.vjp(np.sin, X)
    with pytest.raises(error, match=message):
        backward(g)


# -- jvp -------------------------------------------------------------------------------------------


def test_tangents_follow_trees_and_dtypes():
    def g(p: Any, k: Any) -> Any:
        return Pair(p.a * p.b, [k, p.a.astype(np.float64)])

    p = Pair(X.astype(np.float32), np.float32(2.0))
    value, tangent = cr.jvp(g, (p, 3), (Pair(np.ones(3), 0.5), None))
    assert isinstance(tangent, Pair)
    assert tangent.b[0] is None
    np.testing.assert_allclose(tangent.a, 2 + 0.5 * X, rtol=1e-6)
    assert tangent.a.dtype == np.float32
    assert tangent.b[1].dtype == np.float64
    assert value.b[0] == 3


@pytest.mark.parametrize(
    ("args", "tangents", "error", "message"),
    [((X,), (np.ones(2),), ShapeError, "the tangent of argument 0 at"),
     ((X, 1), (X, 1.0), GradientError, "of argument 1 .*only floating-point numbers"),
     (({"w": X},), ({"v": X},), GradientError, "expected a tree like"),
     ((X,), (None,), GradientError, "argument 0 .* is None"),
     (X[0], (1.0,), GradientError, "takes args as a tuple")],
)  # fmt: skip
def test_a_tangent_that_does_not_fit_is_named(args, tangents, error, message):
    with pytest.raises(error, match=message):
        cr.jvp(lambda x, *_: x, args, tangents)


@pytest.mark.parametrize(
    ("g", "op"),
    [(lambda x: np.mean(x > 0), "greater"), (np.floor, "floor"),
     (lambda x: x * np.floor(x), "floor"),
     (lambda x: np.sum(np.where(x == 1, 2.0, 3.0)), "equal"),
     (lambda x: np.argsort(x) * 1.0, "argsort"),
     (lambda x: x.astype(np.int64) * 0.5, "cast")],
)  # fmt: skip
def test_both_modes_refuse_what_has_no_derivative(g, op):
    """The same programs, naming the same operation and its line: no silent zero."""
    value, backward = cr.vjp(g, X)
    with pytest.raises(GradientError, match=f"through {op} at test_transforms.py:"):
        backward(np.ones_like(value))
    with pytest.raises(GradientError, match=f"through {op} at test_transforms.py:"):
        cr.jvp(g, (X,), (X,))


@pytest.mark.parametrize(
    "g",
    [lambda x: x * (x > 0), lambda x: x[np.argsort(x)],
     lambda x: np.where(np.floor(x) > 0, x, 2 * x),
     lambda x: x + cr.stop_gradient(np.floor(x)), lambda x: (x, np.argmax(x), x > 0)[0]],
)  # fmt: skip
def test_both_modes_let_choices_pass_beside_values(g):
    _, tangent = cr.jvp(g, (X,), (X,))
    _, backward = cr.vjp(g, X)
    assert np.sum(tangent) == pytest.approx(np.sum(backward(np.ones(3))[0] * X), rel=1e-12)


# -- jacobian, hessian, hvp ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("g", [np.sin, rows, np.sum, lambda x: np.stack([x, x * x])])
def test_jacobian_is_the_same_in_every_mode(g, mode):
    """And its shape is that of the result, then that of the argument."""
    got = cr.jacobian(g, mode=mode)(X)
    columns = [cr.jvp(g, (X,), (e,))[1] for e in np.eye(3)]
    np.testing.assert_allclose(got, np.stack(columns, axis=-1), rtol=1e-14)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_trees_is_a_tree_of_trees(mode):
    def g(p: Any, c: Any) -> Any:
        return {"y": p["w"] @ X * c, "z": (np.sum(p["b"]),)}

    args = ({"w": M, "b": np.float32(2.0)}, np.array([1.0, 2.0]))
    got = cr.jacobian(g, mode=mode)(*args)
    assert got["y"]["w"].shape == (2, 2, 3)
    assert got["z"][0]["w"].shape == (2, 3)
    assert got["z"][0]["b"] == 1.0
    both = cr.jacobian(g, argnums=(0, 1), mode=mode)(*args)
    np.testing.assert_array_equal(both["y"][0]["w"], got["y"]["w"])
    np.testing.assert_allclose(both["y"][1], np.diag(M @ X))
    found, aux = cr.jacobian(lambda x: (x * x, {"x": x}), mode=mode, has_aux=True)(X)
    np.testing.assert_array_equal(found, np.diag(2 * X))
    np.testing.assert_array_equal(aux["x"], X)


def test_auto_chooses_by_shape():
    """Many results of few arguments go forward: the function runs under tangents, not a tape."""
    seen: list[str] = []

    def g(x: Any) -> Any:
        seen.append(type(x).__name__)
        return np.concatenate([np.ravel(x)] * 3)

    cr.jacobian(g)(X)
    cr.jacobian(lambda x: np.sum(g(x)))(X)
    assert seen == ["TapeTracer", "ForwardTracer", "TapeTracer"]


@pytest.mark.parametrize("mode", ["sideways", None])
def test_a_mode_that_is_none_is_refused(mode):
    with pytest.raises(GradientError, match="expected 'auto', 'forward' or 'reverse'"):
        cr.jacobian(np.sin, mode=mode)


def test_hessian_is_every_composition_of_two_first_derivatives():
    expected = cr.hessian(f)(X)
    np.testing.assert_allclose(expected, expected.T, rtol=1e-13)
    for outer in ("forward", "reverse"):
        for inner in ("forward", "reverse"):
            got = cr.jacobian(cr.jacobian(f, mode=inner), mode=outer)(X)
            np.testing.assert_allclose(got, expected, rtol=1e-12, err_msg=f"{outer} of {inner}")
    v = np.array([1.0, -2.0, 0.5])
    for got in (
        cr.hvp(f, X, v),
        cr.jvp(cr.grad(f), (X,), (v,))[1],
        cr.grad(lambda x: np.sum(cr.grad(f)(x) * v))(X),
        cr.grad(lambda x: cr.jvp(f, (x,), (v,))[1])(X),
        cr.vjp(cr.grad(f), X)[1](v)[0],
    ):
        np.testing.assert_allclose(got, expected @ v, rtol=1e-12)


def test_hessian_of_trees_and_several_arguments():
    def g(p: Any, c: Any) -> Any:
        return np.sum(p["w"] ** 2 * p["b"]) * c

    found = cr.hessian(g, argnums=(0, 1))({"w": X, "b": 2.0}, 3.0)
    np.testing.assert_allclose(found[0]["w"][0]["w"], np.diag(12.0 * np.ones(3)))
    np.testing.assert_allclose(found[0]["w"][0]["b"], 6 * X)
    np.testing.assert_allclose(found[0]["w"][1], 4 * X)
    assert found[1][1] == 0.0


def test_hessian_of_logsumexp_at_equal_huge_values():
    """diag(p) - p pᵀ with equal p, where the naive form overflows."""
    x = np.full(2, 1e300)
    np.testing.assert_allclose(cr.grad(cr.logsumexp)(x), [0.5, 0.5])
    np.testing.assert_allclose(cr.hessian(cr.logsumexp)(x), [[0.25, -0.25], [-0.25, 0.25]])


def test_hessian_of_what_is_piecewise_linear_is_zero():
    """The comparisons in a rule choose between slopes; they are not the user's."""
    for g in (np.max, lambda x: np.sum(np.maximum(x, 0)), lambda x: np.sum(np.abs(x))):
        np.testing.assert_array_equal(cr.hessian(g)(X), np.zeros((3, 3)))


# -- perturbations of different levels -------------------------------------------------------------


def d_forward(g: Any) -> Any:
    return lambda x: cr.jvp(g, (x,), (1.0,))[1]


@pytest.mark.parametrize("outer", [cr.grad, d_forward], ids=["reverse", "forward"])
@pytest.mark.parametrize("inner", [cr.grad, d_forward], ids=["reverse", "forward"])
def test_perturbations_stay_apart(outer, inner):
    """Siskind & Pearlmutter 2005: d/dx x (d/dy (x + y)) = 1, and 2 would be confusion."""
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x * y**2)(3.0))(2.0) == 24.0


@pytest.mark.parametrize("order", range(1, 6))
def test_any_tower_of_modes_gives_the_same_derivative(order):
    """dⁿ/dxⁿ sin(2x) by every mixture of forward and reverse mode."""
    expected = 2**order * math.sin(2 * 0.7 + order * math.pi / 2)
    for pattern in range(2**order):
        g: Any = lambda x: np.sin(2.0 * x)  # noqa: E731 - taken apart by the loop below
        for k in range(order):
            g = cr.grad(g) if pattern >> k & 1 else d_forward(g)
        assert g(0.7) == pytest.approx(expected, rel=1e-12), bin(pattern)


# -- vmap ------------------------------------------------------------------------------------------


def test_axes_of_arguments_and_results():
    a, b = np.arange(12.0).reshape(3, 4), np.arange(4.0)
    expected = a @ b
    np.testing.assert_array_equal(cr.vmap(np.dot, (0, None))(a, b), expected)
    np.testing.assert_array_equal(cr.vmap(np.dot, (1, None))(a.T, b), expected)
    np.testing.assert_array_equal(cr.vmap(np.dot, (-1, None))(a.T, b), expected)
    tree = cr.vmap(
        lambda p, s: {"y": p["w"] * p["b"] + s, "s": s},
        ({"w": 0, "b": None}, None),
        {"y": 1, "s": None},
    )
    got = tree({"w": a, "b": b}, 2.0)
    np.testing.assert_array_equal(got["y"], (a * b + 2).T)
    assert got["s"] == 2.0
    np.testing.assert_array_equal(cr.vmap(lambda x: 7.0)(b), np.full(4, 7.0))
    np.testing.assert_array_equal(cr.vmap(lambda x, *, k: x * k)(b, k=b), b * b)


def test_maps_nest():
    a, b = np.arange(3.0), np.arange(4.0)
    outer = cr.vmap(cr.vmap(lambda x, y: x * y + 1, (None, 0)), (0, None))
    np.testing.assert_array_equal(outer(a, b), np.outer(a, b) + 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [(lambda: cr.vmap(np.add)(M, X), ShapeError, "argument 0 has 2 examples and argument 1 has 3"),
     (lambda: cr.vmap(lambda p: p["a"])({"a": X, "b": {"c": M}}), ShapeError,
      "argument 0.a has 3 examples and argument 0.b.c has 2"),
     (lambda: cr.vmap(np.sin)(1.0), ShapeError, r"argument 0 of shape \(\) has no axis 0"),
     (lambda: cr.vmap(np.sin, 2)(M), ShapeError, r"argument 0 of shape \(2, 3\) has no axis 2"),
     (lambda: cr.vmap(np.add, (0,))(X, X), ShapeError, "1 entries for 2 arguments"),
     (lambda: cr.vmap(np.add, None)(X, X), ShapeError, "no argument has examples"),
     (lambda: cr.vmap(np.sin, {"a": 0})(X), ShapeError, "in_axes"),
     (lambda: cr.vmap(np.sin, 0.5)(X), ShapeError, "holds 0.5; expected int or None"),
     (lambda: cr.vmap(np.sin, out_axes=None)(X), TraceError, "result differs between examples"),
     (lambda: cr.vmap(np.sin, out_axes=1)(X), ShapeError, "would have no axis 1"),
     (lambda: cr.vmap(lambda x: x if x > 0 else -x)(X), TraceError, "np.where.*cr.cond"),
     (lambda: cr.vmap(float)(X), TraceError, "float")],
)  # fmt: skip
def test_what_cannot_be_mapped_is_named(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert __import__("re").search(message, str(caught.value).replace("\n", " ")), caught.value


def test_a_condition_on_what_is_the_same_for_all_is_free():
    assert cr.vmap(lambda x, y: x if y > 0 else -x, (0, None))(X, 1.0).tolist() == X.tolist()


# -- all together ----------------------------------------------------------------------------------

COMPOSED = {
    "grad of vmap": cr.grad(lambda x: np.sum(cr.vmap(f)(np.stack([x, 2 * x])))),
    "vmap of grad": lambda x: cr.vmap(cr.grad(f))(np.stack([x, 2 * x])),
    "vmap of hessian": lambda x: cr.vmap(cr.hessian(f))(np.stack([x, 2 * x])),
    "jacobian of vmap": lambda x: cr.jacobian(cr.vmap(lambda x: np.sum(x * x)))(np.stack([x, x])),
    "vmap of jvp": lambda x: cr.vmap(lambda v: cr.jvp(f, (x,), (v,))[1])(np.eye(3)),
    "jvp of vmap": lambda x: cr.jvp(cr.vmap(np.sin), (x,), (x,))[1],
    "hvp": lambda x: cr.hvp(f, x, x),
    "hessian": cr.hessian(f),
    "jacobian": cr.jacobian(rows),
    "grad of jvp": cr.grad(lambda x: cr.jvp(f, (x,), (X,))[1]),
    "grad of a jacobian's norm": cr.grad(lambda x: np.sum(cr.jacobian(rows)(x) ** 2)),
    "grad of checkpoint of vmap": cr.grad(lambda x: np.sum(cr.checkpoint(cr.vmap(np.sin))(x))),
    "third derivatives": cr.jacobian(cr.hessian(f)),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_compositions_compile_to_what_they_are_eagerly(name):
    g = COMPOSED[name]
    np.testing.assert_allclose(cr.compile(g)(X), g(X), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", COMPOSED)
def test_compile_inside_of_a_transform_is_seen_through(name):
    inner = cr.compile(f)
    np.testing.assert_allclose(cr.hessian(inner)(X), cr.hessian(f)(X), rtol=1e-14)
    np.testing.assert_allclose(
        cr.compile(COMPOSED[name])(X), COMPOSED[name](X), rtol=1e-11, atol=1e-12
    )


def test_compositions_agree_with_their_parts():
    h = cr.hessian(f)(X)
    both = COMPOSED["vmap of hessian"](X)
    np.testing.assert_allclose(both[0], h, rtol=1e-14)
    np.testing.assert_allclose(both[1], cr.hessian(f)(2 * X), rtol=1e-14)
    np.testing.assert_allclose(COMPOSED["vmap of jvp"](X), cr.grad(f)(X), rtol=1e-13)
    np.testing.assert_allclose(COMPOSED["grad of jvp"](X), h @ X, rtol=1e-12)
    np.testing.assert_allclose(
        COMPOSED["grad of vmap"](X), cr.grad(f)(X) + 2 * cr.grad(f)(2 * X), rtol=1e-13
    )


def test_a_value_that_outlives_its_transform_is_refused():
    """Else it would count as a constant: a silent zero."""
    kept: list[Any] = []
    keep = lambda x: (kept.append(x), x * x)[1]  # noqa: E731 - used by three transforms
    cr.grad(keep)(2.0)
    cr.jvp(keep, (2.0,), (1.0,))
    cr.vmap(keep)(X)
    for old in kept:
        for g in (lambda x, old=old: old * 1.0, lambda x, old=old: x * old, lambda x, old=old: old):
            with pytest.raises(TraceError, match="has ended"):
                cr.jvp(g, (1.0,), (1.0,))
            with pytest.raises((TraceError, GradientError), match=r"has ended|one floating-point"):
                cr.grad(g)(1.0)
