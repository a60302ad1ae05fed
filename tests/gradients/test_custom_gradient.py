"""``cr.custom_gradient``: the user's backward pass, under every transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GradientError, ShapeError

X = np.array([0.3, -0.7, 1.1])


@cr.custom_gradient
def softplus(x: Any) -> Any:
    e = np.exp(x)
    return np.log(1 + e), lambda g: g * (1 - 1 / (1 + e))


def plain(x: Any) -> Any:
    return np.log(1 + np.exp(x))


def total(f: Any) -> Any:
    return lambda x: np.sum(f(x) ** 2)


TRANSFORMS = {
    "value": lambda f: f,
    "grad": lambda f: cr.grad(total(f)),
    "hessian": lambda f: cr.hessian(total(f)),
    "grad of grad": lambda f: cr.grad(lambda x: np.sum(cr.grad(total(f))(x) ** 2)),
    "jvp": lambda f: lambda x: cr.jvp(f, (x,), (x,))[1],
    "jacobian forward": lambda f: cr.jacobian(f, mode="forward"),
    "jacobian reverse": lambda f: cr.jacobian(f, mode="reverse"),
    "jacobian of jacobian": lambda f: cr.jacobian(cr.jacobian(f)),
    "vmap": cr.vmap,
    "vmap of grad": lambda f: cr.vmap(cr.grad(f)),
    "vmap of grad of grad": lambda f: cr.vmap(cr.grad(cr.grad(f))),
    "grad of vmap": lambda f: cr.grad(total(cr.vmap(f))),
    "hessian of vmap": lambda f: cr.hessian(total(cr.vmap(f))),
    "vmap of jvp": lambda f: cr.vmap(lambda x: cr.jvp(f, (x,), (2.0,))[1]),
    "jvp of vmap": lambda f: lambda x: cr.jvp(cr.vmap(f), (x,), (x,))[1],
    "checkpoint": lambda f: cr.grad(total(cr.checkpoint(lambda x: f(f(x))))),
    "hessian of checkpoint": lambda f: cr.hessian(total(cr.checkpoint(lambda x: f(f(x))))),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_right_rule_gives_what_the_function_itself_gives(name):
    transform = TRANSFORMS[name]
    expected = transform(plain)(X)
    np.testing.assert_allclose(transform(softplus)(X), expected, rtol=1e-11)
    np.testing.assert_allclose(cr.compile(transform(softplus))(X), expected, rtol=1e-11)


@cr.custom_gradient
def tripled(x: Any) -> Any:
    return x * 1.0, lambda g: 3 * g


@pytest.mark.parametrize(
    "slope",
    [cr.grad(tripled), cr.compile(cr.grad(tripled)), lambda x: cr.jvp(tripled, (x,), (1.0,))[1],
     lambda x: cr.vmap(cr.grad(tripled))(np.array([x]))[0],
     cr.grad(lambda x: np.sum(cr.vmap(tripled)(np.stack([x])))),
     lambda x: cr.jacobian(cr.vmap(tripled), mode="forward")(np.array([x]))[0, 0],
     cr.grad(lambda x: cr.jvp(lambda y: tripled(y) * x, (1.0,), (1.0,))[1])],
)  # fmt: skip
def test_the_users_rule_is_the_one_that_is_used(slope):
    """It says 3 where the function itself would say 1."""
    assert slope(2.0) == 3.0


def test_trees_integers_and_several_arguments():
    @cr.custom_gradient
    def scaled(p: Any, k: Any, factor: Any = 1.0) -> Any:
        def backward(g: Any) -> Any:
            return {"w": g["y"] * k, "b": np.sum(g["z"])}, None

        return {"y": p["w"] * k * factor, "z": p["b"] * np.ones(2)}, backward

    def loss(p: Any) -> Any:
        y = scaled(p, 2)
        return np.sum(y["y"] ** 2) + np.sum(y["z"])

    got = cr.grad(loss)({"w": X, "b": 1.0})
    np.testing.assert_allclose(got["w"], 8 * X)
    assert got["b"] == 2.0
    value, tangent = cr.jvp(lambda p: scaled(p, 2), ({"w": X, "b": 1.0},), ({"w": X, "b": 3.0},))
    np.testing.assert_allclose(tangent["y"], 2 * X)
    np.testing.assert_allclose(tangent["z"], [3.0, 3.0])
    assert value["z"].tolist() == [1.0, 1.0]


def test_what_is_the_same_for_all_examples_gets_the_sum_of_their_cotangents():
    @cr.custom_gradient
    def product(a: Any, b: Any) -> Any:
        return a * b, lambda g: (g * b, g * a)

    got = cr.grad(lambda b: np.sum(cr.vmap(product, (0, None))(X, b)))(2.0)
    assert got == pytest.approx(np.sum(X))


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [(lambda x: x, GradientError, r"expected \(value, backward\)"),
     (lambda x: (x, 3), GradientError, r"expected \(value, backward\)"),
     (lambda x: (x, lambda g: (g, g)), GradientError, "expected a tree like"),
     (lambda x: (x, lambda g: (g, g, g)), GradientError, "expected a tree like"),
     (lambda x: (x, lambda g: np.ones(2)), ShapeError, r"of argument 0 .*the shape \(3,\)"),
     (lambda x: (x, lambda g: None), GradientError, "argument 0 .*is None"),
     (lambda x: (x, lambda g: {"a": g}), GradientError, "expected a tree like")],
)  # fmt: skip
def test_a_rule_that_does_not_fit_is_named(f, error, message):
    with pytest.raises(error, match=message):
        cr.grad(lambda x: np.sum(cr.custom_gradient(f)(x)))(X)


def test_a_differentiated_value_that_is_no_argument_is_refused():
    """Its gradient would follow the function's own operations and not the user's rule."""

    def loss(w: Any) -> Any:
        @cr.custom_gradient
        def scaled(x: Any) -> Any:
            return x * w, lambda g: g * w

        return np.sum(scaled(X)) + np.sum(scaled(w * X))

    with pytest.raises(GradientError, match=r"scaled .*not one of its arguments"):
        cr.grad(loss)(2.0)
