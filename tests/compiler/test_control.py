"""Native loops and branches: against Python's own, against gradients of the steps written out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.compiler.lower import loops
from chainrule.errors import ShapeError
from chainrule.tracing.trees import flatten

RNG = np.random.default_rng(0)
W, X0, XS = RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=(5, 3))


@pytest.fixture(params=[False, True], ids=["one thread a loop", "all threads in every loop"])
def everyone(request, monkeypatch):
    """With work that short one thread does a loop alone; here all share every body."""
    if request.param:
        monkeypatch.setattr(loops, "WORTH_SHARING", 0)


def assert_compiled(
    f: Any, *args: Any, rtol: float = 1e-12, expected: Any = None, threads: Any = (1, 3)
) -> None:
    """f compiled gives what f gives, the same bits for any number of threads."""
    wanted = flatten(f(*args) if expected is None else expected)[0]
    found = []
    for count in threads:
        compiled = cr.compile(f, threads=count)
        found.append([flatten(compiled(*args))[0] for _ in range(2)])
        for got in found[-1]:
            for a, b in zip(wanted, got, strict=True):
                assert np.shape(a) == np.shape(b)
                np.testing.assert_allclose(b, a, rtol=rtol, atol=1e-14)
    bits = [[np.asarray(x).tobytes() for x in got] for twice in found for got in twice]
    assert all(each == bits[0] for each in bits)


# -- scan ----------------------------------------------------------------------------------------


def gru(p: Any, xs: Any, h: Any) -> Any:
    """Cho et al. 2014, over time."""

    def sigmoid(x: Any) -> Any:
        return 1.0 / (1.0 + np.exp(-x))

    def step(h: Any, x: Any) -> Any:
        z = sigmoid(x @ p["wz"] + h @ p["uz"] + p["bz"])
        r = sigmoid(x @ p["wr"] + h @ p["ur"] + p["br"])
        n = np.tanh(x @ p["wn"] + (r * h) @ p["un"] + p["bn"])
        h = (1.0 - z) * n + z * h
        return h, h

    h, hs = cr.scan(step, h, xs)
    return np.mean(hs**2) + np.sum(h)


N_IN, N_HIDDEN = 5, 7
SIZES = {"w": (N_IN, N_HIDDEN), "u": (N_HIDDEN, N_HIDDEN), "b": (N_HIDDEN,)}
GRU = {k + g: 0.5 * RNG.normal(size=SIZES[k]) for k in SIZES for g in "zrn"}
SEQUENCE, FIRST = RNG.normal(size=(6, 20, N_IN)), np.full((20, N_HIDDEN), 0.1)


def test_a_recurrent_network_over_time_and_its_gradient(everyone):
    assert_compiled(gru, GRU, SEQUENCE, FIRST, threads=(1, 2, 3))
    assert_compiled(cr.grad(gru, (0, 1, 2)), GRU, SEQUENCE, FIRST, rtol=1e-10)


def rk4(derivative: Any, h: float) -> Any:
    def step(y: Any, _: Any) -> Any:
        k1 = derivative(y)
        k2 = derivative(y + h / 2 * k1)
        k3 = derivative(y + h / 2 * k2)
        k4 = derivative(y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), y

    return step


def lorenz(y0: Any, p: Any) -> Any:
    """Lorenz 1963, with sigma, rho, beta = p."""

    def derivative(y: Any) -> Any:
        return np.stack(
            [p[0] * (y[1] - y[0]), y[0] * (p[1] - y[2]) - y[1], y[0] * y[1] - p[2] * y[2]]
        )

    y, path = cr.scan(rk4(derivative, 0.01), y0, None, length=60)
    return np.sum(y**2) + np.mean(path[:, 0])


def pendulum(y0: Any, p: Any) -> Any:
    """Angle and angular velocity under gravity over length and friction."""

    def derivative(y: Any) -> Any:
        return np.stack([y[1], -p[0] * np.sin(y[0]) - p[1] * y[1]])

    y, _ = cr.scan(rk4(derivative, 0.02), y0, None, length=100)
    return np.sum(y**2)


SYSTEMS = [(lorenz, [1.0, 1.0, 1.0], [10.0, 28.0, 8 / 3]), (pendulum, [1.0, 0.0], [9.81, 0.1])]


@pytest.mark.parametrize(("system", "y0", "p"), SYSTEMS)
def test_gradient_of_a_simulation_by_its_start_and_its_parameters(system, y0, p):
    """Against central differences along random directions."""
    y0, p = np.array(y0), np.array(p)
    np.testing.assert_allclose(cr.compile(system)(y0, p), system(y0, p), rtol=1e-9)
    by_start, by_parameters = cr.compile(cr.grad(system, (0, 1)))(y0, p)
    compiled, h = cr.compile(system), 1e-5  # h² of truncation against eps/h of rounding
    for _ in range(3):
        v, u = RNG.normal(size=y0.shape), RNG.normal(size=p.shape)
        difference = (compiled(y0 + h * v, p + h * u) - compiled(y0 - h * v, p - h * u)) / (2 * h)
        np.testing.assert_allclose(by_start @ v + by_parameters @ u, difference, rtol=1e-6)


def test_second_order_and_forward_mode(everyone):
    def loss(w: Any) -> Any:
        return np.sum(cr.scan(lambda c, x: (np.tanh(c * w + x), c), X0, XS)[1] ** 2)

    assert_compiled(cr.hessian(loss), W, rtol=1e-10)
    assert_compiled(lambda w: cr.jvp(loss, (w,), (X0,)), W)
    assert_compiled(cr.grad(lambda w: np.sum(cr.grad(loss)(w) ** 2)), W, rtol=1e-10)


def test_every_example_of_vmap_has_its_own_scan(everyone):
    def f(w: Any, x: Any) -> Any:
        return cr.scan(lambda c, t: (np.sin(c * w + t), c), X0, x)

    w, x = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 5, 3))
    rows = [f(a, b) for a, b in zip(w, x, strict=True)]
    expected = [np.stack(column) for column in zip(*rows, strict=True)]
    assert_compiled(cr.vmap(f), w, x, expected=expected)


def test_what_is_carried_may_change_places(everyone):
    """A value may be needed after its successor is known: none is written over too early."""

    def f(a: Any, b: Any) -> Any:
        step = lambda c, _: ((c[1], c[0] + c[1], c[0][::-1]), c[2])  # noqa: E731
        return cr.scan(step, (a, b, a), None, length=9)

    assert_compiled(f, np.arange(20.0), np.ones(20))
    assert_compiled(lambda x: cr.scan(lambda c, _: (c.T, c), x, None, length=3), np.ones((17, 17)))


def test_carries_of_every_dtype():
    def f(x: Any) -> Any:
        def step(c: Any, t: Any) -> Any:
            f32, i32, i64, on = c
            return (f32 * np.float32(1.5), i32 + t, i64 - 1, ~on), (f32, i32, on)

        init = (x, np.arange(3, dtype=np.int32), 5, np.array([True, False]))
        return cr.scan(step, init, np.arange(4, dtype=np.int32))

    assert_compiled(f, np.float32(2.0))


def test_only_some_results_may_be_asked_for():
    f = lambda w, x: cr.scan(lambda c, t: (c * w + t, (c, t * 2)), x, XS)  # noqa: E731
    assert_compiled(lambda *a: f(*a)[0], W, X0)
    assert_compiled(lambda *a: f(*a)[1][1], W, X0)
    assert_compiled(lambda *a: f(*a)[1], W, X0)


def test_operands_may_lie_anywhere():
    """Views, products, reshapes, results of other loops, one array in several places."""

    def f(a: Any, b: Any) -> Any:
        c, ys = cr.scan(lambda c, t: (c * 0.5 + t @ a, c), b[0], (a @ b.T).T.reshape(4, 2, 3)[:, 1])
        c, ys = cr.scan(lambda d, t: (d + t[0] * t[1], d), c, (ys, ys[::-1]), reverse=True)
        return c, ys, c

    assert_compiled(f, RNG.normal(size=(3, 3)), RNG.normal(size=(8, 3)))


def test_no_steps_and_one_step():
    f = lambda xs: cr.scan(lambda c, x: (c + x, c), np.ones(3), xs)  # noqa: E731
    assert_compiled(f, XS[:0])
    assert_compiled(f, XS[:1])


def test_code_does_not_grow_with_the_number_of_steps():
    lines = set()
    for steps in (3, 50_000):
        f = cr.compile(lambda x, n=steps: cr.scan(lambda c, _: (np.sin(c), c), x, None, length=n))
        f(1.0)
        graph = cr.trace(
            lambda x, n=steps: cr.scan(lambda c, _: (np.sin(c), c), x, None, length=n), 1.0
        )
        lines.add(len(str(graph).splitlines()))
    assert len(lines) == 1


def test_a_hundred_thousand_steps():
    """The logistic map at r = 2: x = (1 - (1 - 2 x0)^(2^n)) / 2 goes to one half."""
    f = cr.compile(
        lambda x: cr.scan(lambda x, _: (2.0 * x * (1.0 - x), x), x, None, length=100_000)
    )
    start = time.perf_counter()
    last, path = f(0.1)
    assert time.perf_counter() - start < 20  # seconds; written out it would not end
    assert last == 0.5
    np.testing.assert_allclose(path[:6], (1 - 0.8 ** (2.0 ** np.arange(6))) / 2, rtol=1e-14)


def test_loops_in_loops(everyone):
    def f(w: Any, xs: Any) -> Any:
        def outer(c: Any, x: Any) -> Any:
            c, ys = cr.scan(lambda d, k: (np.sin(d * w + k), d + c), c, x)
            c = cr.cond(np.sum(c) > 0, lambda c: 0.5 * c, lambda c: c * w, c)
            n = cr.while_loop(lambda n: n * n < np.sum(ys) ** 2, lambda n: n + 1, 0)
            return c, (ys, n)

        c, (ys, ns) = cr.scan(outer, np.ones(3), xs, reverse=True)
        return np.sum(c) + np.sum(ys**2), ns

    xs = RNG.normal(size=(3, 4, 3))
    assert_compiled(f, W, xs)
    assert_compiled(cr.grad(lambda *a: f(*a)[0], (0, 1)), W, xs, rtol=1e-10)


def test_a_loop_of_much_work_is_shared_by_the_threads():
    """Without being told to: a step of products of 128 by 128."""
    a = RNG.normal(size=(128, 128)) / 11

    def f(a: Any) -> Any:
        return cr.scan(lambda c, _: (np.tanh(c @ a), np.sum(c, axis=0)), a, None, length=5)

    (scan,) = (n for n in cr.trace(f, a).nodes if n.op == "scan")
    assert loops.effort(scan.attributes["body"]) > loops.WORTH_SHARING
    assert_compiled(f, a, rtol=1e-11)


# -- branches and while loops --------------------------------------------------------------------


def branches(x: Any, y: Any) -> Any:
    return cr.cond(np.sum(x) > 0, lambda a: (a * y, a), lambda a: (a + x, y), np.sin(x))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_branches(sign, everyone):
    x, y = sign * np.linspace(0.1, 2.0, 40), np.linspace(1.0, 2.0, 40)
    assert_compiled(branches, x, y)
    assert_compiled(cr.grad(lambda *a: np.sum(branches(*a)[0]), (0, 1)), x, y)
    assert_compiled(lambda *a: cr.jvp(branches, a, (y, x)), x, y)


def test_a_predicate_for_each_example():
    f = cr.vmap(branches)
    x, y = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4))
    assert_compiled(f, x, y, expected=[np.stack(c) for c in zip(*map(branches, x, y), strict=True)])


def test_a_branch_may_give_what_it_got_or_a_number():
    f = lambda x: cr.cond(x[0] > 0, lambda x: (x, np.zeros(3)), lambda x: (x, x), x)  # noqa: E731
    for x in (np.ones(3), -np.ones(3)):
        assert_compiled(f, x)


def newton(a: Any) -> Any:
    """The square roots of many numbers at once, until all are right."""
    return cr.while_loop(
        lambda x: np.any(np.abs(x * x - a) > 1e-12 * a), lambda x: 0.5 * (x + a / x), a
    )


def test_newtons_method(everyone):
    a = np.linspace(1.0, 9.0, 50)
    assert_compiled(newton, a, expected=np.sqrt(a))
    tangent = (np.sqrt(a), 0.5 / np.sqrt(a))
    assert_compiled(lambda a: cr.jvp(newton, (a,), (np.ones(50),)), a, rtol=1e-8, expected=tangent)
    each = cr.vmap(lambda a: cr.while_loop(
        lambda c: np.abs(c[0] * c[0] - a) > 1e-12 * a,
        lambda c: (0.5 * (c[0] + a / c[0]), c[1] + 1),
        (a, 0),
    ))  # fmt: skip
    assert_compiled(each, a)


def collatz(n: Any) -> Any:
    def step(c: Any) -> Any:
        n, steps = c
        return cr.cond(n % 2 == 0, lambda n: n // 2, lambda n: 3 * n + 1, n), steps + 1

    return cr.while_loop(lambda c: c[0] != 1, step, (n, 0))[1]


def test_a_while_loop_that_does_not_begin_and_one_of_many_steps(everyone):
    assert cr.compile(collatz)(1) == 0
    assert cr.compile(collatz)(27) == 111


# -- where else graphs are made --------------------------------------------------------------------


def test_a_network_over_time_is_trained():
    """The batch is symbolic; the loss reads a scan, in which the weights are operands."""

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = np.zeros((len(x), N_HIDDEN))
        step = lambda h, x: (np.tanh(x @ p["w"] + h @ p["u"]), None)  # noqa: E731
        h, _ = cr.scan(step, h, np.moveaxis(x, 1, 0))
        return np.mean((h @ p["v"] - y) ** 2)

    params = {k: 0.3 * RNG.normal(size=SIZES[k]) for k in "wu"} | {"v": np.ones(N_HIDDEN)}
    x = RNG.normal(size=(60, 4, N_IN))
    y = np.sum(x[:, :, 0], axis=1)
    runs = [
        cr.train(params, loss, data=(x, y), optimizer=optim.SGD(0.05), batch=16, epochs=40,
                 threads=threads, seed=0)
        for threads in (1, 2)
    ]  # fmt: skip
    first, second = (run.history.loss for run in runs)
    assert first.tobytes() == second.tobytes()
    assert first[-3:].mean() < 0.5 * first[:3].mean()


def test_as_many_steps_as_there_are_examples():
    def loss(p: Any, x: Any, y: Any) -> Any:
        step = lambda c, xy: (c + (xy[0] @ p - xy[1]) ** 2, None)  # noqa: E731
        total, _ = cr.scan(step, 0.0, (x, y))
        return total / len(x)

    x = RNG.normal(size=(50, 3))
    run = cr.train(np.zeros(3), loss, data=(x, x @ np.arange(3.0)), optimizer=optim.SGD(0.1),
                   batch=20, epochs=40, seed=0)  # fmt: skip
    np.testing.assert_allclose(run.model, np.arange(3.0), atol=1e-2)


def test_a_place_that_does_not_exist_is_an_error_from_inside_a_loop():
    table = np.arange(4.0)
    f = cr.compile(lambda i: cr.scan(lambda c, k: (c + np.take(table * c, k), c), 1.0, i))
    assert f(np.array([0, 3]))[0] == 4.0
    with pytest.raises(ShapeError, match=r"index 4.* is outside an axis of size 4"):
        f(np.array([0, 4]))


def kalman(h: Any) -> Any:
    """The log-likelihood of a constant that is seen through noise of a full covariance."""

    def step(state: Any, y: Any) -> Any:
        mean, p = state
        root = np.linalg.cholesky(h @ p @ h.T + np.eye(2))
        z = np.linalg.solve(root, y - h @ mean)
        gain = np.linalg.solve(root @ root.T, h @ p).T
        return (mean + gain @ z, p - gain @ h @ p), -0.5 * z @ z - np.sum(np.log(np.diag(root)))

    return np.sum(cr.scan(step, (np.zeros(3), np.eye(3)), XS[:, :2])[1])


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("order", [1, 2])
def test_a_rule_may_bring_an_array_of_numbers_into_a_loop(order, many):
    """Cholesky's derivative multiplies by a triangle of ones, which no operand of the loop is."""
    h = np.array([[1.0, 0.2, 0.1], [0.3, 2.0, -0.4]])
    f = cr.grad(kalman) if order == 1 else lambda h: cr.hvp(kalman, h, np.cos(h))
    assert_compiled(*((cr.vmap(f), np.stack([h, h / 2])) if many else (f, h)), rtol=1e-9)


def test_a_rule_may_bring_an_array_of_numbers_into_a_branch_or_an_unbounded_loop():
    def root(a: Any) -> Any:
        return np.linalg.cholesky(a @ a.T)

    def branches(a: Any) -> Any:
        return np.sum(cr.cond(a[0, 0] > 0, root, np.sinh, a))

    def until(a: Any) -> Any:
        return cr.while_loop(lambda s: np.sum(s) < 40.0, lambda s: root(s) + s, a)

    a = np.array([[1.0, 0.2], [0.3, 2.0]])
    assert_compiled(cr.grad(branches), a, rtol=1e-9)
    assert_compiled(cr.grad(branches), -a, rtol=1e-9)
    assert_compiled(lambda a, t: cr.jvp(until, (a,), (t,))[1], a, np.cos(a), rtol=1e-9)
