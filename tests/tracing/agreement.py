"""What a function of arrays is held to: NumPy's value, differences, and its compiled form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

Array = Any


def draw(*shape: int, seed: int = 0) -> Array:
    """Normal numbers."""
    return np.random.default_rng((seed, *shape)).normal(size=shape)


def _parts(y: Any) -> tuple[Any, ...]:
    return tuple(y) if isinstance(y, tuple) else (y,)


def weighted(f: Callable[..., Any], *args: Array) -> Callable[..., Any]:
    """A number made of everything that f returns, with random weights."""
    weights = [draw(*np.shape(y), seed=k + 1) for k, y in enumerate(_parts(f(*args)))]

    def total(*xs: Array) -> Any:
        return sum(np.sum(y * w) for y, w in zip(_parts(f(*xs)), weights, strict=True))

    return total


def check_gradient(f: Callable[..., Any], *args: Array) -> None:
    """The value is NumPy's, the gradient along a random direction the central difference."""
    total, every = weighted(f, *args), tuple(range(len(args)))
    value, gradient = cr.value_and_grad(total, argnums=every)(*args)
    np.testing.assert_allclose(value, total(*args), rtol=1e-10, atol=1e-10)
    _check_slope(total, gradient, args)


def check_second(f: Callable[..., Any], *args: Array) -> None:
    """The same of the gradient's own product with a direction."""
    total, every = weighted(f, *args), tuple(range(len(args)))
    directions = [draw(*x.shape, seed=7) for x in args]

    def slope(*xs: Array) -> Any:
        found = cr.grad(total, argnums=every)(*xs)
        return sum(np.sum(g * v) for g, v in zip(found, directions, strict=True))

    _check_slope(slope, cr.grad(slope, argnums=every)(*args), args, rtol=1e-5)


def _check_slope(
    total: Callable[..., Any], gradient: Any, args: tuple[Array, ...], rtol: float = 1e-6
) -> None:
    h = 1e-6  # balances truncation h² with rounding eps / h in f64
    directions = [draw(*x.shape, seed=8) for x in args]
    ahead, behind = (
        total(*(x + s * h * v for x, v in zip(args, directions, strict=True))) for s in (1, -1)
    )
    along = sum(np.sum(g * v) for g, v in zip(gradient, directions, strict=True))
    size = 1 + abs(along)
    assert abs(along - (ahead - behind) / (2 * h)) < rtol * size
    for g, x in zip(gradient, args, strict=True):
        assert (g.shape, g.dtype) == (x.shape, x.dtype)


def check_compiled(f: Callable[..., Any], *args: Array, rtol: float = 1e-9) -> None:
    """Value and gradient of the compiled function are the eager ones."""
    total, every = weighted(f, *args), tuple(range(len(args)))
    both = cr.value_and_grad(total, argnums=every)
    value, gradient = cr.compile(both)(*args)
    expected, eager = both(*args)
    np.testing.assert_allclose(value, expected, rtol=rtol, atol=rtol)
    for got, want in zip(gradient, eager, strict=True):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=10 * rtol)
