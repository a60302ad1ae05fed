"""Laws over the op table: a record that is added is held to all of them with no test edited."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DTypeError, GradientError, ShapeError
from chainrule.ir.text import parse, to_text
from chainrule.ir.types import ArrayType
from chainrule.ops import PRIMITIVES, NoGradient, Primitive, verify
from chainrule.ops.record import register
from chainrule.tracing.trace import trace_types
from chainrule.tracing.tracer import bind
from tests.compiler.guarded import compile_plain, run_plain
from tests.compiler.interpret import OF_OPERANDS, Bounded, assert_agree, run
from tests.compiler.programs import BOOL, F32, F64, I64, arity, make
from tests.ops.cases import MOVING, RECORDS, WITHOUT, Case, cases, fixed, graph_of

#: Batches of less than a vector, a vector and a bit more, and several with a rest.
BATCHES = (1, 15, 16, 17, 33)


def _differentiable(case: Case) -> bool:
    has_rules = isinstance(case.record.vjp, tuple) and any(case.record.vjp)
    return has_rules and case.node().type.dtype == F64


DIFFERENTIABLE = [r for r in RECORDS if any(_differentiable(c) and c.types for c in fixed(r))]
EDGES = [r for r in RECORDS if callable(r.lower)]


def by_name(records: list[Primitive]) -> Any:
    return pytest.mark.parametrize("record", records, ids=lambda r: r.name)


def test_every_record_that_moves_values_has_examples():
    named = {r.name for r in RECORDS if not callable(r.lower)}
    assert {*MOVING, *WITHOUT} == named


@by_name(RECORDS)
def test_record_is_whole(record):
    """A rule per operand, a domain that is an interval, a source that can be looked up."""
    low, high = record.domain
    assert -math.inf < low <= high < math.inf
    assert record.source
    assert record.name == record.name.strip()
    if isinstance(record.vjp, NoGradient):
        assert record.vjp.why
    elif callable(record.lower):
        assert len(record.vjp) == arity(record)


def test_a_name_is_taken_once():
    with pytest.raises(AssertionError, match="registered twice"):
        register(PRIMITIVES["add"])


@by_name(RECORDS)
def test_shape_rule_is_what_numpy_returns(record):
    """What the shape rule accepts NumPy has a meaning for, of that very dtype and shape."""
    rng = np.random.default_rng(0)
    for case in fixed(record):
        with np.errstate(divide="ignore"):  # of integers by 0
            result = np.asarray(record.evaluate(*case.operands(rng), **case.attributes))
        assert ArrayType(result.dtype, result.shape) == case.node().type, case


@by_name(RECORDS)
def test_native_meaning_is_the_numpy_meaning(record):
    """On every type that the shape rule takes, for sizes around the width of a vector."""
    found = [*cases(record)]
    graph = graph_of(found)
    executable = compile_plain(graph)
    for batch in BATCHES:
        rng = np.random.default_rng(batch)
        operands = [x for case in found for x in case.operands(rng, batch)]
        outputs = run_plain(executable, operands, batch=batch)
        assert_agree(run(graph, [*map(Bounded.exact, operands)], batch), outputs, found)


# -- extremes --------------------------------------------------------------------------------------


def _extremes(dtype: np.dtype) -> list[float]:
    """Both zeros, infinities, NaN, the ends of the subnormal and of the normal range."""
    if dtype.kind == "b":
        return [False, True]
    if dtype.kind == "i":
        info = np.iinfo(dtype)
        return [0, 1, -1, info.max, info.min]
    f = np.finfo(dtype)
    sizes = [0.0, f.smallest_subnormal, f.smallest_normal, f.eps, 0.5, 1.0, 3.0, f.max, np.inf]
    return [*sizes, *(-x for x in sizes), np.nan]


def _is_defined(case: Case) -> bool:
    """NumPy leaves open what a float becomes that no integer can hold."""
    return not (case.types[0].is_float and case.attributes.get("dtype", "f") in ("i32", "i64"))


def _meet(case: Case) -> list[np.ndarray]:
    """Every combination of extremes of the operands, as vectors."""
    columns = itertools.product(*(_extremes(t.dtype) for t in case.types))
    rows = list(zip(*columns, strict=True))
    return [np.array(x, t.dtype) for x, t in zip(rows, case.types, strict=True)]


@by_name(EDGES)
def test_native_meaning_at_the_extremes_is_numpys(record):
    """Signed zeros, infinities, NaN, subnormals and the largest numbers, in every combination."""
    found = []
    operands: list[np.ndarray] = []
    for case in cases(record, ((),)):
        if _is_defined(case):
            arrays = _meet(case)
            types = tuple(ArrayType(x.dtype, x.shape) for x in arrays)
            found.append(Case(record, types, case.attributes))
            operands += arrays
    graph = graph_of(found)
    outputs = run_plain(compile_plain(graph), operands)
    rest = iter(operands)
    for case, got in zip(found, outputs, strict=True):
        mine = [next(rest) for _ in case.types]
        with np.errstate(all="ignore"):
            expected = np.asarray(record.evaluate(*mine, **case.attributes))
        _assert_same_extremes(record.name, expected, got, mine)


#: NumPy leaves open which zero of two is the larger one: it depends on the vectors it uses.
_ANY_ZERO = {"maximum", "minimum"}


def _assert_same_extremes(
    name: str, expected: np.ndarray, got: np.ndarray, operands: list[np.ndarray]
) -> None:
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(got, expected, err_msg=f"{name} {operands}")
        return
    f = np.finfo(expected.dtype)
    # 8 ulp: 2 or 3 of ours and up to 4 of NumPy's; where two large terms cancel, of those terms.
    scale = np.abs(expected)
    if name in OF_OPERANDS:
        with np.errstate(invalid="ignore"):
            scale = np.maximum(scale, np.max(np.abs(operands), axis=0))
    with np.errstate(all="ignore"):
        off = np.abs(got - expected)
        near = off <= 8 * np.minimum(f.eps * scale, f.max) + 4 * f.smallest_subnormal
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    wrong = ~(near | same)
    if name not in _ANY_ZERO:
        wrong |= (expected == 0) & (got == 0) & (np.signbit(got) != np.signbit(expected))
    shown = [(*(x[k] for x in operands), expected[k], got[k]) for k in np.flatnonzero(wrong)[:5]]
    assert not wrong.any(), f"{name} {expected.dtype}: (operands, NumPy, native): {shown}"


# -- derivatives -----------------------------------------------------------------------------------


def _float_cases(record: Primitive) -> list[Case]:
    """Cases in which an operand and the result are float64."""
    return [c for c in fixed(record) if _differentiable(c) and F64 in [t.dtype for t in c.types]]


def _move(case: Case, operands: list[np.ndarray], directions: list[Any], h: float) -> np.ndarray:
    moved = [x if v is None else x + h * v for x, v in zip(operands, directions, strict=True)]
    return np.asarray(case.record.evaluate(*moved, **case.attributes))


@by_name(DIFFERENTIABLE)
def test_derivative_agrees_with_a_central_difference(record):
    """<g, J v> by differences equals <Jᵀ g, v> by the rule of each operand, along a random v."""
    h = 1e-6  # balances truncation h² with rounding eps / h in f64
    rng = np.random.default_rng(1)
    for case in _float_cases(record):
        operands = case.operands(rng)
        y = np.asarray(record.evaluate(*operands, **case.attributes))
        g = np.asarray(rng.normal(size=y.shape))
        for k, (rule, x) in enumerate(zip(record.vjp, operands, strict=True)):
            if rule is None or x.dtype.kind != "f":
                continue
            v = np.asarray(rng.normal(size=x.shape))
            along = [v if j == k else None for j in range(len(operands))]
            difference = (_move(case, operands, along, h) - _move(case, operands, along, -h)) / (
                2 * h
            )
            back = rule(g, y, *operands, **case.attributes)
            size = np.sum(np.abs(g * difference)) + 1
            assert abs(np.sum(back * v) - np.sum(g * difference)) < 1e-8 * size, (case, k)


@by_name(DIFFERENTIABLE)
def test_rule_returns_the_operands_shape_and_dtype(record):
    """In float32 too: a rule with a float64 number in it would double the width of a network."""
    rng = np.random.default_rng(2)
    for case in fixed(record):
        if case.node().type.dtype.kind != "f":
            continue
        operands = case.operands(rng)
        y = np.asarray(record.evaluate(*operands, **case.attributes))
        for rule, x in zip(record.vjp, operands, strict=True):
            if rule is not None and x.dtype.kind == "f":
                back = np.asarray(rule(np.ones_like(y), y, *operands, **case.attributes))
                assert (back.shape, back.dtype) == (x.shape, x.dtype), case


def _weighted(case: Case, operands: list[np.ndarray]) -> tuple[Any, list[np.ndarray]]:
    """(f, differentiated operands): f sums the operation's result with random weights."""
    rng = np.random.default_rng(3)
    chosen = [k for k, x in enumerate(operands) if x.dtype == F64]
    shape = np.shape(case.record.evaluate(*operands, **case.attributes))
    weights = np.asarray(rng.normal(size=shape))

    def f(xs: list[Any]) -> Any:
        full: list[Any] = list(operands)
        for k, x in zip(chosen, xs, strict=True):
            full[k] = x
        return np.sum(bind(case.record.name, *full, **case.attributes) * weights)

    return f, [operands[k] for k in chosen]


@by_name(DIFFERENTIABLE)
def test_second_derivative_agrees_with_a_difference_of_the_first(record):
    """The rules are differentiable in turn: d/dt grad f(x + t v) = grad <v, grad f>."""
    h = 1e-6
    rng = np.random.default_rng(4)
    for case in _float_cases(record)[:3]:
        f, xs = _weighted(case, case.operands(rng))
        v = [np.asarray(rng.normal(size=x.shape)) for x in xs]

        def slope(xs: list[Any], f: Any = f, v: Any = v) -> Any:
            return sum(np.sum(g * u) for g, u in zip(cr.grad(f)(xs), v, strict=True)) + 0.0 * sum(
                np.sum(x) for x in xs
            )

        second = cr.grad(slope)(xs)
        ahead, behind = (
            cr.grad(f)([x + s * h * u for x, u in zip(xs, v, strict=True)]) for s in (1, -1)
        )
        for got, a, b in zip(second, ahead, behind, strict=True):
            np.testing.assert_allclose(
                got, (a - b) / (2 * h), rtol=1e-6, atol=1e-7, err_msg=str(case)
            )


@by_name(DIFFERENTIABLE)
def test_compiled_gradient_is_the_eager_gradient(record):
    found = _float_cases(record)
    rng = np.random.default_rng(5)
    pairs = [_weighted(case, case.operands(rng)) for case in found]

    def gradients(all_xs: list[Any]) -> list[Any]:
        return [cr.grad(f)(xs) for (f, _), xs in zip(pairs, all_xs, strict=True)]

    inputs = [xs for _, xs in pairs]
    expected, got = gradients(inputs), cr.compile(gradients)(inputs)
    for case, a, b in zip(found, expected, got, strict=True):
        # 1e-13: some hundred units in the last place, for sums of products of a few terms
        np.testing.assert_allclose(
            np.concatenate([np.ravel(x) for x in b]), np.concatenate([np.ravel(x) for x in a]),
            rtol=1e-13, atol=1e-13, err_msg=str(case),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("op", "operands", "expected"),
    [
        ("maximum", (1.0, 1.0), (0.5, 0.5)),
        ("minimum", (1.0, 1.0), (0.5, 0.5)),
        ("absolute", (0.0,), (0.0,)),
        ("power", (0.0, 2.0), (0.0, 0.0)),
        ("power", (3.0, 0.0), (0.0, math.log(3.0))),
        ("power", (-2.0, 3.0), (12.0, 0.0)),
        ("logaddexp", (0.0, 0.0), (0.5, 0.5)),
    ],
)
def test_subgradient_is_the_one_that_the_record_names(op, operands, expected):
    f = cr.grad(lambda xs: bind(op, *xs))
    xs = list(map(np.float64, operands))
    assert [float(g) for g in f(xs)] == pytest.approx(expected)
    assert [float(g) for g in cr.compile(f)(xs)] == pytest.approx(expected)


@pytest.mark.parametrize("op", ["sign", "floor", "ceil", "trunc", "rint"])
def test_a_derivative_that_does_not_exist_is_an_error_that_says_why(op):
    for f in (lambda x: bind(op, x), lambda x: x * bind(op, x)):
        with pytest.raises(GradientError, match=f"no gradient flows through {op} at .*constant"):
            cr.grad(f)(0.5)


def test_the_second_derivative_of_an_absolute_value_is_0():
    slope = cr.grad(lambda x: np.absolute(x) * x)
    assert cr.grad(slope)(3.0) == 2.0
    assert cr.grad(cr.grad(np.absolute))(3.0) == 0.0


def test_ties_of_a_maximum_share_equally():
    gradient = cr.grad(np.max)
    x = np.array([1.0, 3.0, 3.0, 2.0])
    for g in (gradient(x), cr.compile(gradient)(x)):
        np.testing.assert_array_equal(g, [0, 0.5, 0.5, 0])


# -- shapes and text -------------------------------------------------------------------------------


@by_name(RECORDS)
def test_every_operation_is_valid_and_reads_back_from_text(record):
    graph = graph_of([*cases(record)])
    verify(graph)
    again = parse(to_text(graph))
    verify(again)
    assert to_text(again) == to_text(graph)


FLOATING = ["divide", "power", "sqrt", "exp", "log", "tanh", "sigmoid", "logaddexp"]


@pytest.mark.parametrize("op", FLOATING)
def test_operations_on_floats_refuse_integers(op):
    """NumPy would return floats, which the shape rule of one type cannot say."""
    types = [ArrayType(I64, (2,))] * arity(PRIMITIVES[op])
    with pytest.raises(DTypeError, match="expected f32 or f64"):
        PRIMITIVES[op].shape(*types)


@pytest.mark.parametrize("op", ["negative", "subtract", "sign"])
def test_arithmetic_that_numpy_has_not_for_booleans_is_refused(op):
    with pytest.raises(DTypeError, match="expected numbers"):
        PRIMITIVES[op].shape(*[ArrayType(BOOL, ())] * arity(PRIMITIVES[op]))


X = ArrayType(F64, (3, 4))


@pytest.mark.parametrize(
    ("op", "types", "attributes"),
    [
        ("add", (X, ArrayType(F64, (4, 3))), {}),
        ("add", (X, ArrayType(F32, (3, 4))), {}),
        ("where", (X, X, X), {}),
        ("where", (ArrayType(BOOL, (4,)), X, X), {}),
        ("logical_and", (X, X), {}),
        ("sum", (X,), {"axes": (2,)}),
        ("sum", (X,), {"axes": (0, 0)}),
        ("max", (X,), {"axes": (-1,)}),
        ("broadcast", (X,), {"shape": (3, 5), "axes": (0, 1)}),
        ("broadcast", (X,), {"shape": (4, 3), "axes": (1, 0)}),
        ("reshape", (X,), {"shape": (5,)}),
        ("transpose", (X,), {"axes": (0, 0)}),
        ("slice", (X,), {"starts": (0, 2), "shape": (3, 3), "steps": (1, 1)}),
        ("slice", (X,), {"starts": (-1, 0), "shape": (3, 4), "steps": (1, 1)}),
        ("pad", (X,), {"starts": (1, 0), "shape": (3, 4), "steps": (1, 1)}),
        ("iota", (), {"axis": 1, "shape": (3,), "dtype": "f64"}),
        ("dot", (X, X), {"a_axes": (1,), "b_axes": (0,), "a_batch": (), "b_batch": ()}),
        ("dot", (X, X), {"a_axes": (2,), "b_axes": (0,), "a_batch": (), "b_batch": ()}),
    ],
)
def test_shape_rule_refuses_what_does_not_fit(op, types, attributes):
    with pytest.raises(ShapeError):
        PRIMITIVES[op].shape(*types, **attributes)


def test_validity_names_what_a_pass_got_wrong():
    graph = trace_types(lambda xs: xs[0] + xs[1], [X, X]).graph
    (node,) = graph.outputs
    object.__setattr__(node, "type", ArrayType(F64, (4, 3)))
    with pytest.raises(
        AssertionError, match=r"add is marked f64\[4, 3\], its rule says f64\[3, 4\]"
    ):
        verify(graph)


def test_validity_names_an_unknown_operation():
    node = make("negative", make("constant", value=1.0, dtype="f64"))
    object.__setattr__(node, "op", "fly")
    with pytest.raises(AssertionError, match="no primitive is called 'fly'"):
        verify(graph_of([]).__class__((), (node,)))
