"""Copy a matrix into the other layout, block by block in registers."""

from __future__ import annotations

from chainrule.compiler.lower.buffers import Buffer
from chainrule.compiler.lower.group import Nest, behind_views
from chainrule.compiler.lower.views import source_of
from chainrule.compiler.native.emit import NativeType, Val
from chainrule.compiler.native.loops import HIGH, LOW
from chainrule.compiler.native.memory import Lanes, kind_of, memory_kind
from chainrule.compiler.native.values import Body
from chainrule.ir.graph import Node


def is_transposition(body: Body, nest: Nest) -> bool:
    """Whether a nest only copies a matrix of ours that lies the other way."""
    if nest.kind != "map" or len(nest.members) != 1 or len(nest.shape) != 2:
        return False
    (root,) = nest.roots
    if root.op != "copy" or root.type.dtype.kind == "b":
        return False
    source, labels = source_of(root.inputs[0])
    if source is not behind_views(root.inputs[0]) or source not in body.stored:
        return False
    return len(labels) == 2 and _lies_across(body.stored[root], body.stored[source], labels)


def _lies_across(to: Buffer, of: Buffer, labels: tuple[int | None, ...]) -> bool:
    """Both with room for whole vectors, contiguous along different axes."""
    contiguous = labels[of.order[-1]]
    return to.roomy and of.roomy and contiguous == to.order[0] and len(of.order) == 2


def write_transposition(body: Body, nest: Nest) -> None:
    """Square blocks of as many rows as a vector has lanes."""
    (root,) = nest.roots
    source, labels = source_of(root.inputs[0])
    to, of = body.stored[root], body.stored[source]
    outer, inner = nest.order
    e, lanes = body.e, body.lanes
    places = [labels.index(outer), labels.index(inner)]

    def column(row: Val, at: Val) -> None:
        rows = []
        for k in range(lanes):
            # The lanes run along the new outer axis, in which the old rows are contiguous.
            index = [Lanes(row), Lanes(row)]
            index[places[1]] = Lanes(at, None, k)
            rows.append(_load_row(body, of, tuple(index), places[1], root))
        for k, vector in enumerate(_transposed(body, rows)):
            target = [Lanes(at), Lanes(at)]
            target[outer] = Lanes(row, None, k)
            e.store(vector, body.address(to, tuple(target)))

    def rows_from(row: Val, _: list[Val]) -> list[Val]:
        def columns_from(at: Val, _: list[Val]) -> list[Val]:
            with body.block():
                column(row, at)
            return []

        e.loop(e.i64(0), body.size(nest.shape[inner]), lanes, columns_from)
        return []

    e.loop(LOW, HIGH, lanes, rows_from)


def _load_row(body: Body, of: Buffer, index: tuple[Lanes, ...], axis: int, root: Node) -> Val:
    type_ = NativeType(kind_of(root.type.dtype), body.lanes)
    assert memory_kind(root.type.dtype) == type_.kind and index[axis].valid is None
    return body.e.load(body.address(of, index), type_)


def _transposed(body: Body, rows: list[Val]) -> list[Val]:
    """Swap ever larger blocks across the diagonal: log₂ n rounds of n shuffles."""
    rows, n, step = list(rows), len(rows), 1
    while step < n:
        for i in range(n):
            if i & step:
                continue
            a, b = rows[i], rows[i + step]
            upper = [k if not k & step else n + k - step for k in range(n)]
            lower = [k + step if not k & step else n + k for k in range(n)]
            rows[i], rows[i + step] = body.e.shuffle(a, b, upper), body.e.shuffle(a, b, lower)
        step *= 2
    return rows
