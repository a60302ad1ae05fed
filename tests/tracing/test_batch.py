"""One graph for any number of examples: what a function makes of the number is recognised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ShapeError, TraceError
from chainrule.evaluation.evaluator import Evaluator
from chainrule.evaluation.examples import take_examples
from chainrule.ir.graph import Graph
from chainrule.ir.types import BATCH, ArrayType
from chainrule.ops import verify
from chainrule.tracing.batch import trace_batch

BATCHES = (1, 2, 15, 16, 17, 100)
RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 4))
TABLE = np.array([1.0, 2.0, 4.0])
F64, I64 = np.dtype(np.float64), np.dtype(np.int64)


def _cross_entropy(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    return np.mean(cr.logsumexp(z, axis=1) - z[np.arange(len(y)), y])


# Each of (weights f64[3, 4], rows f64[batch, 3], labels i64[batch]).
# fmt: off
FUNCTIONS = {
    "rows": lambda w, x, y: np.tanh(x @ w),
    "a mean over the batch": lambda w, x, y: np.mean(x, axis=0),
    "a mean over all": lambda w, x, y: np.mean(x @ w),
    "a mean along a row": lambda w, x, y: np.mean(x, axis=1),
    "len": lambda w, x, y: np.sum(x, axis=0) / len(x),
    "shape[0]": lambda w, x, y: x * x.shape[0],
    "size": lambda w, x, y: np.sum(x) / x.size,
    "1 / len": lambda w, x, y: (1 / len(x)) * np.sum(x, axis=0),
    "3 / len": lambda w, x, y: 3.0 / len(x) * x,
    "0.001 / len": lambda w, x, y: 1e-3 / len(x) * x,
    "len squared": lambda w, x, y: x * len(x) ** 2,
    "1 / len squared": lambda w, x, y: x * (1 / len(x) ** 2),
    "2 len in integers": lambda w, x, y: y + 2 * len(y),
    "numbering": lambda w, x, y: x * np.arange(len(x))[:, None],
    "numbering in integers": lambda w, x, y: y + np.arange(len(y)),
    "ones": lambda w, x, y: np.ones(len(x)) @ x,
    "zeros": lambda w, x, y: np.concatenate([x, np.zeros((len(x), 2))], axis=1),
    "full": lambda w, x, y: x + np.full((len(x), 1), 0.5),
    "a column": lambda w, x, y: x[:, 1] * y,
    "reshape by -1": lambda w, x, y: np.reshape(x[:, :, None] * TABLE, (-1, 9)),
    "reshape by len": lambda w, x, y: x.reshape(len(x), 3, 1),
    "a table": lambda w, x, y: x * TABLE,
    "one element a row": lambda w, x, y: (x @ w)[np.arange(len(y)), y],
    "cross entropy": _cross_entropy,
    "its gradient": cr.grad(_cross_entropy),
    "softmax": lambda w, x, y: cr.softmax(x @ w),
    "variance": lambda w, x, y: np.var(x, axis=0),
    "standardised": lambda w, x, y: (x - np.mean(x, axis=0)) / (np.std(x, axis=0) + 1.0),
    "largest": lambda w, x, y: np.max(x @ w, axis=0),
    "transposed": lambda w, x, y: (x @ w).T @ x,
    "rows of rows": lambda w, x, y: np.sum((x @ x.T) ** 2),
    "one hot": lambda w, x, y: (y[:, None] == np.arange(4)).astype(float) @ w.T,
    "only the number": lambda w, x, y: np.sum(w) * len(x),
    "rows turned round": lambda w, x, y: x[::-1, [2, 0]],
    "rows of a table": lambda w, x, y: w[y % 3] + cr.at(W)[y % 3].get(),
    "one of two axes a row": lambda w, x, y: (x[:, :, None] * TABLE)[np.arange(len(x)), y % 3, 1],
    "two places a row": lambda w, x, y: np.take_along_axis(x @ w, np.stack([y, 3 - y], 1), 1),
    "sorted rows": lambda w, x, y: np.sort(x @ w, axis=1),
    "its gradient by the weights": cr.grad(lambda w, x, y: np.sum(np.sort(x @ w) * np.arange(4.0))),
    "the largest place": lambda w, x, y: np.argmax(x @ w, axis=1)[:, None] + np.argmax(x, axis=0),
    "accuracy": lambda w, x, y: np.mean(np.argmax(x @ w, axis=1) == y),
    "the largest two": lambda w, x, y: cr.top_k(x @ w, 2)[0],
    "running sums": lambda w, x, y: np.cumsum(x, axis=1) * np.cumsum(x, axis=0),
    "a column set": lambda w, x, y: cr.at(x)[:, 0].set(1.0),
    "a mask set": lambda w, x, y: cr.at(x)[x > 0].set(0.0),
    "a place a row": lambda w, x, y: cr.at(x @ w)[np.arange(len(y)), y].add(-1.0),
    "a mean of some": lambda w, x, y: np.mean(x, axis=0, where=x > -9),
    "a median a row": lambda w, x, y: np.median(x, axis=1),
}
# fmt: on


def _rows(batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(batch)
    return rng.normal(size=(batch, 3)), rng.integers(0, 4, batch)


def _trace(f: Any) -> Graph:
    types = [ArrayType(F64, (3, 4)), ArrayType(F64, (BATCH, 3)), ArrayType(I64, (BATCH,))]
    return trace_batch(lambda xs: f(*xs), types).graph


def _evaluator(f: Any, threads: int = 1) -> Evaluator:
    examples = take_examples(_rows(5), F64)
    return Evaluator(lambda params, data: f(*params, *data), [W], examples, threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_program_for_any_number_of_rows(name, threads):
    f = FUNCTIONS[name]
    evaluator = _evaluator(f, threads)
    for batch in BATCHES:
        x, y = _rows(batch)
        ((rows, got),) = evaluator.blocks([W], take_examples((x, y), F64))
        expected = np.asarray(f(W, x, y))
        assert rows == batch
        assert got.shape == expected.shape
        # 1e-12: sums of up to 10,000 products in another order
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_predictions_for_any_number_of_rows():
    model = nn.MLP([3, 17, 4], rng=0, activation="gelu", dtype=np.float64)
    for batch in (*BATCHES, 5000):
        x = np.random.default_rng(batch).normal(size=(batch, 3))
        np.testing.assert_allclose(cr.predict(model, x), model(x), rtol=1e-12, atol=1e-14)


def test_a_row_does_not_depend_on_the_rows_beside_it():
    """The same bits alone, in a batch and with two threads."""
    model = nn.MLP([3, 17, 4], rng=0, activation="tanh")
    x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    whole = cr.predict(model, x, threads=1)
    assert cr.predict(model, x, threads=2).tobytes() == whole.tobytes()
    for k in (0, 17, 99):
        assert cr.predict(model, x[k : k + 1]).tobytes() == whole[k : k + 1].tobytes()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_graph_names_the_batch_and_no_size_of_the_trace(name):
    graph = _trace(FUNCTIONS[name])
    verify(graph)
    text = str(graph)
    assert "batch" in text
    assert "1061" not in text
    assert "2202" not in text


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("1 / len", "scale=1.0"), ("3 / len", "scale=3.0"), ("len", "power=1"),
        ("len squared", "power=2"), ("1 / len squared", "power=-2"),
        ("a mean over all", "scale=4.0"),
    ],
)  # fmt: skip
def test_a_number_made_of_the_batch_is_a_whole_power_of_it(name, size):
    text = str(_trace(FUNCTIONS[name]))
    assert "size()" in text
    assert size in text


def test_a_layer_as_wide_as_the_trace_is_no_batch():
    for width in (1061, 2202):
        types = [ArrayType(F64, (BATCH, 3)), ArrayType(F64, (3, width))]
        graph = trace_batch(lambda xs: xs[0] @ xs[1], types).graph
        assert graph.outputs[0].type.shape == (BATCH, width)


# -- what one graph cannot follow ------------------------------------------------------------------

_state = {"calls": 0}


def _changing(w: Any, x: Any, y: Any) -> Any:
    _state["calls"] += 1
    return x * (np.arange(3.0) ** 2 + _state["calls"])


# fmt: off
REFUSED = {
    "a condition on the number": lambda w, x, y: x * 2 if len(x) > 2000 else x * 3,
    "another program for many": lambda w, x, y: np.tanh(x) if len(x) > 2000 else x,
    "a condition on its parity": lambda w, x, y: x * 2 if len(x) % 2 else x * 3,
    "twice the batch": lambda w, x, y: np.concatenate([x, x]),
    "the batch and one": lambda w, x, y: np.concatenate([x, np.zeros((1, 3))]),
    "half of the batch": lambda w, x, y: x[: len(x) // 2],
    "all but the first row": lambda w, x, y: x[1:] - x[:-1],
    "flat rows": lambda w, x, y: np.ravel(x),
    "its root": lambda w, x, y: x / np.sqrt(len(x)),
    "its cube": lambda w, x, y: x / len(x) ** 3,
    "one less": lambda w, x, y: np.sum(x, axis=0) / (len(x) - 1),
    "plain numbers per row": lambda w, x, y: x * np.linspace(0.0, 1.0, len(x))[:, None],
    "a plain array that knows it": lambda w, x, y: x @ (TABLE / len(x)),
    "random numbers": lambda w, x, y: x + np.random.default_rng().normal(size=3),
    "a state": _changing,
}
# fmt: on


@pytest.mark.parametrize("name", REFUSED)
def test_what_depends_on_the_number_otherwise_is_refused(name):
    """Better refused than right for the two sizes of the trace alone."""
    with pytest.raises(TraceError, match="number of examples") as caught:
        _trace(REFUSED[name])
    assert "hint" in str(caught.value)


def test_the_refusal_names_the_line():
    with pytest.raises(TraceError, match=r"test_batch\.py:\d+"):
        _trace(REFUSED["twice the batch"])


# -- what the function itself is refused for -------------------------------------------------------


def test_errors_name_the_batch_and_no_size_of_the_trace():
    """Those are numbers that a user has never seen."""
    with pytest.raises(ShapeError) as caught:
        _trace(lambda w, x, y: x @ w.T)
    assert "f64[batch, 3] @ f64[4, 3]" in caught.value.message
    assert caught.value.message in str(caught.value)
    assert caught.value.hint in str(caught.value)
    assert "1061" not in str(caught.value)


def test_errors_name_a_multiple_of_the_batch():
    with pytest.raises(ShapeError, match=r"f64\[3 \* batch\] @ f64\[4, 3\]"):
        _trace(lambda w, x, y: np.reshape(x, -1) @ w.T)


def test_an_error_at_the_second_size_alone_names_the_batch():
    with pytest.raises(ShapeError, match=r"f64\[batch, 3\] @ f64\[4, 3\]"):
        _trace(lambda w, x, y: x @ (w if len(x) < 2000 else w.T))


def test_the_number_of_a_line_is_no_batch():
    code = compile("\n" * 1060 + "f = lambda w, x, y: x @ w.T", "model.py", "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    with pytest.raises(ShapeError, match=r"at model\.py:1061: .*f64\[batch, 3\]"):
        _trace(names["f"])


def test_a_layer_as_wide_as_the_trace_keeps_its_size_in_errors():
    types = [ArrayType(F64, (BATCH, 3)), ArrayType(F64, (4, 1061))]
    with pytest.raises(ShapeError, match=r"f64\[4, 1061\]"):
        trace_batch(lambda xs: xs[0] @ xs[1], types)


def test_the_traceback_of_an_error_ends_in_the_users_line_and_has_no_cause():
    def model(w: Any, x: Any, y: Any) -> Any:
        return x @ w.T

    with pytest.raises(ShapeError) as caught:
        _trace(model)
    assert "model" in [entry.name for entry in caught.traceback]
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums_along_another_axis_have_gradients_for_any_batch(reverse: bool) -> None:
    """The ones that a running sum multiplies by are no array of the batch's size."""
    rng = np.random.default_rng(0)
    w, rows = rng.standard_normal((3, 4)), rng.standard_normal((7, 6, 3))

    def loss(w: Any, x: Any) -> Any:
        y = np.tanh(x @ w)
        return np.mean(np.cumsum(y[:, ::-1] if reverse else y, axis=1) ** 2)

    traced = trace_batch(
        lambda given: [cr.grad(loss)(given[0], given[1])],
        [ArrayType(np.dtype(float), (3, 4)), ArrayType(np.dtype(float), (BATCH, 6, 3))],
    )
    assert not traced.constants
    run = cr.train(w, loss, (rows,), batch="all", epochs=1, optimizer=optim.SGD(1.0))
    np.testing.assert_allclose(w - run.model, cr.grad(loss)(w, rows), rtol=1e-12)
