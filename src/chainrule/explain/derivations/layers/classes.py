"""Softmax, cross-entropies and the elements of labels: where p − y comes from."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.explain.derivations.layers.by_name import (
    Forms,
    Names,
    full,
)
from chainrule.explain.derivations.layers.cotangent import (
    Cotangent,
    by_row,
    rows,
    spread,
    summed,
)
from chainrule.explain.derivations.layers.values import Value
from chainrule.explain.notation import (
    Apply,
    Expr,
    Ones,
    hadamard,
    matmul,
    multiply,
    negative,
    subtract,
    transpose,
)


def _rank(v: Value) -> int:
    return v.inputs[0].rank


def write_softmax(v: Value, xs: Forms, names: Names) -> Expr:
    """softmax(z)."""
    return Apply("softmax", xs)


def back_softmax(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """p ⊙ (g - pᵀ g), of each row on its own."""
    whole = full(v, g)
    if v.rank == 1:
        return Cotangent(hadamard(y, subtract(whole, matmul(transpose(y), whole))))
    one = Ones(v.shape[-1])
    mean = matmul(hadamard(y, whole), one, transpose(one))
    return Cotangent(hadamard(y, subtract(whole, mean)))


def _stable_log_softmax(z: Any) -> Any:
    axis = 0 if np.ndim(z) == 2 and np.shape(z)[1] == 1 else -1
    below = z - np.max(z, axis=axis, keepdims=True)
    return below - np.log(np.sum(np.exp(below), axis=axis, keepdims=True))


def write_log_softmax(v: Value, xs: Forms, names: Names) -> Expr:
    """log softmax(z)."""
    return Apply("log softmax", xs, _stable_log_softmax)


def back_log_softmax(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """g - p Σ g, of each row on its own."""
    whole, p = full(v, g), names.probability(v.inputs[0])
    if v.rank == 1:
        total = summed(g.formula, g.uniform, v.shape)
        return Cotangent(subtract(whole, multiply(total, p)))
    sums = Cotangent(rows(whole, False, v.shape[-1]))
    return Cotangent(subtract(whole, by_row(sums, p, 2).formula))


#: log p of a p so close to 1 that this is left of it loses its digits.
_SMALL: Final = 1e-4


def _log_of(v: Value, names: Names) -> Expr | None:
    """log p of the softmax, where no p is too small for it."""
    z = v.inputs[0].data
    spans = np.max(z, axis=-1) - np.min(z, axis=-1)
    is_exact = z.ndim <= 2 and bool(np.all(spans < 30)) and bool(np.all(v.data > _SMALL))
    return Apply("log", (names.probability(v.inputs[0]),)) if is_exact else None


def _write_cross(v: Value, target: Expr, xs: Forms, names: Names) -> Expr:
    logs = _log_of(v, names) or Apply("log softmax", (xs[0],), _stable_log_softmax)
    if _rank(v) == 1:
        return negative(matmul(transpose(target), logs))
    return negative(matmul(hadamard(target, logs), Ones(v.inputs[0].shape[-1])))


def _target(v: Value, xs: Forms, names: Names) -> Expr:
    if v.op == "soft_cross_entropy":
        return spread(xs[1], v.inputs[1].uniform, v.inputs[0].shape)
    return names.one_hot(v.inputs[1], v.inputs[0].shape[-1])


def write_cross_entropy(v: Value, xs: Forms, names: Names) -> Expr:
    """-e_yᵀ log p; of a batch one number for each row."""
    return _write_cross(v, _target(v, xs, names), xs, names)


def back_cross_entropy(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """g (p - y)."""
    if k:
        return None
    error = subtract(names.probability(v.inputs[0]), _target(v, xs, names))
    return by_row(g, error, _rank(v))


def write_binary(v: Value, xs: Forms, names: Names) -> Expr:
    """-y log p - (1 - y) log (1 - p)."""
    z, y = xs
    if np.all(np.abs(v.inputs[0].data) < 15) and np.all(v.data > _SMALL):
        p = names.probability(v.inputs[0])
        yes, no = Apply("log", (p,)), Apply("log", (subtract(1, p),))
    else:
        yes, no = (Apply("log σ", (s,), _log_sigmoid) for s in (z, negative(z)))
    product = hadamard if v.rank else multiply
    return subtract(negative(product(y, yes)), product(subtract(1, y), no))


def _log_sigmoid(z: Any) -> Any:
    return -np.logaddexp(0, -z)


def back_binary(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """g (p - y)."""
    if k:
        return None
    error = subtract(names.probability(v.inputs[0]), xs[1])
    if g.uniform or v.rank == 0:
        return Cotangent(multiply(g.formula, error))
    return Cotangent(hadamard(g.formula, error))


def write_pick(v: Value, xs: Forms, names: Names) -> Expr:
    """e_yᵀ x."""
    x = v.inputs[0]
    form, hot = spread(xs[0], x.uniform, x.shape), names.one_hot(v.inputs[1], x.shape[-1])
    if x.rank == 1:
        return matmul(transpose(hot), form)
    return matmul(hadamard(form, hot), Ones(x.shape[-1]))


def back_pick(v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names) -> Cotangent | None:
    """g e_y."""
    x = v.inputs[0]
    return None if k else by_row(g, names.one_hot(v.inputs[1], x.shape[-1]), x.rank)


def _stable_logsumexp(z: Any) -> Any:
    axis = 0 if np.ndim(z) == 2 and np.shape(z)[1] == 1 else -1
    top = np.max(z, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(z - top), axis=axis, keepdims=True)) + top
    return total.reshape(()) if total.size == 1 else total


def write_logsumexp(v: Value, xs: Forms, names: Names) -> Expr:
    """log Σ exp."""
    return Apply("logsumexp", xs, _stable_logsumexp)


def back_logsumexp(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """g p."""
    return by_row(g, names.probability(v.inputs[0]), _rank(v))
