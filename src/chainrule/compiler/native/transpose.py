"""Copy a matrix into the other layout, block by block in registers."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.compiler.lower.buffers import Buffer
from chainrule.compiler.lower.group import Nest, behind_views
from chainrule.compiler.lower.views import source_of
from chainrule.compiler.native.emit import NativeType, Val
from chainrule.compiler.native.loops import HIGH, LOW
from chainrule.compiler.native.memory import Entry, Index, Lanes, Near, kind_of, memory_kind
from chainrule.compiler.native.values import Body
from chainrule.ir.graph import Node


def is_transposition(body: Body, nest: Nest) -> bool:
    """Whether a nest only copies a matrix, that lies the other way, into memory of ours."""
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
    """Contiguous along different axes, and room for whole vectors where it is written."""
    contiguous = labels[of.order[-1]]
    return to.roomy and contiguous == to.order[0] and len(of.order) == 2


def write_transposition(body: Body, nest: Nest) -> None:
    """Square blocks of as many rows as a vector has lanes."""
    (root,) = nest.roots
    source, labels = source_of(root.inputs[0])
    to, of = body.stored[root], body.stored[source]
    outer, inner = nest.order
    e, lanes = body.e, body.lanes
    places = [labels.index(outer), labels.index(inner)]

    def block(row: Val, at: Val, valid: Val | None, last: Val | None) -> None:
        rows = []
        for k in range(lanes):
            # The lanes run along the new outer axis, in which the old rows are contiguous.
            index: list[Entry] = [Lanes(row, valid), Lanes(row, valid)]
            place = Near(at, k)
            index[places[1]] = e.smaller(body.positions(place), last) if last else place
            rows.append(_load_row(body, of, tuple(index), valid, root))
        for k, vector in enumerate(transposed(body, rows)):
            target: list[Entry] = [Lanes(at), Lanes(at)]
            target[outer] = Near(row, k)
            e.store(vector, body.address(to, tuple(target)))

    def across(row: Val, valid: Val | None) -> None:
        """The blocks that begin at a row."""
        end = body.size(nest.shape[inner])
        _over_blocks(
            body, e.i64(0), end, of.roomy,
            lambda at, rest: block(row, at, valid, rest and e.sub(end, e.i64(1))),
        )  # fmt: skip

    _over_blocks(body, LOW, HIGH, of.roomy, across)


def _over_blocks(
    body: Body, low: Val, high: Val, roomy: bool, write: Callable[[Val, Val | None], None]
) -> None:
    """Blocks of an axis, and how long the last is if it is short and may not be run over."""
    e, lanes = body.e, body.lanes

    def run(at: Val, _: list[Val]) -> list[Val]:
        with body.block():
            write(at, None)
        return []

    if roomy:
        e.loop(low, high, lanes, run)
        return
    rest = e.and_(e.sub(high, low), e.i64(lanes - 1))
    whole = e.sub(high, rest)
    e.loop(low, whole, lanes, run)
    with e.when(e.compare("gt", rest, e.i64(0))), body.block():
        write(whole, rest)


def _load_row(body: Body, of: Buffer, index: Index, valid: Val | None, root: Node) -> Val:
    type_ = NativeType(kind_of(root.type.dtype), body.lanes)
    assert memory_kind(root.type.dtype) == type_.kind
    return body.e.load_part(body.address(of, index), type_, valid)


def transposed(body: Body, rows: list[Val]) -> list[Val]:
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
