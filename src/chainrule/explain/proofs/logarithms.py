"""log of a linear form, in its simplest shape: a log-sum-exp, a difference of logarithms, log u."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs import laws
from chainrule.explain.proofs.forms import Forms, choose, constants, stacked
from chainrule.explain.proofs.intervals import Interval
from chainrule.explain.proofs.workspace import Array, Workspace
from chainrule.ir.graph import Node


def log_form(w: Workspace, u: Forms, x: Interval, node: Node, restrict: Callable[..., None],
             depth: int = 0) -> Forms:  # fmt: skip
    """log u, row by row: each row by the first of the rules that fits."""
    kinds = [
        (u.count == 0, _of_number),
        (_is_sum_of_exp(w, u), _of_exponentials),
        (_is_lone(w, u, ("ratio", "sigmoid", "power")) & (depth < 4), _of_quotient),
        (np.ones(u.size, bool), _plain),
    ]
    found, left = constants(np.zeros(u.size)), np.ones(u.size, bool)
    for fits, rule in kinds:
        rows = np.flatnonzero(fits & left)
        left = left & ~fits
        if rows.size:
            part = rule(w, u.take(rows), _rows_of(x, rows), node, restrict, depth)
            place = np.full(u.size, -1)
            place[rows] = np.arange(rows.size)
            found = choose([found, part.take(place)], (place >= 0).astype(int))
    return found


def _rows_of(x: Interval, rows: Array) -> Interval:
    return x.each(lambda v: v[rows])


def _of_number(w: Workspace, u: Forms, *_: Any) -> Forms:
    with np.errstate(all="ignore"):
        return constants(np.log(u.constant))


def _is_sum_of_exp(w: Workspace, u: Forms) -> Array:
    """Σ c eᵃ + c₀ with c > 0 and c₀ >= 0."""
    entry = w.atoms.is_kind(u, "exp") & (u.sign() > 0)
    return np.asarray(u.all_entries(entry) & (u.constant >= u.doubt) & (u.count > 0))


def _of_exponentials(w: Workspace, u: Forms, x: Interval, node: Node, *_: Any) -> Forms:
    """log Σ c eᵃ is the log-sum-exp of a + log c."""
    inner = w.atoms.arguments_of(u.atom).shifted(np.log(u.value))
    ones = np.flatnonzero(u.constant > 0)
    more = constants(np.log(u.constant[ones]))
    of_row = np.concatenate([u.row, ones])
    order = np.argsort(of_row, kind="stable")
    rows = stacked([inner, more]).take(order)
    return w.log_sum_exp(rows, np.searchsorted(of_row[order], np.arange(u.size + 1)), node)


def _is_lone(w: Workspace, u: Forms, kinds: tuple[str, ...]) -> Array:
    """Rows of one such atom and a constant, whose divisor is positive for certain."""
    entry = np.logical_or.reduce([w.atoms.is_kind(u, kind) for kind in kinds])
    for k in np.flatnonzero(entry):
        block, i = w.atoms.of(u.atom[k])
        if block.kind == "ratio":
            divisor = block.arguments[1].take(np.array([i]))
            entry[k] = bool(_is_sum_of_exp(w, divisor)[0]) or bool(block.parameter > 0)
        elif block.kind == "power":
            assert block.range is not None
            divisor = block.arguments[0].take(np.array([i]))
            positive = bool(_is_sum_of_exp(w, divisor)[0]) or bool(block.range.positive[i])
            entry[k] = positive and block.parameter == -1
    return np.asarray((u.count == 1) & u.all_entries(entry))


def _of_quotient(w: Workspace, u: Forms, x: Interval, node: Node, restrict: Any,
                 depth: int) -> Forms:  # fmt: skip
    """log(c a / b + d) is log(c a + d b) - log b."""
    above, below = zip(*(_quotient(w, u.atom[k], node) for k in range(u.size)), strict=True)
    a, b = stacked(above), stacked(below)
    top = a.scaled(u.value).plus(b.scaled(u.constant))
    bottom = log_form(w, b, _positive(u.size), node, restrict, depth + 1)
    # b > 0, so a c + d b has the sign of u itself.
    sure = x.positive
    at = Interval(np.where(sure, 0.0, -np.inf), np.full(u.size, np.inf), sure)
    return log_form(w, top, at, node, restrict, depth + 1).plus(bottom, -1.0)


def _positive(n: int) -> Interval:
    return iv.between(np.zeros(n), np.full(n, np.inf), np.ones(n, bool))


def _quotient(w: Workspace, atom: int, node: Node) -> tuple[Forms, Forms]:
    """(above, below); the sigmoid is 1 / (1 + e⁻ᶻ)."""
    block, i = w.atoms.of(atom)
    row = np.array([i])
    if block.kind == "ratio":
        return block.arguments[0].take(row), block.arguments[1].take(row)
    if block.kind == "power":
        return constants(np.ones(1)), block.arguments[0].take(row)
    z = block.arguments[0].take(row).scaled(-1.0)
    return constants(np.ones(1)), w.exp(z, iv.everything((1,)), node).shifted(1.0)


def _plain(w: Workspace, u: Forms, x: Interval, node: Node, restrict: Any, depth: int) -> Forms:
    """log is concave and rising; its argument is positive wherever f has a value."""
    restrict(w, node, u, x, "positive")
    return w.unary("log", u, x.met(0.0, np.inf), laws.UNARY["log"], node)
