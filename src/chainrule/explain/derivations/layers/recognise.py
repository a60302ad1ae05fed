"""Larger pieces by their pattern: rectifiers, softmax, cross-entropies, means, whoever wrote them.

Each recogniser looks at one new value and at what it is made of; pieces that have been recognised
before are parts of larger ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.explain.derivations.layers.patterns_labels import picked, taken
from chainrule.explain.derivations.layers.patterns_moves import convolution, moved
from chainrule.explain.derivations.layers.patterns_softmax import (
    binary_cross_entropy,
    cross_entropy,
    log_likelihood,
    log_of_softmax,
    log_softmax,
    logsumexp,
    soft_cross_entropy,
    softmax,
    whole_logsumexp,
)
from chainrule.explain.derivations.layers.values import POINTWISE_OPS, Maker, Value

_Recogniser = Callable[[Value, Maker], Value | None]
_CLOSE: Final = 1e-9
_OF_MATRICES: Final = frozenset(
    ("pick", "logsumexp", "log_softmax", "cross_entropy", "soft_cross_entropy")
)


def recognised(value: Value, make: Maker) -> Value:
    """The value as a larger piece if it is one; else as it is."""
    for recogniser in _BY_OP.get(value.op, ()):
        found = recogniser(value, make)
        if found is not None and found.shape == value.shape and not _is_tensor_piece(found):
            return found if found is value else recognised(found, make)
    return value


def _is_tensor_piece(v: Value) -> bool:
    """Of more axes than a matrix has, these pieces have no form in matrices."""
    return v.op in _OF_MATRICES and v.inputs[0].rank > 2


def _neutral(v: Value, make: Maker) -> Value | None:
    """x + 0, x - 0, 1 · x, x / 1."""
    a, b = v.inputs
    neutral = 0.0 if v.op in ("add", "subtract") else 1.0
    if b.number == neutral:
        return a
    return b if a.number == neutral and v.op in ("add", "multiply") else None


def _square(v: Value, make: Maker) -> Value | None:
    a, b = v.inputs
    is_square = a is b if v.op == "multiply" else b.number == 2
    return make("square", (a,), v.data) if is_square else None


def _signed_product(v: Value, make: Maker) -> Value | None:
    """(-w) x is -(w x)."""
    a, b = v.inputs
    if a.op != "negative" and b.op != "negative":
        return None
    bare = tuple(x.inputs[0] if x.op == "negative" else x for x in (a, b))
    sign = -1 if (a.op == "negative") != (b.op == "negative") else 1
    product = recognised(make("dot", bare, sign * v.data, v.call, **v.attributes), make)
    return product if sign > 0 else make("negative", (product,), v.data, np.negative)


def _twice(v: Value, make: Maker) -> Value | None:
    """-(-x)."""
    (x,) = v.inputs
    return x.inputs[0] if x.op == "negative" else None


def _negative_inside(v: Value, make: Maker) -> Value | None:
    """Σ -x is -Σ x, the mean too."""
    (x,) = v.inputs
    if x.op != "negative":
        return None
    total = recognised(make(v.op, x.inputs, -v.data, v.call, **v.attributes), make)
    return make("negative", (total,), v.data, np.negative)


def _rectifier(v: Value, make: Maker) -> Value | None:
    """max(x, 0); 0 where x is below 0; x · (x > 0)."""
    match v.op, v.inputs:
        case "maximum", (a, b):
            x = b if a.number == 0 else a if b.number == 0 else None
        case "where", (condition, a, b):
            below = a.number == 0 and _compares(condition, b, ("less", "less_equal"))
            above = b.number == 0 and _compares(condition, a, ("greater", "greater_equal"))
            x = b if below else a if above else None
        case "multiply", (a, b):
            x = a if _is_mask(b, a) else b if _is_mask(a, b) else None
        case _:
            x = None
    if x is None or not x.live or _differs_at_zero(v, x):
        return None
    return make("relu", (x,), v.data, _relu)


def _differs_at_zero(v: Value, x: Value) -> bool:
    """Whether an x that is 0 has here another slope than 𝟏[x > 0], which is 0."""
    if np.all(x.data != 0):
        return False
    if v.op != "where":
        return True
    condition, chosen, _ = v.inputs
    return condition.op != ("less_equal" if chosen.number == 0 else "greater")


def _relu(x: Any) -> Any:
    return np.maximum(x, 0)


def _guarded(v: Value, make: Maker) -> Value | None:
    """where(c, a, f(where(c, 0, x))) is where(c, a, f(x)): the guard is for the other branch.

    Only where f(x) is finite at every element, so that what is printed can be evaluated.
    """
    condition, a, b = v.inputs
    bare_a, bare_b = _bare(a, condition, 1, make, 6), _bare(b, condition, 2, make, 6)
    if (bare_a is a and bare_b is b) or v.call is None:
        return None
    if not all(np.isfinite(x.data).all() for x in (bare_a, bare_b)):
        return None
    return make("where", (condition, bare_a, bare_b), v.data, v.call)


def _bare(x: Value, condition: Value, branch: int, make: Maker, deep: int) -> Value:
    """A branch without guards by the same condition."""
    if not deep or not x.live or x.op not in POINTWISE_OPS:
        return x
    if x.op == "where" and x.inputs[0] is condition:
        return x.inputs[branch]
    inputs = tuple(_bare(y, condition, branch, make, deep - 1) for y in x.inputs)
    if all(a is b for a, b in zip(inputs, x.inputs, strict=True)) or x.call is None:
        return x
    with np.errstate(all="ignore"):
        data = x.call(*(np.broadcast_to(y.data, x.shape) for y in inputs))
    return make(x.op, inputs, data, x.call, **x.attributes)


def _compares(condition: Value, x: Value, ops: tuple[str, ...]) -> bool:
    turned = {"less": "greater", "greater": "less"}
    if condition.op in ops:
        return condition.inputs[0] is x and condition.inputs[1].number == 0
    stem, _, rest = condition.op.partition("_")
    swapped = "_".join(filter(None, (turned.get(stem, stem), rest)))
    return swapped in ops and condition.inputs[1] is x and condition.inputs[0].number == 0


def _is_mask(mask: Value, x: Value) -> bool:
    kind = ("greater", "greater_equal")
    return mask.op == "cast" and _compares(mask.inputs[0], x, kind)


def _logistic(v: Value, make: Maker) -> Value | None:
    """1 / (1 + e⁻ˣ)."""
    top, bottom = v.inputs
    if top.number != 1 or bottom.op != "add":
        return None
    for one, e in (bottom.inputs, bottom.inputs[::-1]):
        if one.number == 1 and e.op == "exp":
            inner = e.inputs[0]
            x = inner.inputs[0] if inner.op == "negative" else None
            return None if x is None else make("sigmoid", (x,), v.data)
    return None


def _mean(v: Value, make: Maker) -> Value | None:
    """A sum over as many as it is divided by, in whatever order that was done."""
    total, scale = _scaled(v)
    if total is None or total.op != "sum":
        return None
    (summed,), inner = total.inputs, 1.0
    n = int(np.prod([summed.shape[k] for k in total.attributes["axes"]], dtype=np.int64))
    factor = _uniform_factor(summed)
    if factor is not None and not np.isclose(scale * n, 1, rtol=_CLOSE, atol=0):
        summed, inner = factor
    if n < 2 or not np.isclose(scale * inner * n, 1, rtol=_CLOSE, atol=0):
        return None
    return make("mean", (summed,), v.data, axes=total.attributes["axes"], n=n)


def _sum_of_shares(v: Value, make: Maker) -> Value | None:
    """Σ xᵢ · 1/n."""
    (x,) = v.inputs
    factor = _uniform_factor(x)
    n = int(np.prod([x.shape[k] for k in v.attributes["axes"]], dtype=np.int64))
    if factor is None or n < 2 or not np.isclose(factor[1] * n, 1, rtol=_CLOSE, atol=0):
        return None
    return make("mean", (factor[0],), v.data, axes=v.attributes["axes"], n=n)


def _scaled(v: Value) -> tuple[Value | None, float]:
    a, b = v.inputs
    if v.op == "divide":
        return (a, 1 / b.number) if b.number else (None, 0.0)
    if a.number is not None:
        return b, a.number
    return (a, b.number) if b.number is not None else (None, 0.0)


def _uniform_factor(v: Value) -> tuple[Value, float] | None:
    if v.op != "multiply":
        return None
    a, b = v.inputs
    if b.number is not None:
        return a, b.number
    return (b, a.number) if a.number is not None else None


_BY_OP: Final[dict[str, tuple[_Recogniser, ...]]] = {
    "add": (_neutral, whole_logsumexp, binary_cross_entropy),
    "subtract": (_neutral, cross_entropy, log_softmax, binary_cross_entropy),
    "multiply": (_neutral, _square, _rectifier, _mean),
    "divide": (_neutral, _logistic, softmax, _mean),
    "power": (_square,),
    "maximum": (_rectifier,),
    "where": (_rectifier, _guarded),
    "log": (log_likelihood, log_of_softmax, logsumexp),
    "sum": (_sum_of_shares, picked, log_likelihood, _negative_inside, soft_cross_entropy),
    "take": (taken,),
    **dict.fromkeys(("broadcast", "reshape", "transpose", "slice", "pad", "shear"), (moved,)),
    "dot": (_signed_product, convolution),
    "negative": (_twice, binary_cross_entropy),
    "pick": (log_likelihood,),
    "mean": (_negative_inside,),
}
