"""Softmax, log-sum-exp and cross-entropies, by their pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.explain.derivations.layers.patterns_labels import leaves_of
from chainrule.explain.derivations.layers.values import Maker, Value

_Recogniser = Callable[[Value, Maker], Value | None]


def unspread(v: Value) -> Value:
    """What a value repeats along its rows; itself if it repeats nothing."""
    is_column = v.op == "broadcast" and v.attributes["axes"] == tuple(range(v.rank - 1))
    is_number = v.op == "broadcast" and v.attributes["axes"] == ()
    return v.inputs[0] if is_column or is_number else v


def shifted(v: Value) -> Value:
    """z of z - max z, which softmax and log-sum-exp do not see; others as they are."""
    if v.op == "subtract":
        z = v.inputs[0]
        if _is_top(unspread(v.inputs[1]), z):
            return z
    return v


def _is_top(top: Value, z: Value) -> bool:
    """max z along the last axis, held fixed, and guarded against infinities or not."""
    if top.op == "stop_gradient":
        (top,) = top.inputs
    if top.op == "where":
        top = top.inputs[1]
    return top.op == "max" and top.inputs[0] is z and top.attributes["axes"] == (z.rank - 1,)


def _log_total(v: Value) -> Value | None:
    """x of log Σ eˣ along the last axis."""
    if v.op != "log" or v.inputs[0].op != "sum":
        return None
    (total,) = v.inputs
    (e,) = total.inputs
    is_last = total.attributes["axes"] == (e.rank - 1,)
    return e.inputs[0] if is_last and e.op == "exp" else None


def logsumexp(v: Value, make: Maker) -> Value | None:
    """log Σ eˣ, where nothing was taken away from x."""
    x = _log_total(v)
    return None if x is None or shifted(x) is not x else make("logsumexp", (x,), v.data)


def whole_logsumexp(v: Value, make: Maker) -> Value | None:
    """log Σ e^(x - max x) + max x."""
    for a, b in (v.inputs, v.inputs[::-1]):
        x = _log_total(a)
        z = None if x is None else shifted(x)
        if z is not None and z is not x and _is_top(b, z):
            return make("logsumexp", (z,), v.data)
    return None


def _log_total_of(v: Value) -> Value | None:
    return v.inputs[0] if v.op == "logsumexp" else _log_total(v)


def softmax(v: Value, make: Maker) -> Value | None:
    """eᶻ / Σ eᶻ along the last axis."""
    e, total = v.inputs[0], unspread(v.inputs[1])
    if e.op == "pick":
        return _picked_quotient(v, make)
    if e.op != "exp" or total.op != "sum" or total.inputs[0] is not e:
        return None
    if total.attributes["axes"] != (e.rank - 1,):
        return None
    return make("softmax", (shifted(e.inputs[0]),), v.data, _softmax_of)


def _picked_quotient(v: Value, make: Maker) -> Value | None:
    """(eᶻ)[y] / Σ eᶻ is softmax(z)[y]."""
    (e, label), total = v.inputs[0].inputs, v.inputs[1]
    if e.op != "exp" or total.op != "sum" or total.inputs[0] is not e:
        return None
    if total.attributes["axes"] != (e.rank - 1,):
        return None
    z = shifted(e.inputs[0])
    p = make("softmax", (z,), _softmax_of(z.data), _softmax_of)
    return make("pick", (p, label), v.data)


def _softmax_of(z: Any) -> Any:
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def log_softmax(v: Value, make: Maker) -> Value | None:
    """z - log Σ eᶻ."""
    x, log_total = v.inputs[0], _log_total_of(unspread(v.inputs[1]))
    if log_total is None or shifted(x) is not shifted(log_total) or x.shape != log_total.shape:
        return None
    if (x is shifted(x)) != (log_total is shifted(log_total)):
        return None
    return make("log_softmax", (shifted(x),), v.data)


def log_of_softmax(v: Value, make: Maker) -> Value | None:
    """The logarithm of a softmax."""
    (x,) = v.inputs
    return make("log_softmax", x.inputs, v.data) if x.op == "softmax" else None


def cross_entropy(v: Value, make: Maker) -> Value | None:
    """log Σ eᶻ - z[y]."""
    log_total, chosen = v.inputs
    x = _log_total_of(log_total)
    if x is None or chosen.op != "pick" or shifted(chosen.inputs[0]) is not shifted(x):
        return None
    if (x is shifted(x)) != (chosen.inputs[0] is shifted(x)):
        return None
    return make("cross_entropy", (shifted(x), chosen.inputs[1]), v.data)


def log_likelihood(v: Value, make: Maker) -> Value | None:
    """log_softmax(z)[y], log(softmax(z)[y]) and Σ q log p are what the cross-entropy is less."""
    x = v.inputs[0]
    if v.op == "pick" and x.op == "log_softmax" and x.rank <= 2:
        return _less(make("cross_entropy", (x.inputs[0], v.inputs[1]), -v.data), v, make)
    if v.op == "log" and x.op == "pick" and x.inputs[0].op == "softmax":
        z = x.inputs[0].inputs[0]
        return _less(make("cross_entropy", (z, x.inputs[1]), -v.data), v, make)
    soft = _soft(v) if v.op == "sum" and v.inputs[0].rank <= 2 else None
    return _less(make("soft_cross_entropy", soft, -v.data), v, make) if soft else None


def _less(loss: Value, v: Value, make: Maker) -> Value:
    return make("negative", (loss,), v.data, np.negative)


def _soft(v: Value) -> tuple[Value, Value] | None:
    """(z, q) of Σⱼ qⱼ log pⱼ along the last axis; q is not differentiated."""
    (x,) = v.inputs
    if x.op != "multiply" or v.attributes["axes"] != (x.rank - 1,):
        return None
    for q, log_p in (x.inputs, x.inputs[::-1]):
        if log_p.op == "log_softmax" and not q.live and _sums_to_one(q):
            return log_p.inputs[0], q
    return None


def _sums_to_one(q: Value) -> bool:
    sums = np.sum(q.data, axis=-1) if q.rank else np.array(0.0)
    return bool(np.allclose(sums, 1, rtol=1e-12, atol=0))


def soft_cross_entropy(v: Value, make: Maker) -> Value | None:
    """Σⱼ qⱼ (log Σ eᶻ - zⱼ)."""
    (x,) = v.inputs
    if x.op != "multiply" or v.attributes["axes"] != (x.rank - 1,):
        return None
    for q, surprise in (x.inputs, x.inputs[::-1]):
        if surprise.op != "subtract" or q.live or not _sums_to_one(q):
            continue
        log_total, z = _log_total_of(unspread(surprise.inputs[0])), surprise.inputs[1]
        if log_total is not None and log_total is z:
            return make("soft_cross_entropy", (shifted(z), q), v.data)
    return None


def binary_cross_entropy(v: Value, make: Maker) -> Value | None:
    """softplus(±z) + (h - y) z; softplus(z) - y z; -y log p - (1 - y) log(1 - p)."""
    for z in _logits(v):
        for y in leaves_of(v):
            if y.live or y.shape not in (v.shape, ()):
                continue
            with np.errstate(all="ignore"):
                same = np.logaddexp(0, z.data) - y.data * z.data
            if np.allclose(v.data, same, rtol=1e-10, atol=1e-12) and _is_cross(v, z):
                return make("binary_cross_entropy", (z, y), v.data)
    return None


def _logits(v: Value) -> Iterator[Value]:
    """What a softplus or the logarithm of a sigmoid in the terms of a sum is taken of."""
    parts = list(_parts(v))
    logs = [x for x in parts if x.op == "log"]
    for x in parts:
        if x.op == "softplus":
            (inner,) = x.inputs
            yield from (z for z in (inner, *inner.inputs) if z.live and z.shape == v.shape)
        if x.op == "log" and x.inputs[0].op == "sigmoid" and len(logs) == 2:
            yield x.inputs[0].inputs[0]


def _parts(v: Value, stop: Value | None = None, deep: int = 6) -> Iterator[Value]:
    """The factors of the terms of a sum; z itself is not taken apart."""
    if deep and v is not stop and v.op in ("add", "subtract", "multiply", "negative"):
        for x in v.inputs:
            yield from _parts(x, stop, deep - 1)
    else:
        yield v


def _is_cross(v: Value, z: Value) -> bool:
    """Whether nothing else is in the terms: the softplus or logarithms, z, labels and numbers."""
    return all(
        x is z or not x.live or (x.op in ("softplus", "log") and _depends(x, z))
        for x in _parts(v, z)
    )


def _depends(x: Value, z: Value) -> bool:
    """Whether x is made of z by signs, sigmoids and 1 - p alone."""
    if x is z or not x.live:
        return True
    plain = ("softplus", "log", "sigmoid", "subtract", "multiply", "negative")
    return x.op in plain and all(_depends(inner, z) for inner in x.inputs)
