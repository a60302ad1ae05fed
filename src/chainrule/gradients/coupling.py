"""Whether the examples of a batch act on one another on the way to a gradient.

Each value of a graph is followed from the inputs: what belongs to one row, what is a sum over the
rows, and what is neither. Where a sum of what depends on the parameters is used again by a row
(BatchNorm), or in another than a linear way (exp of a mean), no example has a gradient of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chainrule.ir.graph import Graph, Node
from chainrule.ops import PRIMITIVES
from chainrule.ops.bodies import TOKEN
from chainrule.ops.record import LINEAR, POINTWISE
from chainrule.ops.scan import Scan

#: How much is known of a value, the least trouble first: no parameter in it (its rows may depend
#: on one another); the same for all rows; a row for each example, made of that example alone; a
#: sum over the examples; by an operation that is not followed; of rows that act on one another.
DATA, SAME, ROWS, TOTAL, UNKNOWN, COUPLED = range(6)
#: Linear in all their operands together.
JOINT: Final = frozenset({"add", "subtract", "concatenate", "where"})
_LINEAR: Final = JOINT | {
    "negative", "multiply", "divide", "cast", "copy", "fence", "take", "scatter_add",
}  # fmt: skip
_NOT_LINEAR: Final = frozenset({"argcummax", "argsort", "last_of", "svd_completion"})
_LINALG: Final = (
    "cholesky", "solve_triangular", "solve", "inverse", "logabsdet", "detsign", "det", "cofactor",
    "eigh", "svd", "svd_completion", "qr", "pinv",
)  # fmt: skip
_WITH_BODIES: Final = frozenset({"cond", "while_loop"})


@dataclass(frozen=True, slots=True)
class Flow:
    """What is known of a value, and whether it depends on the batch's examples."""

    kind: int = DATA
    varies: bool = False

    def joined(self, other: Flow) -> Flow:
        """What may be the one or the other."""
        return Flow(max(self.kind, other.kind), self.varies or other.varies)


class Flows:
    """What is known of the nodes of one graph, each worked out once.

    ``known`` says it of inputs; of all others the first axis tells rows, and an input of floating
    point that is no row and no constant is a parameter.
    """

    def __init__(self, batch: int, constants: frozenset[Node], known: dict[Node, Flow]) -> None:
        self.batch, self.constants = batch, constants
        self._found = known
        self._results: dict[Node, list[Flow]] = {}

    def of(self, node: Node) -> Flow:
        """What is known of a node."""
        if node not in self._found:
            for each in Graph((), (node,)).nodes:
                if each not in self._found:
                    self._found[each] = self._made(each)
        return self._found[node]

    def axis(self, node: Node) -> int | None:
        """Where a node's rows are counted."""
        return node.type.shape.index(self.batch) if self.batch in node.type.shape else None

    def _made(self, node: Node) -> Flow:
        if node.op == "input":
            return self._input(node)
        if node.op == "item":
            return self._item(node)
        inputs = node.inputs[:1] if node.op == "fence" else node.inputs
        flows = [self._found[x] for x in inputs]
        if node.op == "scan":
            self._results[node] = self._scanned(node, flows)
        varies = any(flow.varies for flow in flows)
        return Flow(self._kind(node, inputs, [flow.kind for flow in flows], varies), varies)

    def _input(self, node: Node) -> Flow:
        if node.type.shape[:1] == (self.batch,):
            return Flow(DATA, varies=True)
        is_parameter = node.type.is_float and node not in self.constants
        return Flow(SAME if is_parameter else DATA)

    def _item(self, node: Node) -> Flow:
        token, index = node.inputs[0], node.attributes["index"]
        assert isinstance(index, int)
        if token in self._results:
            return self._results[token][index]
        return self._found[token.inputs[index] if token.op == "custom" else token]

    def _kind(self, node: Node, inputs: Sequence[Node], kinds: list[int], varies: bool) -> int:
        worst = max(kinds, default=DATA)
        if worst == DATA or worst >= UNKNOWN:
            return worst
        if node.op in _WITH_BODIES:
            return UNKNOWN if varies else worst
        if node.type.shape.count(self.batch) > 1:
            return COUPLED
        if worst == TOTAL:
            return self._of_totals(node, kinds)
        return self._of_rows(node, inputs)

    def _of_totals(self, node: Node, kinds: list[int]) -> int:
        """A sum over the examples stays one under what is linear, and may not meet a row again."""
        if node.op in ("scan", "custom"):
            return TOTAL  # each result speaks for itself
        summed = [k for k, kind in enumerate(kinds) if kind == TOTAL]
        stays = self.axis(node) is None and is_linear(node) and may_vary(node, summed)
        return TOTAL if stays else COUPLED

    def _of_rows(self, node: Node, inputs: Sequence[Node]) -> int:
        axes = [self.axis(x) for x in inputs]
        if all(axis is None for axis in axes):
            return SAME if self.axis(node) is None else ROWS
        if any(x.type.shape.count(self.batch) > 1 for x in inputs):
            return COUPLED
        rule = _RULES.get(node.op)
        if rule is not None:
            return rule(node, axes, self.axis(node))
        if node.op in ("scan", "custom", "broadcast", "transpose"):
            return ROWS
        return ROWS if PRIMITIVES[node.op].batched == POINTWISE else UNKNOWN

    def _scanned(self, node: Node, flows: list[Flow]) -> list[Flow]:
        """Of each result of a loop: what is carried may only become known less of."""
        scan = Scan(**node.attributes)  # type: ignore[arg-type]
        consts, carries, over = scan.parts(flows)
        if scan.length == self.batch:  # a step reads one row and what others left
            over = [Flow(x.kind if x.kind == DATA else COUPLED, x.varies) for x in over]
        while True:
            outs = self.body(scan, [*consts, *carries, *over])
            after, put = scan.outputs(outs)
            more = [a.joined(b) for a, b in zip(carries, after, strict=True)]
            if more == carries:
                return [*carries, *put, *carries]
            carries = more

    def body(self, scan: Scan, flows: Sequence[Flow]) -> list[Flow]:
        """Of the outputs of a loop's body, from its inputs."""
        inner = Flows(self.batch, frozenset(), dict(zip(scan.body.inputs, flows, strict=True)))
        return [inner.of(node) for node in scan.body.outputs]

    def results(self, node: Node) -> list[Flow]:
        """Of all results of a loop."""
        self.of(node)
        return self._results[node]


# -- one operation on rows ------------------------------------------------------------------------
# (node, where each operand has its rows, where the result has them) -> a kind

_Axes = Sequence[int | None]


def _summed(node: Node, axes: _Axes, after: int | None) -> int:
    return TOTAL if axes[0] in _ints(node, "axes") else ROWS


def _reduced(node: Node, axes: _Axes, after: int | None) -> int:
    return COUPLED if axes[0] in _ints(node, "axes") else ROWS


def _contracted(node: Node, axes: _Axes, after: int | None) -> int:
    return TOTAL if axes[0] is not None and axes[0] in _ints(node, "a_axes") else ROWS


def _along(node: Node, axes: _Axes, after: int | None) -> int:
    taken = (node.attributes["axis"], node.attributes.get("along"))
    return COUPLED if any(k in taken for k in axes if k is not None) else ROWS


def _reshaped(node: Node, axes: _Axes, after: int | None) -> int:
    """Rows stay rows where as many elements stand in front of their axis as before."""
    before = axes[0]
    if before is None or after is None:
        return COUPLED
    sizes = [_product(x.type.shape[:k]) for x, k in ((node.inputs[0], before), (node, after))]
    return ROWS if sizes[0] == sizes[1] else COUPLED


def _cut(node: Node, axes: _Axes, after: int | None) -> int:
    k = axes[0]
    assert k is not None
    is_whole = _ints(node, "starts")[k] == 0 and _ints(node, "steps")[k] == 1
    return ROWS if is_whole and after == k else COUPLED


def _taken(node: Node, axes: _Axes, after: int | None) -> int:
    x, i = axes
    shared = node.attributes.get("batch", 0)
    assert isinstance(shared, int)
    if x is None:
        return ROWS
    if i is None:
        return COUPLED if x == shared else ROWS
    return ROWS if x == i < shared else COUPLED


def _scattered(node: Node, axes: _Axes, after: int | None) -> int:
    i, g = axes
    shared = node.attributes.get("batch", 0)
    assert isinstance(shared, int)
    if i is None:
        places = node.inputs[0].type.rank
        return ROWS if g is not None and g >= places and after is not None else COUPLED
    if i < shared:
        return ROWS
    return TOTAL if after is None else COUPLED


def _by_matrix(node: Node, axes: _Axes, after: int | None) -> int:
    """Of stacks of matrices, or for right sides: rows are neither in the matrix nor solved for."""
    stack, matrix, *right = node.inputs[0].type.rank - 2, *axes
    is_apart = matrix is None or matrix < stack
    return ROWS if is_apart and all(k != stack for k in right) else COUPLED


_RULES: Final[dict[str, Callable[[Node, _Axes, int | None], int]]] = {
    "sum": _summed, "max": _reduced, "prod": _reduced, "dot": _contracted,
    "reshape": _reshaped, "slice": _cut, "pad": _cut, "take": _taken, "scatter_add": _scattered,
    **dict.fromkeys(
        ("recurrence", "cumlogsumexp", "argcummax", "sort", "argsort", "concatenate", "shear",
         "unshear"), _along,
    ),
    **dict.fromkeys(_LINALG, _by_matrix),
}  # fmt: skip


def is_linear(node: Node) -> bool:
    """Whether an operation is linear in one of its operands, or in several together."""
    record = PRIMITIVES.get(node.op)
    if record is None or node.op in _NOT_LINEAR or node.type == TOKEN:
        return False
    return record.jvp == LINEAR or node.op in _LINEAR


def may_vary(node: Node, varying: Sequence[int]) -> bool:
    """Whether a linear operation is so in these operands together."""
    if node.op == "where":
        return 0 not in varying
    if node.op in JOINT:
        return True
    only: Any = {"divide": 0, "fence": 0, "take": 0, "scatter_add": 1}.get(node.op)
    return len(varying) == 1 and (only is None or only == varying[0])


def _ints(node: Node, name: str) -> tuple[int, ...]:
    values = node.attributes[name]
    assert isinstance(values, tuple)
    return values  # type: ignore[return-value]


def _product(sizes: Sequence[Any]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product
