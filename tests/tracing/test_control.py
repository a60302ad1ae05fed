"""``scan``, ``cond``, ``while_loop``: what Python's own loops and branches do, as one node."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DTypeError, GradientError, ShapeError, TraceError
from chainrule.ir.text import parse, to_text
from chainrule.ops import verify
from chainrule.ops.bodies import replay
from chainrule.tracing.trees import flatten

RNG = np.random.default_rng(0)
W, X0, XS = RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=(5, 3))


def by_graph(f: Any, *args: Any) -> list[np.ndarray]:
    """The results of the graph of f, node by node."""
    graph = cr.trace(f, *args)
    verify(graph)
    assert to_text(parse(to_text(graph))) == to_text(graph)
    return replay(graph, graph.values)


def assert_same(f: Any, *args: Any, rtol: float = 1e-12) -> None:
    expected, got = flatten(f(*args))[0], by_graph(f, *args)
    assert len(expected) == len(got)
    for a, b in zip(expected, got, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(b, a, rtol=rtol, atol=1e-14)


def cell(w: Any) -> Any:
    def step(c: Any, x: Any) -> tuple[Any, Any]:
        c = np.tanh(c * w + x)
        return c, {"twice": 2 * c, "x": x}

    return step


def unrolled(w: Any, c: Any, xs: Any) -> Any:
    total = 0.0
    for k in range(len(xs)):
        c, y = cell(w)(c, xs[k])
        total = total + np.sum(y["twice"] ** 2)
    return np.sum(c) + total


def scanned(w: Any, c: Any, xs: Any) -> Any:
    c, ys = cr.scan(cell(w), c, xs)
    return np.sum(c) + np.sum(ys["twice"] ** 2)


# -- scan ----------------------------------------------------------------------------------------


def test_a_scan_is_a_python_loop():
    c, ys = cr.scan(cell(W), X0, XS)
    expected, rows = X0, []
    for x in XS:
        expected, y = cell(W)(expected, x)
        rows.append(y["twice"])
    np.testing.assert_array_equal(c, expected)
    np.testing.assert_array_equal(ys["twice"], np.stack(rows))
    np.testing.assert_array_equal(ys["x"], XS)


def test_in_reverse_each_y_stands_beside_its_x():
    _, ys = cr.scan(lambda c, x: (c + x, c), 0.0, np.arange(4.0), reverse=True)
    np.testing.assert_array_equal(ys, [6.0, 5.0, 3.0, 0.0])
    assert_same(lambda x: cr.scan(lambda c, x: (c + x, c), 0.0, x, reverse=True), np.arange(4.0))


class Pair(NamedTuple):
    a: Any
    b: Any


def test_carries_xs_and_ys_are_trees():
    def f(x: Any) -> Any:
        init = {"n": 0, "pair": Pair(x, np.zeros(2, bool))}
        return cr.scan(
            lambda c, t: (
                {"n": c["n"] + 1, "pair": Pair(c["pair"].a + t[0], ~c["pair"].b)},
                [c["n"], (t[1],)],
            ),
            init,
            (np.arange(4.0), np.arange(8).reshape(4, 2)),
        )

    carry, ys = f(1.0)
    assert carry["n"] == 4
    assert carry["pair"].a == 7.0
    assert not carry["pair"].b.any()
    np.testing.assert_array_equal(ys[0], [0, 1, 2, 3])
    assert ys[1][0].shape == (4, 2)
    assert_same(f, 1.0)


def test_a_graph_has_one_node_however_many_steps():
    sizes = {n: len(cr.trace(scanned, W, X0, np.zeros((n, 3))).nodes) for n in (1, 7, 100_000)}
    assert len(set(sizes.values())) == 1


def test_values_around_the_body_are_read_by_it():
    """Tracers and arrays that the body closes over become operands, once each."""

    def f(w: Any, x: Any) -> Any:
        table = XS[0]
        return cr.scan(lambda c, _: (c * w + table, None), x, None, length=3)[0]

    assert_same(f, W, X0)
    (scan,) = (n for n in cr.trace(f, W, X0).nodes if n.op == "scan")
    assert len(scan.inputs) == 3


def test_only_what_is_around_may_be_traced():
    """Neither the first carry nor xs is of the graph: the body shows that it is."""
    f = lambda w: cr.scan(lambda c, x: (c * w + x, c), np.ones(3), XS)  # noqa: E731
    assert_same(f, W)
    assert any(n.op == "scan" for n in cr.trace(f, W).nodes)


def test_without_steps_the_carry_stays_and_ys_are_empty():
    c, ys = cr.scan(cell(W), X0, np.zeros((0, 3)))
    np.testing.assert_array_equal(c, X0)
    assert ys["twice"].shape == (0, 3)
    assert_same(lambda w: cr.scan(cell(w), X0, np.zeros((0, 3))), W)
    assert_same(cr.grad(lambda w: np.sum(cr.scan(cell(w), w, np.zeros((0, 3)))[0])), W)


@pytest.mark.parametrize("argnums", [0, 1, 2])
def test_gradient_of_a_scan_is_that_of_the_steps_written_out(argnums):
    expected = cr.grad(unrolled, argnums)(W, X0, XS)
    np.testing.assert_allclose(cr.grad(scanned, argnums)(W, X0, XS), expected, rtol=1e-12)
    (got,) = by_graph(cr.grad(scanned, argnums), W, X0, XS)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_only_what_is_asked_for_is_differentiated():
    """The gradient of the first carry needs no sums over steps and no cotangents of xs."""
    graph = cr.trace(cr.grad(scanned, 1), W, X0, XS)
    back = next(n for n in graph.nodes if n.op == "scan" and n.attributes["reverse"])
    assert back.attributes["carries"] == 1
    assert len(back.attributes["body"].outputs) == 1


def test_forward_mode_is_that_of_the_steps_written_out():
    args, tangents = (W, X0, XS), (X0, W, -XS)
    expected = cr.jvp(unrolled, args, tangents)
    got = by_graph(lambda *xs: cr.jvp(scanned, xs, tangents), *args)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_second_order():
    def curvature(f: Any) -> Any:
        return cr.grad(lambda w: np.sum(cr.grad(f)(w, X0, XS) ** 2))

    expected = curvature(unrolled)(W)
    for got in (curvature(scanned)(W), *by_graph(curvature(scanned), W)):
        np.testing.assert_allclose(got, expected, rtol=1e-10)
    hessian = cr.hessian(unrolled)(W, X0, XS)
    (got,) = by_graph(lambda w: cr.hessian(scanned)(w, X0, XS), W)
    np.testing.assert_allclose(got, hessian, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("axes", [(0, 0, 0), (0, None, None), (None, 0, None), (None, None, 0)])
def test_vmap_of_a_scan_is_one_scan_for_each_example(axes):
    args = [
        np.stack([x, 2 * x]) if axis == 0 else x for x, axis in zip((W, X0, XS), axes, strict=True)
    ]
    rows = [
        cr.scan(cell(w), c, xs)
        for w, c, xs in zip(
            *(
                [x[k] if axis == 0 else x for k in (0, 1)]
                for x, axis in zip(args, axes, strict=True)
            ),
            strict=True,
        )
    ]
    mapped = cr.vmap(lambda w, c, xs: cr.scan(cell(w), c, xs), in_axes=axes)
    for got in (flatten(mapped(*args))[0], by_graph(mapped, *args)):
        for k, value in enumerate(got):
            expected = np.stack([flatten(row)[0][k] for row in rows])
            np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_whole_numbers_that_are_carried_have_no_gradient_and_do_no_harm():
    def f(x: Any) -> Any:
        def step(c: Any, _: Any) -> Any:
            x, n = c
            return (x * np.where(n % 2 == 0, x, 1.0), n + 1), n

        (x, _), ns = cr.scan(step, (x, 0), None, length=3)
        return x * np.sum(ns)

    assert_same(f, 1.1)
    assert_same(cr.grad(f), 1.1)
    np.testing.assert_allclose(cr.grad(f)(1.1), 3 * 4 * 1.1**3, rtol=1e-12)


# -- cond ----------------------------------------------------------------------------------------


def chosen(x: Any, y: Any) -> Any:
    return cr.cond(x > y, lambda a: (a * y, a), lambda a: (a + x, y), np.sin(x))[0]


@pytest.mark.parametrize("args", [(1.0, 2.0), (2.0, 1.0)])
def test_a_branch_its_gradient_and_its_tangent(args):
    assert_same(chosen, *args)
    assert_same(cr.grad(chosen, (0, 1)), *args)
    assert_same(lambda *xs: cr.jvp(chosen, xs, (1.0, 2.0)), *args)
    assert_same(cr.hessian(lambda x: chosen(x, args[1])), args[0])


def test_only_one_branch_runs():
    ran = []

    def f(x: Any) -> Any:
        return cr.cond(x > 0, lambda: ran.append(1) or x, lambda: ran.append(0) or -x)

    assert f(-2.0) == 2.0
    assert ran == [0]


def test_what_a_branch_does_to_values_around_it_is_part_of_the_branch():
    """Neither value nor gradient of the branch that is not taken: 0 · inf would be NaN."""

    def f(x: Any) -> Any:
        return cr.cond(x > 0, lambda: np.sqrt(x) / x, lambda: 2.0 * x)

    graph = cr.trace(f, 0.0)
    assert [n.op for n in graph.nodes if n.op in ("sqrt", "divide", "multiply")] == []
    assert by_graph(cr.value_and_grad(f), 0.0) == [0.0, 2.0]
    assert cr.compile(cr.value_and_grad(f))(0.0) == (0.0, 2.0)
    assert cr.compile(cr.grad(cr.grad(f)))(0.0) == 0.0
    assert_same(cr.grad(f), 4.0)


def test_what_a_loop_does_to_values_around_it_is_done_once():
    def f(w: Any, x: Any) -> Any:
        return cr.scan(lambda c, t: (c * np.exp(w) + t, None), x, XS)[0]

    assert_same(f, W, X0)
    assert "exp" in [n.op for n in cr.trace(f, W, X0).nodes]


def test_each_example_has_its_own_branch_under_vmap():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, 5.0])
    expected = [chosen(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(cr.vmap(chosen)(x, y), expected)
    np.testing.assert_allclose(by_graph(cr.vmap(chosen), x, y)[0], expected)
    slopes = [cr.grad(chosen)(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(cr.vmap(cr.grad(chosen))(x, y), slopes)


def test_the_branch_that_an_example_does_not_take_leaves_its_gradient_alone():
    """Both run under vmap; the slope of the root of 0 is infinite, and 0 · inf is NaN."""

    def f(x: Any, a: Any) -> Any:
        return cr.cond(x > 0, lambda x, a: np.sqrt(x - a), lambda x, a: 3.0 * x + a, x, a)

    x = np.array([0.0, 4.0, -1.0])
    for axes, a in ((None, 0.0), (0, np.zeros(3))):
        mapped = cr.vmap(cr.grad(f, (0, 1)), in_axes=(0, axes))
        total = cr.grad(lambda x, a, m=axes: np.sum(cr.vmap(f, in_axes=(0, m))(x, a)), (0, 1))
        with np.errstate(all="ignore"):
            found = mapped(x, a), total(x, a), by_graph(total, x, a)
        for by_x, by_a in found:
            np.testing.assert_allclose(by_x, [3.0, 0.25, 3.0])
            np.testing.assert_allclose(np.sum(by_a), 1.0 - 0.25 + 1.0)


def test_a_number_is_true_where_it_is_not_zero():
    f = lambda n: cr.cond(n, lambda: 1.0, lambda: 2.0)  # noqa: E731
    assert [f(0), f(3)] == [2.0, 1.0]
    assert [by_graph(f, n)[0] for n in (0, 3)] == [2.0, 1.0]


# -- while_loop ----------------------------------------------------------------------------------


def root(a: Any) -> Any:
    """Newton's method for x² = a."""
    return cr.while_loop(lambda x: np.abs(x * x - a) > 1e-12 * a, lambda x: 0.5 * (x + a / x), a)


def test_newtons_method_and_its_tangent():
    np.testing.assert_allclose(root(2.0), np.sqrt(2.0), rtol=1e-12)
    assert_same(root, 2.0)
    expected = (np.sqrt(2.0), 0.5 / np.sqrt(2.0))
    forward = lambda a: cr.jvp(root, (a,), (1.0,))  # noqa: E731
    np.testing.assert_allclose(forward(2.0), expected, rtol=1e-9)
    np.testing.assert_allclose(by_graph(forward, 2.0), expected, rtol=1e-9)


def test_reverse_mode_through_a_while_loop_is_refused_in_a_graph():
    """Eagerly the steps are known when it ends; in a graph they never are."""
    np.testing.assert_allclose(cr.grad(root)(2.0), 0.5 / np.sqrt(2.0), rtol=1e-9)
    with pytest.raises(GradientError, match=r"test_control.py:\d+: how many steps.*cr.scan"):
        cr.trace(cr.grad(root), 2.0)


def test_examples_that_are_done_stand_still():
    def steps(a: Any) -> Any:
        return cr.while_loop(lambda c: c[0] < a, lambda c: (c[0] * 2.0, c[1] + 1), (1.0, 0))

    limits = np.array([0.5, 10.0, 1000.0])
    expected = [np.stack(column) for column in zip(*map(steps, limits), strict=True)]
    for got in (cr.vmap(steps)(limits), by_graph(cr.vmap(steps), limits)):
        for a, b in zip(expected, got, strict=True):
            np.testing.assert_array_equal(a, b)


def test_loops_in_loops():
    def f(w: Any, xs: Any) -> Any:
        def outer(c: Any, x: Any) -> Any:
            c, ys = cr.scan(lambda d, k: (np.sin(d * w + k), d), c, x)
            c = cr.cond(np.sum(c) > 0, lambda c: 0.5 * c, lambda c: c * w, c)
            n = cr.while_loop(lambda n: n * n < np.sum(ys) ** 2, lambda n: n + 1, 0)
            return c, (ys, n)

        c, (ys, _) = cr.scan(outer, np.ones(3), xs, reverse=True)
        return np.sum(c) + np.sum(ys**2)

    xs = RNG.normal(size=(3, 4, 3))
    assert_same(f, W, xs)
    assert_same(cr.grad(f, (0, 1)), W, xs, rtol=1e-11)


def test_plain_numbers_take_the_dtype_that_they_meet():
    """As in plain Python, where total = 0 may become a float."""
    x = np.arange(3, dtype=np.float32)
    step = lambda c, t: ((c[0] + np.sum(t), 0), None)  # noqa: E731
    total = lambda x: cr.scan(step, (0, 1.5), x)[0]  # noqa: E731
    for f in (total, lambda x: cr.while_loop(lambda c: c < 9, lambda c: c + np.sum(x), 0)):
        assert_same(f, x)
    assert total(x)[0].dtype == np.float64
    f = lambda x: cr.cond(x > 0, lambda: (x, 1), lambda: (0.0, x))  # noqa: E731
    for value in (np.float32(2.0), np.float32(-2.0)):
        assert all(y.dtype == np.float32 for y in by_graph(f, value))


# -- errors --------------------------------------------------------------------------------------


def _traced(f: Any) -> Any:
    return lambda: cr.trace(f, 1.0)


STEP_ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "dtype": (
        lambda x: cr.scan(
            lambda c, _: ({"v": c["v"] + 0.5}, None), {"v": np.int64(0)}, None, length=2
        ),
        DTypeError,
        r"cr.scan at test_control.py:\d+: v of the carry is i64\[\] before.* and f64\[\] after",
    ),
    "shape": (
        lambda x: cr.scan(lambda c, _: (c[None], None), np.ones(2), None, length=2),
        ShapeError,
        r"value of the carry is f64\[2\] before a step and f64\[1, 2\] after it",
    ),
    "structure": (
        lambda x: cr.scan(lambda c, _: ((c, c), None), x, None, length=2),
        ShapeError,
        "the carry changes its structure",
    ),
    "no pair": (
        lambda x: cr.scan(lambda c, _: c, x, None, length=2),
        TraceError,
        r"the body of cr.scan at test_control.py:\d+ returned.*\n  hint: return \(carry, y\)",
    ),
    "lengths": (
        lambda x: cr.scan(lambda c, t: (c, t), x, {"a": np.ones(3), "b": np.ones(4)}),
        ShapeError,
        "the numbers of steps differ: a 3, b 4",
    ),
    "length=": (
        lambda x: cr.scan(lambda c, t: (c, t), x, np.ones(3), length=4),
        ShapeError,
        r"the numbers of steps differ: value 3, length= 4",
    ),
    "no length": (lambda x: cr.scan(lambda c, t: (c, t), x), ShapeError, "say length="),
    "a number as xs": (
        lambda x: cr.scan(lambda c, t: (c, t), 0.0, x),
        ShapeError,
        r"runs over value, a number: f64\[\]",
    ),
    "while": (
        lambda x: cr.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] > 0), (0, x)),
        DTypeError,
        r"cr.while_loop at test_control.py:\d+: 1 of the carry is f64\[\] before.*bool\[\] after",
    ),
    "condition": (
        lambda x: cr.while_loop(lambda c: c < 3, lambda c: c, np.ones(2)),
        ShapeError,
        r"condition of cr.while_loop .* is bool\[2\]; expected one value\n  hint: np.all\(x\)",
    ),
    "predicate": (
        lambda x: cr.cond(np.ones(2) > x, np.sin, np.cos, x),
        ShapeError,
        r"condition of cr.cond .* is bool\[2\]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STEP_ERRORS)
@pytest.mark.parametrize("how", [_traced, lambda f: lambda: f(1.0)], ids=["graph", "eager"])
def test_a_carry_that_changes_is_an_error_that_names_the_leaf(name, how):
    f, error, said = STEP_ERRORS[name]
    with pytest.raises(error, match=said):
        how(f)()


@pytest.mark.parametrize(
    ("other", "error", "said"),
    [
        (lambda x: {"a": x[None]}, ShapeError, r"a is f64\[\] if true and f64\[1\] if false"),
        (lambda x: {"a": x > 0}, DTypeError, r"a is f64\[\] if true and bool\[\] if false"),
        (lambda x: {"b": x}, ShapeError, "the branches return different structures"),
    ],
)
def test_branches_that_differ_are_an_error_that_names_the_leaf(other, error, said):
    with pytest.raises(error, match=r"cr.cond at test_control.py:\d+: " + said):
        cr.trace(lambda x: cr.cond(x > 0, lambda x: {"a": x}, other, x), 1.0)


def test_an_operation_without_gradient_in_a_body_is_named_with_its_line():
    def f(x: Any) -> Any:
        return cr.scan(lambda c, _: (np.floor(c) + c * 0.0, None), x, None, length=2)[0]

    for call in (cr.grad(f), cr.compile(cr.grad(f))):
        with pytest.raises(GradientError, match=r"floor at test_control.py:\d+"):
            call(1.5)


def test_a_value_of_a_body_does_not_leave_it():
    kept = []

    def step(c: Any, _: Any) -> Any:
        kept.append(c)
        return c * 2.0, None

    def f(x: Any) -> Any:
        cr.scan(step, x, None, length=2)
        return kept[-1] + x

    with pytest.raises(TraceError, match="a traced value of another function"):
        cr.trace(f, 1.0)


def _counted(x: Any) -> Any:
    """The second carry is made of the first and comes back into it."""

    def step(c: Any, _: Any) -> Any:
        x, n = c
        return (x * 1.1 + n * 0.5, np.floor(x).astype(np.int64)), None

    return cr.scan(step, (x, 0), None, length=3)[0][0]


def _around(x: Any) -> Any:
    n = np.floor(x).astype(np.int64)
    return cr.scan(lambda c, _: (c * x + n, None), x, None, length=3)[0]


def _branched(x: Any) -> Any:
    n = np.floor(x).astype(np.int64)
    return cr.cond(x > 0, lambda x, n: x * n, lambda x, n: x, x, n)


@pytest.mark.parametrize("f", [_counted, _around, _branched])
@pytest.mark.parametrize("mode", [cr.grad, lambda f: lambda x: cr.jvp(f, (x,), (1.0,))])
def test_rounding_in_a_loop_is_no_silent_zero(f, mode):
    """Whole numbers made of real ones have no derivative, also where a loop carries them on."""
    for call in (mode(f), cr.compile(mode(f))):
        with pytest.raises(GradientError, match=r"no gradient flows through .* at test_control.py"):
            call(2.3)


@cr.custom_gradient
def scaled(x: Any, w: Any) -> Any:
    """A gradient of its own, ten and seven times too large, so that it shows."""
    y = x * w
    return y, lambda g: (10.0 * g * w, 7.0 * g * y)


def _with_scaled(x: Any, w: Any) -> Any:
    c, ys = cr.scan(lambda c, t: (np.sin(scaled(c, w)) + t, c), x, np.arange(3.0))
    return cr.cond(c > 0, lambda c: scaled(c, w), lambda c: c, c) + np.sum(ys)


@pytest.mark.parametrize(
    "f",
    [
        cr.grad(_with_scaled, (0, 1)),
        lambda *a: cr.jvp(_with_scaled, a, (1.0, 2.0)),
        lambda x, w: cr.grad(lambda w: cr.grad(_with_scaled)(x, w))(w),
        lambda x, w: cr.vmap(cr.grad(_with_scaled, 1), in_axes=(0, None))(np.stack([x, -x]), w),
        lambda x, w: cr.grad(
            lambda w: np.sum(cr.vmap(lambda x: _with_scaled(x, w))(np.stack([x, -x])))
        )(w),
    ],
    ids=["grad", "jvp", "second", "vmap of grad", "grad of vmap"],
)
def test_a_custom_gradient_inside_of_a_body_is_used(f):
    """Eagerly the loop is Python's, and the transform sees the call itself."""
    assert_same(f, 1.0, 0.5, rtol=1e-11)
