"""Laws of every record's derivatives and of its form for many examples.

A record that is added to the table is held to them with no test edited; an exception needs its
reason here, in words.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GradientError
from chainrule.ops import NoGradient, Primitive, bind
from tests.compiler.programs import F64
from tests.ops.cases import RECORDS, WITHOUT, Case, fixed

#: Their rule is not what differences say, and why.
ON_REQUEST = {"stop_gradient": "its derivative is 0 because the user asks for that"}
EXAMPLES = 3


def by_name(records: list[Primitive]) -> Any:
    return pytest.mark.parametrize("record", records, ids=lambda r: r.name)


def _moving(case: Case) -> list[int]:
    """The operands that have a derivative: floating-point ones with a rule."""
    if isinstance(case.record.vjp, NoGradient) or not case.node().type.is_float:
        return []
    rules = case.record.vjp
    return [k for k, t in enumerate(case.types) if t.is_float and rules[k] is not None]


def _function(case: Case, operands: list[Any], places: list[int]) -> Callable[..., Any]:
    """The operation as a function of some of its operands."""

    def f(*xs: Any) -> Any:
        given = dict(zip(places, xs, strict=True))
        values = [given.get(k, x) for k, x in enumerate(operands)]
        return bind(case.record.name, *values, **case.attributes)

    return f


def _coarsest(case: Case) -> float:
    types = [*case.types, case.node().type]
    return float(max(np.finfo(t.dtype).eps for t in types if t.is_float))


TAKING = [r for r in RECORDS if r.name not in WITHOUT and any(c.types for c in fixed(r))]
SMOOTH = [r for r in TAKING if any(map(_moving, fixed(r))) and r.name not in ON_REQUEST]
BROKEN = [r for r in TAKING if isinstance(r.vjp, NoGradient)]


def _smooth_cases(record: Primitive) -> list[Case]:
    return [case for case in fixed(record) if _moving(case)]


def test_no_record_is_left_out_without_a_reason():
    named = {r.name for r in TAKING} | set(WITHOUT) | {"constant", "size", "iota"}
    assert named == {r.name for r in RECORDS}  # the last three take no operand
    assert all(WITHOUT.values())
    assert all(ON_REQUEST.values())


@by_name(SMOOTH)
def test_forward_mode_is_reverse_mode_transposed(record):
    """<g, J t> = <Jᵀ g, t> in float32 and float64; and both keep the dtype."""
    rng = np.random.default_rng(0)
    for case in _smooth_cases(record):
        operands, places = case.operands(rng), _moving(case)
        f, xs = _function(case, operands, places), [operands[k] for k in places]
        tangents = [rng.normal(size=x.shape).astype(x.dtype) for x in xs]
        value, tangent = cr.jvp(f, xs, tangents)
        again, backward = cr.vjp(f, *xs)
        np.testing.assert_array_equal(value, again)
        g = rng.normal(size=value.shape).astype(value.dtype)
        owed = backward(g)
        assert (tangent.dtype, tangent.shape) == (value.dtype, value.shape), case
        assert [c.dtype for c in owed] == [x.dtype for x in xs], case
        terms = [np.sum(np.float64(c) * t) for c, t in zip(owed, tangents, strict=True)]
        size = np.sum(np.abs(g * tangent)) + sum(
            np.sum(np.abs(np.float64(c) * t)) for c, t in zip(owed, tangents, strict=True)
        )
        eps = _coarsest(case)  # a few hundred roundings, of terms that may cancel
        assert abs(np.sum(np.float64(g) * tangent) - sum(terms)) <= 1e3 * eps * (size + 1), case


@by_name(SMOOTH)
def test_derivative_is_what_differences_say_to_second_order(record):
    """Of the operation, and of its own derivative, by ``check_grad``."""
    rng = np.random.default_rng(1)
    found = [
        c for c in _smooth_cases(record) if all(t.dtype == F64 or not t.is_float for t in c.types)
    ]
    for case in found[:4]:
        if case.node().type.dtype != F64:
            continue
        operands, places = case.operands(rng), _moving(case)
        f, xs = _function(case, operands, places), [operands[k] for k in places]
        report = cr.check_grad(f, *xs, order=2)
        assert report, f"{case}\n{report}"


@by_name(BROKEN)
def test_a_derivative_that_does_not_exist_is_refused_by_both_modes(record):
    """Where the result is a floating-point number; whole numbers and booleans just pass."""
    rng = np.random.default_rng(2)
    for case in fixed(record):
        operands = case.operands(rng)
        places = [k for k, t in enumerate(case.types) if t.is_float]
        if not places:
            continue
        f, xs = _function(case, operands, places), [operands[k] for k in places]
        if case.node().type.is_float:
            with pytest.raises(GradientError, match=record.name):
                cr.jvp(f, xs, xs)
            value, backward = cr.vjp(f, *xs)
            with pytest.raises(GradientError, match=record.name):
                backward(np.ones_like(value))
        else:
            assert cr.jvp(f, xs, xs)[1] is None


@by_name(TAKING)
def test_for_many_examples_it_is_what_it_is_for_each(record):
    """vmap = stacking, whichever operands have examples."""
    rng = np.random.default_rng(3)
    for case in fixed(record):
        drawn = [case.operands(rng) for _ in range(EXAMPLES)]
        for mapped in itertools.product((True, False), repeat=len(case.types)):
            if any(mapped):
                with np.errstate(all="ignore"):  # whole numbers divided by 0
                    _check_stacking(case, drawn, mapped)


def _check_stacking(case: Case, drawn: list[list[Any]], mapped: tuple[bool, ...]) -> None:
    columns = list(zip(*drawn, strict=True))
    args = [np.stack(xs) if on else xs[0] for xs, on in zip(columns, mapped, strict=True)]
    f = _function(case, args, list(range(len(args))))
    got = cr.vmap(f, in_axes=tuple(0 if on else None for on in mapped))(*args)
    each = [
        f(*(x[k] if on else x for x, on in zip(args, mapped, strict=True))) for k in range(EXAMPLES)
    ]
    expected = np.stack([np.asarray(y) for y in each])
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape), (case, mapped)
    eps = _coarsest(case) if expected.dtype.kind == "f" else 0.0
    # BLAS and LAPACK may sum in another order for a stack
    np.testing.assert_allclose(
        got, expected, rtol=200 * eps, atol=200 * eps, err_msg=f"{case} {mapped}"
    )


@by_name(SMOOTH)
def test_the_gradients_of_many_examples_are_those_of_each(record):
    """vmap of the backward pass, and the backward pass of vmap."""
    rng = np.random.default_rng(4)
    case = _smooth_cases(record)[-1]
    places = _moving(case)
    drawn = [case.operands(rng) for _ in range(EXAMPLES)]
    others = drawn[0]
    f = _function(case, others, places)
    xs = [np.stack([row[k] for row in drawn]) for k in places]
    g = rng.normal(size=(EXAMPLES, *np.shape(f(*(x[0] for x in xs))))).astype(
        case.node().type.dtype
    )

    def pulled(g: Any, *xs: Any) -> Any:
        return cr.vjp(f, *xs)[1](g)

    each = [pulled(g[k], *(x[k] for x in xs)) for k in range(EXAMPLES)]
    _, backward = cr.vjp(cr.vmap(f), *xs)
    for got in (cr.vmap(pulled)(g, *xs), backward(g)):
        for k, column in enumerate(got):
            expected = np.stack([row[k] for row in each])
            eps = np.finfo(expected.dtype).eps
            np.testing.assert_allclose(
                column, expected, rtol=1e3 * eps, atol=1e3 * eps, err_msg=str(case)
            )
