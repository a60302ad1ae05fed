"""Random programs: graphs of the table's operations over small arrays, for hypothesis to draw.

Operands of elementwise operations are first brought into the domain that their record names, so
that any chain of operations stays finite; a record that is added to the table is drawn too.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from chainrule.errors import ChainruleError
from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import BATCH, DTYPE_NAMES, ArrayType, Shape, Size, sized
from chainrule.ops import PRIMITIVES, NoGradient, Primitive
from chainrule.tracing.tracer import bind

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
I32, I64, BOOL = np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.bool_)
DTYPES = (F32, F64, I32, I64, BOOL)
#: One lane, a vector less one, a vector, one more, two and a bit, and what layers often have.
SIZES = (1, 2, 3, 5, 8, 15, 16, 17, 33)
#: These need no operand within a domain: their result is at most twice as large.
_TAME = {"add", "subtract", "negative", "absolute", "maximum", "minimum", "copy", "stop_gradient"}
_MOST_ELEMENTS = 3000
#: What stands for the batch when sizes are weighed.
_TYPICAL = 17


def arity(record: Primitive) -> int:
    """How many operands an elementwise operation takes, the emitter not counted."""
    assert callable(record.lower)
    parameters = inspect.signature(record.lower).parameters.values()
    return sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) - 1


def attribute_names(record: Primitive) -> list[str]:
    """The attributes of an elementwise operation."""
    assert callable(record.lower)
    parameters = inspect.signature(record.lower).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


ELEMENTWISE = [p for p in PRIMITIVES.values() if callable(p.lower)]
PLAIN = [p for p in ELEMENTWISE if not attribute_names(p)]


def make(op: str, *inputs: Node, **attributes: Any) -> Node:
    """A node of the type that the operation's shape rule gives."""
    type_ = PRIMITIVES[op].shape(*(x.type for x in inputs), **attributes)
    return Node(op, inputs, type_, attributes)


def accepts(record: Primitive, types: Iterable[ArrayType], **attributes: Any) -> bool:
    """Whether the shape rule takes operands of these types."""
    try:
        record.shape(*types, **attributes)
    except ChainruleError:
        return False
    return True


def number(value: float, like: Node) -> Node:
    """A constant of a node's type and shape."""
    constant = make("constant", value=value, dtype=DTYPE_NAMES[like.type.dtype])
    return (
        make("broadcast", constant, shape=like.type.shape, axes=()) if like.type.rank else constant
    )


def within(x: Node, domain: tuple[float, float]) -> Node:
    """x kept inside of an open interval."""
    low, high = domain
    margin = (high - low) / 64  # strictly inside, also after rounding
    raised = make("maximum", x, number(low + margin, x))
    return make("minimum", raised, number(high - margin, x))


def within_whole(x: Node, size: int) -> Node:
    """Whole numbers kept between 0 and size - 1."""
    return make("minimum", make("maximum", x, number(0, x)), number(size - 1, x))


def values(type_: ArrayType, batch: int, rng: np.random.Generator) -> np.ndarray:
    """Random elements: numbers of moderate size."""
    shape = sized(type_.shape, batch)
    match type_.dtype.kind:
        case "f":
            return np.asarray(rng.uniform(-3, 3, shape), type_.dtype)
        case "b":
            return np.asarray(rng.integers(0, 2, shape), bool)
        case _:
            return np.asarray(rng.integers(-5, 6, shape), type_.dtype)


class Program:
    """A graph and how to feed it."""

    def __init__(self, graph: Graph, seed: int) -> None:
        self.graph = graph
        self.seed = seed

    def inputs(self, batch: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(self.seed)
        return [values(node.type, batch, rng) for node in self.graph.inputs]

    def __repr__(self) -> str:
        return f"seed {self.seed}\n{self.graph}"


def as_function(graph: Graph) -> Callable[..., list[Any]]:
    """The graph as a function of arrays or tracers, each node through the door of them all."""

    def run(*inputs: Any) -> list[Any]:
        known = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph.nodes:
            if node not in known:
                operands = [known[x] for x in node.inputs]
                with np.errstate(divide="ignore"):  # of integers by 0
                    known[node] = bind(node.op, *operands, **node.attributes)
        return [known[node] for node in graph.outputs]

    return run


@st.composite
def programs(
    draw: st.DrawFn,
    dtype: np.dtype | None = None,
    batched: bool = False,
    fewest: int = 5,
    most: int = 25,
    smooth: bool = False,
) -> Program:
    """A program of so many operations on inputs of one floating dtype and now and then integers.

    In a ``smooth`` one no floating result is without a derivative, as that of ``floor`` is.
    """
    main = draw(st.sampled_from([F32, F64])) if dtype is None else dtype
    drawer = Drawer(draw, main, batched, smooth)
    for _ in range(draw(st.integers(fewest, most))):
        drawer.step()
    return Program(drawer.finish(), draw(st.integers(0, 2**16)))


class Drawer:
    """The values that a program has so far, and the ways to make another."""

    def __init__(
        self, draw: st.DrawFn, main: np.dtype, batched: bool, smooth: bool = False
    ) -> None:
        self.draw = draw
        self.smooth = smooth
        self.main = main
        sizes = st.lists(st.sampled_from(SIZES), min_size=2, max_size=3)
        self.sizes: list[Any] = [*([BATCH] if batched else []), *draw(sizes)]
        kinds = [main, main, *([I64] if draw(st.booleans()) else [])]
        self.inputs = [
            Node("input", (), ArrayType(d, self.shape(3 if d == main else 2, batched)))
            for d in kinds
        ]
        self.pool = list(self.inputs)

    def shape(self, most: int, batched: bool) -> Shape:
        """A shape of at most so many axes; the batch stands in front, as in examples."""
        sizes = self.sizes if batched else [n for n in self.sizes if n is not BATCH]
        found = [self.draw(st.sampled_from(sizes)) for _ in range(self.draw(st.integers(0, most)))]
        batch = [BATCH] if BATCH in found else []
        return (*batch, *(n for n in found if n is not BATCH))

    # -- one operation -------------------------------------------------------------------------

    def step(self) -> None:
        """One more value in the pool, or none where the choice does not fit."""
        kinds = [self.elementwise, self.elementwise, self.elementwise, self.choose, self.convert,
                 self.reduce, self.broadcast, self.transpose, self.reshape, self.part, self.pad,
                 self.concatenate, self.dot, self.dot, self.windows, self.running, self.take,
                 self.take_each, self.scatter, self.last_writer]  # fmt: skip
        made = self.draw(st.sampled_from(kinds))()
        if made is not None and _elements(made.type.shape) <= _MOST_ELEMENTS:
            self.pool.append(made)

    def pick(self, fits: Callable[[Node], bool] = lambda _: True) -> Node | None:
        found = [x for x in self.pool if fits(x)]
        return self.draw(st.sampled_from(found)) if found else None

    def like(self, x: Node) -> Node:
        """A value of the same type: from the pool, x itself at least."""
        found = self.pick(lambda y: y.type == x.type)
        assert found is not None
        return found

    def elementwise(self) -> Node | None:
        x = self.pick()
        assert x is not None
        fitting = [p for p in PLAIN if accepts(p, [x.type] * arity(p)) and self.may(p, x.type)]
        record = self.draw(st.sampled_from(fitting))
        operands = [x, *(self.like(x) for _ in range(arity(record) - 1))]
        if x.type.is_float and record.name not in _TAME:
            operands = [within(y, record.domain) for y in operands]
        made = make(record.name, *operands)
        return made if made.type.dtype != BOOL else self.back(made)

    def may(self, record: Primitive, type_: ArrayType) -> bool:
        """Whether a smooth program may have this operation on operands of this type."""
        if not self.smooth or not isinstance(record.vjp, NoGradient) or not type_.is_float:
            return True
        return not record.shape(*[type_] * arity(record)).is_float

    def back(self, x: Node) -> Node:
        """Booleans and integers return to the floats, most of the time."""
        back = self.draw(st.integers(0, 3)) > 0
        return make("cast", x, dtype=DTYPE_NAMES[self.main]) if back else x

    def choose(self) -> Node | None:
        x = self.pick(lambda x: x.type.dtype != BOOL)
        if x is None:
            return None
        condition = self.pick(lambda c: c.type.dtype == BOOL and c.type.shape == x.type.shape)
        if condition is None:
            condition = make("less", self.like(x), self.like(x))
        return make("where", condition, self.like(x), x)

    def convert(self) -> Node | None:
        x = self.pick()
        assert x is not None
        wanted = self.draw(st.sampled_from(DTYPES))
        if x.type.is_float and wanted.kind == "i":
            x = within(x, (-3.0, 3.0))
        return self.back(make("cast", x, dtype=DTYPE_NAMES[wanted]))

    def reduce(self) -> Node | None:
        op = self.draw(st.sampled_from(["sum", "max", "prod"]))
        x = self.pick(lambda x: x.type.rank > 0 and (op == "max" or x.type.dtype != BOOL))
        if x is None or (op == "prod" and x.type.dtype.kind == "i"):
            return None
        x = within(x, (-1.5, 1.5)) if op == "prod" else x
        axes = st.sets(st.integers(0, x.type.rank - 1), min_size=1)
        return make(op, x, axes=tuple(sorted(self.draw(axes))))

    def broadcast(self) -> Node | None:
        x = self.pick(lambda x: x.type.rank < 3)
        if x is None:
            return None
        shape: list[Any] = list(x.type.shape)
        axes = list(range(x.type.rank))
        place = self.draw(st.integers(0, x.type.rank))
        new = self.draw(
            st.sampled_from([n for n in self.sizes if n is not BATCH or n not in shape])
        )
        shape.insert(place, new)
        axes = [a + (a >= place) for a in axes]
        return make("broadcast", x, shape=tuple(shape), axes=tuple(axes))

    def transpose(self) -> Node | None:
        x = self.pick(lambda x: x.type.rank > 1)
        if x is None:
            return None
        return make("transpose", x, axes=tuple(self.draw(st.permutations(range(x.type.rank)))))

    def reshape(self) -> Node | None:
        x = self.pick(lambda x: x.type.rank > 0)
        if x is None:
            return None
        symbolic = [n for n in x.type.shape if n is BATCH]
        rest = math.prod(n for n in x.type.shape if n is not BATCH)
        first = self.draw(st.sampled_from([k for k in range(1, rest + 1) if rest % k == 0]))
        forms = [[rest], [first, rest // first], [first, 1, rest // first]]
        if rest == 1:
            forms.append([])
        shape: list[Any] = list(self.draw(st.sampled_from(forms)))
        for n in symbolic:
            shape.insert(self.draw(st.integers(0, len(shape))), n)
        return make("reshape", x, shape=tuple(shape))

    def part(self) -> Node | None:
        x = self.pick(lambda x: x.type.rank > 0)
        if x is None:
            return None
        starts, shape, steps = zip(*(self._range_of(n) for n in x.type.shape), strict=True)
        return make("slice", x, starts=starts, shape=shape, steps=steps)

    def _range_of(self, n: Size) -> tuple[int, Size, int]:
        """(start, how many, step) on an axis; the batch is taken whole, perhaps backwards."""
        if n is BATCH or self.draw(st.integers(0, 5)) == 0:
            return self.draw(st.sampled_from([(0, n, 1), (-1, n, -1)]))
        assert isinstance(n, int)
        start, step = (
            self.draw(st.integers(0, n - 1)),
            self.draw(st.sampled_from([1, 1, 2, -1, -3])),
        )
        most = (n - 1 - start) // step + 1 if step > 0 else start // -step + 1
        return start, self.draw(st.integers(1, most)), step

    def pad(self) -> Node | None:
        x = self.pick(lambda x: x.type.rank > 0)
        if x is None:
            return None
        widths = [
            (0, 0) if n is BATCH else (self.draw(st.integers(0, 3)), self.draw(st.integers(0, 3)))
            for n in x.type.shape
        ]
        shape = tuple(
            n if n is BATCH else a + n + b for n, (a, b) in zip(x.type.shape, widths, strict=True)
        )
        return make(
            "pad", x, starts=tuple(a for a, _ in widths), shape=shape, steps=(1,) * len(shape)
        )

    def concatenate(self) -> Node | None:
        x = self.pick(lambda x: any(n is not BATCH for n in x.type.shape))
        if x is None:
            return None
        axis = self.draw(st.sampled_from([k for k, n in enumerate(x.type.shape) if n is not BATCH]))
        return make("concatenate", x, self.like(x), axis=axis)

    def windows(self) -> Node | None:
        """Windows of an axis, or their adjoint."""
        x = self.pick(lambda x: 0 < x.type.rank < 3 and x.type.shape[-1] is not BATCH)
        if x is None:
            return None
        n, axis = x.type.shape[-1], x.type.rank - 1
        assert isinstance(n, int)
        stride, dilation, k = (self.draw(st.integers(1, 3)) for _ in range(3))
        k = min(k, (n - 1) // dilation + 1)
        spread = make("broadcast", x, shape=(*x.type.shape, k), axes=tuple(range(x.type.rank)))
        places = {"axis": axis, "along": axis + 1, "stride": stride, "dilation": dilation}
        if self.draw(st.booleans()):
            size = (n - 1 - (k - 1) * dilation) // stride + 1
            return make("shear", spread, size=size, **places)
        wide = (n - 1) * stride + (k - 1) * dilation + self.draw(st.integers(1, 3))
        laid = make("unshear", spread, size=wide, **places)
        return make("sum", laid, axes=(axis + 1,))

    # -- along an axis, and at places that are data ----------------------------------------------

    def running(self) -> Node | None:
        x = self.pick(lambda x: x.type.rank > 0 and x.type.is_float)
        if x is None:
            return None
        axis, reverse = self.draw(st.integers(0, x.type.rank - 1)), self.draw(st.booleans())
        op = self.draw(
            st.sampled_from(["recurrence", "cumlogsumexp", "argcummax", "argsort", "sort"])
        )
        if op in ("argcummax", "argsort"):
            return self.back(make(op, x, axis=axis))
        if op == "sort":
            return make(op, x, axis=axis)
        x = within(x, (-1.0, 1.0))  # in a recurrence errors do not grow
        operands = (x, self.like(x)) if op == "recurrence" else (x,)
        return make(op, *operands, axis=axis, reverse=reverse)

    def places(self, shape: Shape, size: int) -> Node:
        """Whole numbers from 0 to size - 1, many of them twice."""
        line = make("iota", axis=len(shape) - 1, shape=shape, dtype="i64")
        factor, first = (self.draw(st.integers(-3, 3)) for _ in range(2))
        moved = make("add", make("multiply", line, number(factor, line)), number(first, line))
        return within_whole(moved, size)

    def take(self) -> Node | None:
        x = self.pick(lambda x: x.type.rank > 0 and x.type.shape[0] is not BATCH)
        if x is None:
            return None
        n = x.type.shape[0]
        assert isinstance(n, int)
        return make("take", x, self.places(self.shape(2, False) or (3,), n))

    def take_each(self) -> Node | None:
        """Each example at places of its own."""
        x = self.pick(lambda x: x.type.rank > 1 and x.type.shape[1] is not BATCH)
        if x is None:
            return None
        n = x.type.shape[1]
        assert isinstance(n, int)
        return make("take", x, self.places((x.type.shape[0], 3), n), batch=1)

    def scatter(self) -> Node | None:
        g = self.pick(lambda x: x.type.rank > 0 and x.type.dtype != BOOL)
        if g is None:
            return None
        size = self.draw(st.integers(1, 9))
        return make("scatter_add", self.places(g.type.shape[:1], size), g, size=size)

    def last_writer(self) -> Node | None:
        size = self.draw(st.integers(1, 20))
        shape = (self.draw(st.sampled_from([n for n in self.sizes if n is not BATCH])),)
        return self.back(make("last_of", self.places(shape, size), size=size))

    # -- products --------------------------------------------------------------------------------

    def dot(self) -> Node | None:
        """Any axes of equal size contracted or shared: one, several or none."""
        a = self.pick(lambda x: x.type.is_float)
        assert a is not None
        b = self.pick(lambda x: x.type.is_float and x.type.dtype == a.type.dtype)
        assert b is not None
        inner: list[tuple[int, int]] = []
        shared: list[tuple[int, int]] = []
        for i, n in enumerate(a.type.shape):
            taken = {j for _, j in inner + shared}
            fitting = [j for j, m in enumerate(b.type.shape) if m == n and j not in taken]
            use = self.draw(st.sampled_from([inner, inner, shared, None])) if fitting else None
            if use is not None:
                use.append((i, self.draw(st.sampled_from(fitting))))
        domain = PRIMITIVES["dot"].domain
        made = make(
            "dot", within(a, domain), within(b, domain),
            a_axes=tuple(i for i, _ in inner), b_axes=tuple(j for _, j in inner),
            a_batch=tuple(i for i, _ in shared), b_batch=tuple(j for _, j in shared),
        )  # fmt: skip
        fits = made.type.rank <= 4 and sum(n is BATCH for n in made.type.shape) < 2
        return made if fits else None

    # -- the end -------------------------------------------------------------------------------

    def finish(self) -> Graph:
        """The last values, and one from the middle."""
        chosen = [self.pool[-1], *self.pool[-2:-1], self.draw(st.sampled_from(self.pool))]
        count = self.draw(st.integers(1, 3))
        return Graph(tuple(self.inputs), tuple(chosen[:count]))


def _elements(shape: Shape) -> int:
    return math.prod(sized(shape, _TYPICAL))
