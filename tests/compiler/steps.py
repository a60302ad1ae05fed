"""Random training steps: graphs that carry arrays from step to step and read rows of examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from chainrule.compiler.lower.plan import make_plan
from chainrule.compiler.lower.roles import InputRole, OutputRole, Roles
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.native.interface import gathered_inputs
from chainrule.compiler.pipeline import compile_graph, simplify
from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import BATCH, ArrayType
from tests.compiler.interpret import Bounded, run
from tests.compiler.programs import F32, F64, Drawer, make, values, within
from tests.compiler.simulate import Simulation, assert_lives_apart

ROWS = 50


class Step:
    """(states..., rows..., rate) -> (states..., record), and the arrays to begin with."""

    def __init__(self, graph: Graph, states: int, rows: int, seed: int) -> None:
        self.graph, self.states, self.rows = graph, states, rows
        self.seed = seed
        inputs: list[InputRole] = [*["state"] * states, *["rows"] * rows, "scalar"]  # type: ignore[list-item]
        outputs = [OutputRole("state", k) for k in range(states)]
        self.roles = Roles(tuple(inputs), (*outputs, OutputRole("scalar")))
        rng = np.random.default_rng(seed)
        types = [node.type for node in graph.inputs]
        self.start = [values(t, 0, rng) for t in types[:states]]
        self.examples = [values(t, ROWS, rng) for t in types[states:-1]]
        self.rng = rng

    def __repr__(self) -> str:
        return f"{self.states} states, {self.rows} arrays of rows, seed {self.seed}\n{self.graph}"

    def compile(self) -> Executable:
        return compile_graph(self.graph, self.roles)

    def order(self, batch: int, steps: int) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        return rng.integers(0, ROWS, batch * steps).astype(np.int32)

    def rates(self, steps: int) -> np.ndarray:
        return np.asarray(np.linspace(0.1, 0.01, steps), self.graph.inputs[-1].type.dtype)

    def natively(
        self, executable: Executable, batch: int, steps: int, threads: int
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """(states, record) after so many steps from the start."""
        executable.set_state(self.start)
        record = np.zeros(steps, self.graph.outputs[-1].type.dtype)
        rows = [self.examples[k - self.states] for k in gathered_inputs(executable.plan)]
        executable.run([self.rates(steps)], [record], batch=batch, steps=steps,
                       order=self.order(batch, steps), rows=rows, threads=threads)  # fmt: skip
        return executable.get_state(), record

    def simulated(
        self, batch: int, steps: int, threads: int
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """The same by the plan alone, element by element, the last thread first."""
        plan = make_plan(simplify(self.graph), self.roles)
        assert_lives_apart(plan, batch)
        simulation = Simulation(plan, batch, threads)
        states, record = plan.graph.inputs[: self.states], []
        for node, array in zip(states, self.start, strict=True):
            simulation.put(node, array)
        rows = dict(zip(plan.graph.inputs[self.states :], self.examples, strict=False))
        gathered = [rows[plan.graph.inputs[k]] for k in gathered_inputs(plan)]
        for rate in self.rates(steps):
            simulation.put(plan.graph.inputs[-1], rate)
            simulation.run_step(range(threads)[::-1], gathered, self.order(batch, steps))
            record.append(simulation.get(plan.graph.outputs[-1]))
        return [simulation.get(node) for node in states], np.array(record)

    def in_numpy(self, batch: int, steps: int) -> tuple[list[Bounded], Bounded]:
        """The same by the reference meaning of each node, with bounds."""
        states, record = [Bounded.exact(x) for x in self.start], []
        orders = self.order(batch, steps).reshape(steps, batch)
        for rate, order in zip(self.rates(steps), orders, strict=True):
            rows = [Bounded.exact(x[order]) for x in self.examples]
            *states, last = run(self.graph, [*states, *rows, Bounded.exact(rate)], batch)
            record.append(last)
        value = np.array([x.value for x in record])
        return states, Bounded(value, np.array([x.bound for x in record]))


@st.composite
def training_steps(draw: st.DrawFn, most: int = 16) -> Step:
    """A step whose new states are moved a little, exchanged, kept or replaced."""
    main = draw(st.sampled_from([F32, F64]))
    drawer = Drawer(draw, main, batched=True)
    states = [Node("input", (), ArrayType(main, drawer.shape(2, batched=False)))
              for _ in range(draw(st.integers(1, 4)))]  # fmt: skip
    rows = [Node("input", (), ArrayType(main, (BATCH, *drawer.shape(1, batched=False))))
            for _ in range(draw(st.integers(1, 2)))]  # fmt: skip
    rate = Node("input", (), ArrayType(main, ()))
    drawer.inputs = [*states, *rows, rate]
    drawer.pool = [*states, *rows, rate]
    for _ in range(draw(st.integers(3, most))):
        drawer.step()
    new = [_new_state(draw, drawer, state, rate) for state in states]
    record = _record(draw, drawer)
    seed = draw(st.integers(0, 2**16))
    return Step(Graph(tuple(drawer.inputs), (*new, record)), len(states), len(rows), seed)


def _new_state(draw: st.DrawFn, drawer: Drawer, state: Node, rate: Node) -> Node:
    """Another value of its type (perhaps another state), or a step of the descent along it."""
    other = drawer.like(state)
    if draw(st.integers(0, 2)) == 0:
        return other
    spread = rate
    if state.type.rank:
        spread = make("broadcast", rate, shape=state.type.shape, axes=())
    moved = make("multiply", spread, within(other, (-3.0, 3.0)))
    new = make("subtract", within(state, (-3.0, 3.0)), moved)
    drawer.pool.append(new)  # what comes behind may read the value after the update
    return new


def _record(draw: st.DrawFn, drawer: Drawer) -> Node:
    """The sum of a value of the step, or of it times another of its type; twice such a sum."""
    found = [_whole_sum(draw, drawer) for _ in range(draw(st.integers(1, 2)))]
    if len(found) == 2 and found[0].type == found[1].type:
        return make("add", *found)
    return found[0]


def _whole_sum(draw: st.DrawFn, drawer: Drawer) -> Node:
    x = drawer.pick(lambda x: x.type.is_float)
    assert x is not None
    if draw(st.booleans()):
        x = make("multiply", *(within(y, (-3.0, 3.0)) for y in (x, drawer.like(x))))
    return make("sum", x, axes=tuple(range(x.type.rank))) if x.type.rank else x


def assert_same_bits(a: Sequence[np.ndarray], b: Sequence[np.ndarray], what: object = "") -> None:
    """Two lists of arrays, bit for bit."""
    for x, y in zip(a, b, strict=True):
        assert x.tobytes() == y.tobytes(), (x, y, what)
