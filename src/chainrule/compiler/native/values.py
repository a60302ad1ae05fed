"""Work out a value of the graph at an index: the one walker that every nest's body is made of.

An index has one entry per axis: a machine integer, a run of lanes, or a vector of positions. What
is stored is loaded there; what is not is worked out from its operands at their indices. What was
worked out once in a block is not worked out again.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.compiler.lower.views import REDUCTIONS, is_view, view_index
from chainrule.compiler.native.emit import NativeType, Val
from chainrule.compiler.native.memory import Entry, Index, Place, has_lanes, kind_of
from chainrule.compiler.native.moves import MOVES, moved_value
from chainrule.compiler.passes.build import axes_of
from chainrule.compiler.passes.fold import ELEMENTWISE
from chainrule.ir.graph import Node
from chainrule.ops import PRIMITIVES

#: The longest inner reduction that is written out instead of looped over.
_UNROLLED: Final = 64


class Body(Place):
    """The body of one nest's function, while it is being written."""

    # -- values ----------------------------------------------------------------------------------

    def value(self, node: Node, index: Index) -> Val:
        """The value of a node at an index: a scalar, or a vector where the index has lanes."""
        # Operands first on a stack of our own: Python's would not hold a chain of some hundred.
        waiting = [(node, index)]
        while waiting:
            key = waiting[-1]
            missing = [x for x in self._operands(*key) if x not in self._known]
            if missing and key not in self._known:
                waiting += reversed(missing)
                continue
            if key not in self._known:
                self._known[key] = self._work_out(*key)
            waiting.pop()
        return self._known[node, index]

    def _operands(self, node: Node, index: Index) -> list[tuple[Node, Index]]:
        """What working a value out takes first, where that is known without writing a line."""
        if node in self.stored and node not in self.inside:
            return []
        if node.op in ELEMENTWISE:
            return [(x, index) for x in node.inputs]
        if is_view(node) and node.op not in MOVES:
            return [(node.inputs[0], view_index(node, index, self.e.i64(0)))]
        return []

    def _work_out(self, node: Node, index: Index) -> Val:
        if node in self.stored and node not in self.inside:
            return self.load(self.stored[node], index)
        if node.op in ("constant", "size", "iota"):
            return self._leaf(node, index)
        if node.op in MOVES:
            return moved_value(self, node, index)
        if is_view(node):
            zero = self.e.i64(0)
            return self.value(node.inputs[0], view_index(node, index, zero))
        if node.op in REDUCTIONS:
            return self._reduction(node, index)
        operands = [self.value(x, index) for x in node.inputs]
        lower = PRIMITIVES[node.op].lower
        assert callable(lower), f"{node.op} reached the emission unstored"
        return lower(self.e, *operands, **node.attributes)  # type: ignore[no-any-return]

    def _leaf(self, node: Node, index: Index) -> Val:
        type_ = NativeType(kind_of(node.type.dtype))
        if node.op == "constant":
            return self.e.constant(node.attributes["value"], type_)  # type: ignore[arg-type]
        if node.op == "size":
            return self.once(node, lambda: self._size(node, type_))
        axis = node.attributes["axis"]
        assert isinstance(axis, int)
        return self.e.convert(self.positions(index[axis]), type_.kind)

    def _size(self, node: Node, type_: NativeType) -> Val:
        """scale * batch ** power, in double precision and then rounded."""
        f64 = NativeType("f64")
        b = self.e.convert(self.batch, "f64")
        power = node.attributes["power"]
        value = self.e.constant(node.attributes["scale"], f64)  # type: ignore[arg-type]
        assert isinstance(power, int)
        for _ in range(abs(power)):
            value = self.e.mul(value, b) if power > 0 else self.e.div(value, b)
        return self.e.convert(value, type_.kind)

    # -- reductions inside a body ----------------------------------------------------------------

    def neutral(self, node: Node) -> Val:
        """What a reduction begins with."""
        kind = kind_of(node.type.dtype)
        if node.op in ("sum", "prod"):
            return self.e.constant(int(node.op == "prod"), NativeType(kind))
        lowest = {"f32": -np.inf, "f64": -np.inf, "i64": -(2**63), "i32": -(2**31), "i1": 0}[kind]
        return self.e.constant(lowest, NativeType(kind))

    def combine(self, node: Node, so_far: Val, index: Index) -> Val:
        """Take the operand at ``index`` into a sum or maximum; a product into a sum by fma."""
        (x,) = node.inputs
        if node.op == "sum" and x.op == "multiply" and not self._is_loaded(x) and x.type.is_float:
            a, b = (self.value(operand, index) for operand in x.inputs)
            return self.e.fma(a, b, so_far)
        return self.join(node, so_far, self.value(x, index))

    def _is_loaded(self, node: Node) -> bool:
        return node in self.stored and node not in self.inside

    def join(self, node: Node, a: Val, b: Val) -> Val:
        """Two partial results of a reduction into one."""
        if node.op == "sum":  # of booleans: whether any is true
            return self.e.or_(a, b) if a.type.kind == "i1" else self.e.add(a, b)
        if node.op == "prod":
            return self.e.and_(a, b) if a.type.kind == "i1" else self.e.mul(a, b)
        return self.e.larger(a, b)

    def _reduction(self, node: Node, index: Index) -> Val:
        """A reduction worked out where it is needed, over axes written out or looped over."""
        (x,) = node.inputs
        gone = axes_of(node)
        lanes = self.lanes if any(has_lanes(k) for k in index) else 0
        start = self.neutral(node)
        start = self.e.splat(start, lanes) if lanes else start
        kept = iter(index)
        full: list[Entry | None] = [None if k in gone else next(kept) for k in range(x.type.rank)]
        return self._reduce_axes(node, full, list(gone), start)

    def _reduce_axes(self, node: Node, full: list[Any], axes: list[int], so_far: Val) -> Val:
        if not axes:
            return self.e.match(self.combine(node, so_far, tuple(full)), so_far)[0]
        axis, *rest = axes
        size = node.inputs[0].type.shape[axis]

        def at(position: Val, value: Val) -> Val:
            return self._reduce_axes(node, [*full[:axis], position, *full[axis + 1 :]], rest, value)

        if isinstance(size, int) and size <= _UNROLLED:
            for k in range(size):
                so_far = at(self.e.i64(k), so_far)
            return so_far

        def body(position: Val, carried: list[Val]) -> list[Val]:
            with self.block():
                return [at(position, carried[0])]

        return self.e.loop(self.e.i64(0), self.size(size), 1, body, [so_far])[0]
