"""Traced and compiled steps, made once in a process and shared by all estimators that fit them.

A step depends on the network, the objective and the solver's form; rows, learning rates and
penalties are given when it runs. So the folds of a cross-validation share one program.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

import numpy as np

from chainrule.compiler.lower.roles import InputRole, OutputRole, Roles
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.native.threads import choose
from chainrule.compiler.pipeline import compile_graph
from chainrule.estimators.network import Network
from chainrule.estimators.objective import Objective, penalty
from chainrule.estimators.rules import Rule
from chainrule.evaluation.examples import Examples
from chainrule.gradients.reverse import value_and_grad
from chainrule.ir.types import BATCH, ArrayType, sized
from chainrule.nn import training
from chainrule.tracing.batch import trace_batch
from chainrule.tracing.trace import Traced, array_type
from chainrule.tracing.trees import flatten, unflatten
from chainrule.training.measures import measure
from chainrule.training.step import Carried, Step, carry, compile_step, without_unused

#: Programs kept in a process; an architecture has up to three.
_KEPT: Final = 64
#: Rows at a time: enough to share among threads, few enough to stay in the caches.
_BLOCK: Final = 4096

T = TypeVar("T")


class Pool(Generic[T]):
    """Programs of one kind: one run at a time each, so that threads that fit at once have theirs.

    Machine code is made once; what is made for another thread are the arrays it works in.
    """

    def __init__(self, first: T, another: Callable[[T], T]) -> None:
        self._first, self._another = first, another
        self._free = [first]

    @contextmanager
    def borrowed(self) -> Iterator[T]:
        """One that nobody else runs meanwhile."""
        try:
            taken = self._free.pop()
        except IndexError:
            taken = self._another(self._first)
        try:
            yield taken
        finally:
            self._free.append(taken)


_pools: OrderedDict[Hashable, Pool[Any]] = OrderedDict()
_making = threading.RLock()


def _pool(key: Hashable, make: Callable[[], T], another: Callable[[T], T]) -> Pool[T]:
    with _making:
        if key not in _pools:
            _pools[key] = Pool(make(), another)
            while len(_pools) > _KEPT:
                _pools.popitem(last=False)
        _pools.move_to_end(key)
        return _pools[key]


class _Itself:
    """What has no hash, such as an optimiser with a dict in it: equal to itself alone."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.value is self.value


def _hashable(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        return _Itself(value)
    return value  # type: ignore[no-any-return]


# -- the step of a stochastic solver -------------------------------------------------------------


def step_pool(
    network: Network, objective: Objective, rule: Rule, targets: ArrayType, weighted: bool,
    sums: tuple[str, ...] = (),
) -> Pool[Step]:  # fmt: skip
    """Compiled steps: (carried, rows x y [w], alpha, rates..., [key]) -> (carried, loss, sums...).

    Args:
        network: with its sizes and dtype.
        objective: what is minimised.
        rule: the solver's update.
        targets: the type of y.
        weighted: whether rows have weights.
        sums: what is measured of each step: see ``training.measures``.
    """
    key = ("step", network, *map(_hashable, (objective.key, rule)), targets, weighted, sums)

    def make() -> Step:
        carried = carry(network.start(np.random.RandomState(0)), rule)
        examples = _like_rows(network, targets, weighted)
        traced = _traced_step(network, objective, rule, carried, examples, sums)
        return compile_step(traced, carried, examples, True, rule.rates + 1)

    return _pool(key, make, Step.twin)


def _like_rows(network: Network, targets: ArrayType, weighted: bool) -> Examples:
    """One row of the kind to come, for its types."""
    dtype = np.dtype(network.dtype)
    arrays = [
        np.zeros((1, network.sizes[0]), dtype),
        np.zeros(sized(targets.shape, 1), targets.dtype),
    ]
    arrays += [np.ones(1, dtype)] if weighted else []
    return Examples(tuple(arrays), flatten(tuple(arrays))[1], 1)


def _traced_step(
    network: Network, objective: Objective, rule: Rule, carried: Carried, examples: Examples,
    sums: tuple[str, ...],
) -> Traced:  # fmt: skip
    count, rows = len(carried.leaves), len(examples.arrays)

    def step(leaves: list[Any]) -> list[Any]:
        params, state = carried.trees(leaves[:count])
        x, y, *w = leaves[count : count + rows]
        alpha, *rates, key = leaves[count + rows :]

        def forward(learned: Any) -> tuple[Any, Any]:
            model = carried.whole(learned, params)
            with training(key) as mode:
                output = network.outputs(model, x)
            mean = objective.mean(output, y, w[0] if w else None)
            return objective.factor * mean, (mean, mode.updated(model))

        learned, decay = carried.learned(params), alpha / _weight(x, w)
        (_, (mean, after)), grads = value_and_grad(forward, has_aux=True)(learned)
        shown = objective.shown * mean + decay * penalty(params["coefs"])
        pulled = [g + decay * p for g, p in zip(grads["coefs"], params["coefs"], strict=True)]
        given = rates if rule.rates > 1 else rates[0]
        new, state = rule.update({**grads, "coefs": pulled}, state, learned, given)
        measured = measure(sums, len(x), grads, learned, new)
        return [*flatten((carried.whole(new, after), state))[0], shown, *measured]

    rate = ArrayType(np.dtype(network.dtype), ())
    numbers = [rate] * (rule.rates + 1)
    types = [*map(array_type, carried.leaves), *examples.types, *numbers]
    traced = trace_batch(step, [*types, ArrayType(np.dtype(np.int64), ())])
    return without_unused(traced, count + rows + rule.rates + 1)


def _weight(x: Any, w: list[Any]) -> Any:
    """Σ w of a batch; 1 where all weights are 0."""
    if not w:
        return x.dtype.type(len(x))
    total = np.sum(w[0])
    return np.where(total > 0, total, np.ones_like(total))


# -- the outputs for many rows -------------------------------------------------------------------


class Outputs:
    """A network's outputs for any number of rows, compiled."""

    def __init__(self, network: Network) -> None:
        leaves, structure = flatten(network.start(np.random.RandomState(0)))
        count, dtype = len(leaves), np.dtype(network.dtype)

        def outputs(given: list[Any]) -> Any:
            return network.outputs(unflatten(structure, given[:count]), given[count])

        rows = ArrayType(dtype, (BATCH, network.sizes[0]))
        traced = trace_batch(outputs, [*map(array_type, leaves), rows])
        self._constants = [np.ascontiguousarray(c) for c in traced.constants]
        roles: list[InputRole] = ["state"] * count
        roles += ["array"] * (1 + len(self._constants))
        graph = traced.graph
        self._executable = compile_graph(graph, Roles(tuple(roles), (OutputRole("array"),)))
        self._dtype, self._n_out = dtype, network.sizes[-1]

    def twin(self) -> Outputs:
        """The same machine code with arrays of its own."""
        other: Outputs = object.__new__(Outputs)
        other.__dict__.update(self.__dict__, _executable=self._executable.twin())
        return other

    def of(self, params: Any, x: np.ndarray, threads: int | None) -> np.ndarray:
        """(rows, n_in) -> (rows, n_out)."""
        self._executable.set_state(flatten(params)[0])
        made = np.empty((len(x), self._n_out), self._dtype)
        count = choose(threads, self._executable.operations(min(_BLOCK, len(x))))
        for first in range(0, len(x), _BLOCK):
            block = np.ascontiguousarray(x[first : first + _BLOCK])
            result = made[first : first + _BLOCK]
            inputs = [block, *self._constants]
            self._executable.run(inputs, [result], batch=len(block), threads=count)
        return made


#: Multiplications from which on compiled outputs are sooner there than NumPy's, the compile paid.
_WORTH_COMPILING: Final = 200_000_000


def outputs(network: Network, params: Any, x: np.ndarray, threads: int | None) -> np.ndarray:
    """The outputs for rows: by NumPy where they are few, else compiled.

    Which of the two is a function of the sizes alone, so that the same call has the same bits.
    """
    if len(x) * network.work < _WORTH_COMPILING:
        with np.errstate(all="ignore"):
            return np.asarray(network.outputs(params, x))
    pool = _pool(("outputs", network), lambda: Outputs(network), Outputs.twin)
    with pool.borrowed() as program:
        return program.of(params, x, threads)


# -- value and gradient over all rows ------------------------------------------------------------


class Gradient:
    """Σ w loss, its gradient and Σ w over all rows, compiled: what a full-batch solver asks for."""

    def __init__(
        self, network: Network, objective: Objective, targets: ArrayType, weighted: bool
    ) -> None:
        leaves, self._structure = flatten(network.start(np.random.RandomState(0)))
        count, examples = len(leaves), _like_rows(network, targets, weighted)

        def terms(given: list[Any]) -> list[Any]:
            x, y, *w = given[count:]

            def total(params: list[Any]) -> tuple[Any, Any]:
                output = network.outputs(unflatten(self._structure, params), x)
                return objective.totals(output, y, w[0] if w else None)

            (value, weight), grads = value_and_grad(total, has_aux=True)(given[:count])
            return [value, weight, *grads]

        traced = trace_batch(terms, [*map(array_type, leaves), *examples.types])
        self._constants = [np.ascontiguousarray(c) for c in traced.constants]
        inputs: list[InputRole] = ["state"] * count
        inputs += ["array"] * (len(examples.arrays) + len(self._constants))
        self._types = [node.type for node in traced.graph.outputs]
        roles = Roles(tuple(inputs), (OutputRole("array"),) * len(self._types))
        self._executable: Executable = compile_graph(traced.graph, roles)

    def twin(self) -> Gradient:
        """The same machine code with arrays of its own."""
        other: Gradient = object.__new__(Gradient)
        other.__dict__.update(self.__dict__, _executable=self._executable.twin())
        return other

    def sums(
        self, leaves: list[np.ndarray], rows: tuple[np.ndarray, ...], threads: int | None
    ) -> list[np.ndarray]:
        """[Σ w loss, Σ w, gradients of the first...], float64, blocks added in their order."""
        self._executable.set_state(leaves)
        n = len(rows[0])
        count = choose(threads, self._executable.operations(min(_BLOCK, n)) / 8)
        sums = [np.zeros(sized(t.shape)) for t in self._types]
        for first in range(0, n, _BLOCK):
            block = [array[first : first + _BLOCK] for array in rows]
            found = [np.empty(sized(t.shape), t.dtype) for t in self._types]
            inputs = [*block, *self._constants]
            self._executable.run(inputs, found, batch=len(block[0]), threads=count)
            for total, value in zip(sums, found, strict=True):
                total += value
        return sums


def gradient_pool(
    network: Network, objective: Objective, targets: ArrayType, weighted: bool
) -> Pool[Gradient]:
    """Compiled gradients over all rows."""
    key = ("gradient", network, _hashable(objective.key), targets, weighted)
    return _pool(key, lambda: Gradient(network, objective, targets, weighted), Gradient.twin)
