"""``cr.compile``: any memory that NumPy arrays may lie in, any tree, any number of threads."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DTypeError, ShapeError, TraceError
from chainrule.tracing.trace import array_type, trace_types
from tests.compiler.guarded import compile_plain, run_plain
from tests.compiler.steps import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 10))
DTYPES = [np.float32, np.float64, np.int32, np.int64, np.bool_]


def _layouts(x: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays equal to x that lie in memory in every way."""
    wide = np.zeros((x.shape[0], 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    raw = np.zeros(x.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    return {
        "row-major": x.copy(),
        "column-major": np.asfortranarray(x),
        "transposed": np.ascontiguousarray(x.T).T,
        "every other column": wide[:, ::2],
        "backwards": np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
        "read-only": frozen,
        "unaligned": unaligned,
        "other byte order": x.astype(x.dtype.newbyteorder()),
    }


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_of_an_argument_may_lie_in_any_way(dtype):
    x = (X * 3).astype(dtype)
    f = cr.compile(lambda x: (x, np.sum(x, axis=0), np.where(x > x[:1], x, x[:1]), x.T))
    expected = f(x)
    np.testing.assert_array_equal(expected[0], x)
    np.testing.assert_array_equal(expected[3], x.T)
    for name, same in _layouts(x).items():
        np.testing.assert_array_equal(same, x)
        for a, b in zip(expected, f(same), strict=True):
            assert a.tobytes() == b.tobytes(), name
            assert b.dtype.isnative


LARGE = RNG.normal(size=(40, 50))  # too much to be copied for a short call


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_may_lie_otherwise_in_every_call(dtype):
    """Calls after the first take the address of an array as it lies, if it lies as it must."""
    x = np.asarray(LARGE * 9).astype(dtype)
    f = cr.compile(lambda a, b: (a + a[::-1], b * 2))
    for first in _layouts(x).values():
        for again in _layouts(x + x).values():
            for a in (first, again):
                doubled, number = f(a, 3.0)
                np.testing.assert_array_equal(doubled, a + a[::-1])
                assert number == 6.0


def test_results_of_short_calls_are_each_their_own():
    f = cr.compile(lambda a, b: (a @ b, (a @ b).sum()), threads=1)
    g = cr.compile(lambda a: a * 2, threads=3)
    found = [f(LARGE * k, LARGE.T) for k in range(4)]
    doubled = [g(LARGE * k) for k in range(4)]
    for k in range(4):
        np.testing.assert_allclose(found[k][0], k * (LARGE @ LARGE.T), atol=1e-11)
        np.testing.assert_allclose(found[k][1], k * (LARGE @ LARGE.T).sum(), rtol=1e-9)
        np.testing.assert_array_equal(doubled[k], LARGE * k * 2)


def test_a_broadcast_view_is_read_as_what_it_shows():
    spread = np.broadcast_to(X[:1], X.shape)
    f = cr.compile(lambda x: np.sum(x * X, axis=1))
    np.testing.assert_allclose(f(spread), np.sum(spread * X, axis=1), rtol=1e-14)


def test_an_argument_is_never_written_to():
    x = X.copy()
    y = cr.compile(lambda x: x)(x)
    y[...] = 0.0
    np.testing.assert_array_equal(x, X)


def test_arrays_are_not_kept_alive_after_the_call():
    f = cr.compile(lambda x: x * 2.0)
    x = X.copy()
    seen = [weakref.ref(x), weakref.ref(f(x))]
    del x
    gc.collect()
    assert [ref() for ref in seen] == [None, None]


def test_results_of_two_calls_do_not_share_memory():
    f = cr.compile(lambda x: x * 2.0)
    first = f(X)
    f(X + 1.0)
    np.testing.assert_array_equal(first, X * 2.0)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_arrays_without_elements(shape):
    x = np.zeros(shape)

    def f(x: Any) -> Any:
        return x * 2.0, np.sum(x), np.sum(x, axis=0), np.exp(x).T, np.concatenate([x, x])

    for a, b in zip(f(x), cr.compile(f)(x), strict=True):
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)


def test_products_over_an_empty_axis_are_zero():
    f = cr.compile(lambda a, b: a @ b)
    np.testing.assert_array_equal(f(np.zeros((20, 0)), np.zeros((0, 18))), np.zeros((20, 18)))


def test_a_result_without_dimensions_is_a_numpy_number():
    value = cr.compile(np.sum)(X)
    assert isinstance(value, np.float64)
    assert isinstance(cr.compile(np.sum)(np.float32(1.0)), np.float32)


def test_each_shape_and_dtype_is_traced_once():
    traced = []

    def f(x: Any) -> Any:
        traced.append((x.shape, x.dtype))
        return x + 1

    g = cr.compile(f)
    for x in (np.zeros(3), np.zeros(3), np.zeros(4), np.zeros(3, np.float32), np.zeros(3)):
        assert g(x).shape == x.shape
    assert len(traced) == 3


class Pair(NamedTuple):
    a: Any
    b: Any


def test_arguments_and_results_are_trees():
    def f(tree: Any, *, scale: Any) -> Any:
        return {"sum": tree["p"].a + tree["p"].b, "rest": [tree["q"] * scale, (tree["q"],)]}

    tree = {"p": Pair(np.ones(2), np.arange(2.0)), "q": np.float32(3.0)}
    expected, got = f(tree, scale=2.0), cr.compile(f)(tree, scale=2.0)
    np.testing.assert_array_equal(got["sum"], expected["sum"])
    assert got["rest"][0] == 6.0
    assert isinstance(got["rest"][1], tuple)
    assert got["rest"][1][0].dtype == np.float32


def test_a_model_is_an_argument():
    model = nn.MLP([10, 4, 2], rng=0)
    f = cr.compile(lambda model, x: model(x))
    x = X.astype(np.float32)
    np.testing.assert_allclose(f(model, x), model(x), rtol=1e-5, atol=1e-6)
    assert f.__name__ == "<lambda>"


def test_plain_numbers_have_numpys_dtypes():
    f = cr.compile(lambda a, b, c: (a + 1, b + 1, np.logical_not(c)))
    assert [x.dtype for x in f(1.5, 2, True)] == [np.float64, np.int64, np.bool_]


def test_nothing_or_a_constant_may_be_the_result():
    assert cr.compile(lambda x: None)(X) is None
    one, zeros, table = cr.compile(lambda x: (1.0, np.zeros(3), X))(X)
    assert one == 1.0
    np.testing.assert_array_equal(zeros, np.zeros(3))
    np.testing.assert_array_equal(table, X)


def test_one_value_may_be_several_results():
    a, b, c = cr.compile(lambda x: (x, x, x + 0.0))(X)
    for y in (a, b, c):
        np.testing.assert_array_equal(y, X)
    assert not np.shares_memory(a, b)


def test_an_array_of_the_code_around_is_taken_as_it_is_at_the_first_call():
    table = X.copy()
    f = cr.compile(lambda x: x + table)
    before = f(X)
    table[...] = 0.0
    np.testing.assert_array_equal(f(X), before)


def test_compiled_functions_can_be_traced_through():
    f = cr.compile(lambda x: np.sum(x**2))
    np.testing.assert_array_equal(cr.grad(f)(X), 2 * X)
    np.testing.assert_array_equal(cr.compile(cr.grad(cr.compile(f)))(X), 2 * X)
    assert "multiply" in str(cr.trace(f, X))


@pytest.mark.parametrize("bad", [np.float16(1), np.complex128(1), np.int8(1), "relu", 2**80])
def test_an_argument_of_another_dtype_is_refused(bad):
    with pytest.raises(DTypeError, match="expected float32, float64, int32, int64 or bool"):
        cr.compile(lambda x: x)(bad)


def test_a_result_of_another_dtype_is_refused():
    with pytest.raises(DTypeError, match="float16"):
        cr.compile(lambda x: x.astype(np.float16))(X)


def test_an_error_of_the_function_passes_through_and_nothing_is_kept():
    calls = []

    def f(x: Any) -> Any:
        calls.append(0)
        raise RuntimeError("mine")

    g = cr.compile(f)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="mine"):
            g(X)
    assert len(calls) == 2


def test_an_argument_too_many_is_pythons_own_error():
    with pytest.raises(TypeError, match="positional argument"):
        cr.compile(lambda x: x)(1.0, 2.0)


# -- long programs ---------------------------------------------------------------------------------


def test_compile_time_does_not_double_with_each_value_that_is_read_twice():
    """A chain x <- x x + x has 2ⁿ paths from its end to its beginning and n values."""

    def f(x: Any) -> Any:
        for _ in range(60):
            x = 0.25 * x * x + 0.5 * x
        return x

    start = time.perf_counter()
    np.testing.assert_allclose(cr.compile(f)(X), f(X), rtol=1e-12)
    assert time.perf_counter() - start < 20  # seconds; walked path by path it were years


def _pendulum(steps: int) -> Any:
    """Each step reads its neighbours' places: through slices and, by concatenation, padding."""

    def f(y: Any) -> Any:
        for _ in range(steps):
            y = y + 0.01 * np.stack([y[1], -np.sin(y[0])])
        return np.sum(y)

    return f


def _pendulums(steps: int) -> Any:
    """The same for rows, with a short sum in each step."""

    def f(y: Any) -> Any:
        for _ in range(steps):
            y = y + 0.01 * np.stack([y[:, 1], -np.sin(y[:, 0])], axis=1)
            y = y / np.sqrt(np.sum(y * y, axis=1, keepdims=True))
        return np.sum(y * np.arange(2.0))

    return f


def _rolls(steps: int) -> Any:
    def f(y: Any) -> Any:
        for _ in range(steps):
            y = np.concatenate([y[1:], y[:1]]) * 0.5 + y
        return np.sum(y)

    return f


@pytest.mark.parametrize("program", [_pendulum, _pendulums, _rolls])
@pytest.mark.parametrize("derived", [False, True])
def test_code_grows_in_proportion_to_the_program(program, derived):
    """Worked out anew at each place where it is read, a value would cost 2ⁿ times itself."""
    x = np.array([[1.0, 0.5], [0.2, -1.0]])
    x = x if program is _pendulums else x[0]
    lines = []
    for steps in (6, 12, 24):
        f = cr.grad(program(steps)) if derived else program(steps)
        traced = trace_types(lambda xs, f=f: f(*xs), [array_type(x)])
        executable = compile_plain(traced.graph)
        lines.append(executable.text.count("\n"))
        (got,) = run_plain(executable, [x])
        np.testing.assert_allclose(got, f(x), rtol=1e-10, atol=1e-13)
    # Twice the steps are about twice the lines; 4 leaves room for what is read in several nests.
    assert lines[1] < 4 * lines[0]
    assert lines[2] < 4 * lines[1]


def test_a_long_chain_does_not_exhaust_pythons_stack():
    def f(x: Any) -> Any:
        for k in range(sys.getrecursionlimit()):
            x = x + 1.0 if k % 2 else np.absolute(x)
        return x

    np.testing.assert_array_equal(cr.compile(f)(X), f(X))


def test_a_hundred_arguments_and_results():
    xs = [X[k % 6] + k for k in range(100)]
    got = cr.compile(lambda xs: [x * 2.0 for x in xs])(xs)
    for x, y in zip(xs, got, strict=True):
        np.testing.assert_array_equal(y, x * 2.0)


# -- threads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_are_the_same_for_any_number_of_threads(dtype):
    rng = np.random.default_rng(1)
    model = nn.MLP([20, 33, 5], rng=0, activation="tanh", dtype=dtype)
    x = rng.normal(size=(100, 20)).astype(dtype)

    def f(model: Any, x: Any) -> Any:
        return cr.value_and_grad(lambda m: np.mean(cr.logsumexp(m(x), axis=1)))(model)

    results = []
    for threads in (1, 2, 3, 7):
        value, gradient = cr.compile(f, threads=threads)(model, x)
        results.append([np.asarray(value), *_leaves(gradient)])
    for other in results[1:]:
        assert_same_bits(results[0], other)


def _leaves(tree: Any) -> list[np.ndarray]:
    from chainrule.tracing.trees import flatten

    return [np.asarray(x) for x in flatten(tree)[0]]


def test_one_function_may_be_called_from_many_threads():
    """One run of an executable at a time; the others wait for it."""
    f = cr.compile(lambda x, k: np.sum(np.tanh(x * k), axis=1), threads=2)
    x = RNG.normal(size=(64, 8))
    f(x, 1.0)
    wrong: list[float] = []

    def work(k: float) -> None:
        expected = np.sum(np.tanh(x * k), axis=1)
        for _ in range(50):
            wrong.extend([k] * (not np.allclose(f(x, k), expected, rtol=1e-12)))

    workers = [threading.Thread(target=work, args=(k,)) for k in (0.5, 1.0, 2.0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


AFTER_A_FORK = """
import os, warnings
import numpy as np
import chainrule as cr

warnings.simplefilter("ignore")  # Python 3.12 warns of any fork beside threads
f = cr.compile(lambda x: np.sum(np.tanh(x)), threads=2)
f(np.ones((64, 8)))
child = os.fork()
f(np.ones((64, 8)))
if child:
    assert os.waitpid(child, 0)[1] == 0
    print("done")
"""


#: Another thread runs one program and makes others, while children are forked that need both.
FORKED_MEANWHILE = """
import os, signal, threading, warnings
os.environ["CHAINRULE_CACHE"] = "off"
import numpy as np
import chainrule as cr
from chainrule.compiler.native.jit import assemble
from chainrule.compiler.native.target import host
from chainrule.compiler.pipeline import compile_graph, plain_roles

warnings.simplefilter("ignore")  # Python 3.12 warns of any fork beside threads
A = np.random.default_rng(0).normal(size=(500, 500))
f = cr.compile(lambda a: np.tanh(a @ a) @ a)
f(A)
graph = cr.trace(lambda a: np.tanh(a @ a), np.ones((9, 9)))
text = compile_graph(graph, plain_roles(graph)).text
done = False

def run():
    while not done:
        f(A)

def make():
    while not done:
        assemble(text, host())

cr.compile(lambda a: a + 2)(np.ones(3))  # all that is imported late is imported
threads = [threading.Thread(target=work) for work in (run, make)]
for thread in threads:
    thread.start()
ends = []
for k in range(6):
    child = os.fork()
    if not child:
        signal.alarm(10)  # ends a child that waits for ever
        f(A)
        cr.compile(lambda a: np.tanh(a - k - 0.5))(np.ones(3))
        os._exit(0)
    ends.append(os.waitpid(child, 0)[1])
done = True
for thread in threads:
    thread.join()
print(ends)
"""


def _script(text: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
def test_a_child_process_starts_threads_of_its_own():
    assert _script(AFTER_A_FORK) == "done"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
def test_a_child_of_a_busy_process_can_run_and_compile():
    """Of the thread that held the locks nothing is left in the child but the locks."""
    assert _script(FORKED_MEANWHILE) == str([0] * 6)


def test_leaving_values_and_errors_do_not_break_the_next_trace():
    kept = []

    def leak(x: Any) -> Any:
        kept.append(x)
        return x

    cr.compile(leak)(X)
    with pytest.raises(TraceError, match="traced value of another function"):
        cr.compile(lambda x: x + kept[0])(X)
    with pytest.raises(ShapeError):
        cr.compile(lambda x: x + np.ones(7))(X)
    np.testing.assert_array_equal(cr.compile(lambda x: x + 1.0)(X), X + 1.0)
