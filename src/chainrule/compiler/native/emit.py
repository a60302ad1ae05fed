"""A small typed writer of LLVM text.

Every method checks the types of its operands before it writes a line: LLVM's own verifier lets
some wrong calls pass. Operands may be scalars or vectors; a scalar meets a vector by a splat.
Nothing that a user wrote (a name, a string) ever reaches the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from chainrule.compiler.native.types import BITS, I1, I64, PTR, Kind, NativeType, Val, literal


class Emitter:
    """Writes one function: ``e.add(x, y)`` appends a line and returns the typed result."""

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Val]] | None = None,
        declarations: set[str] | None = None,
    ) -> None:
        self.lines: list[str] = []
        self.functions = functions or {}
        self.declarations = declarations if declarations is not None else set()
        self._count = 0
        self.block = "entry"

    # -- names, blocks, lines ------------------------------------------------------------------

    def fresh(self, stem: str = "v") -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def line(self, text: str) -> None:
        self.lines.append(text)

    def define(self, type_: NativeType, text: str) -> Val:
        name = f"%{self.fresh()}"
        self.lines.append(f"  {name} = {text}")
        return Val(type_, name)

    def start(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    def jump(self, label: str) -> None:
        self.lines.append(f"  br label %{label}")

    def branch(self, condition: Val, then: str, otherwise: str) -> None:
        assert condition.type == I1, condition
        self.lines.append(f"  br i1 {condition.text}, label %{then}, label %{otherwise}")

    @contextmanager
    def when(self, condition: Val) -> Iterator[None]:
        """The lines written inside run only where ``condition`` holds."""
        then, after = self.fresh("then"), self.fresh("after")
        self.branch(condition, then, after)
        self.start(then)
        yield
        self.jump(after)
        self.start(after)

    def loop(
        self,
        first: Val,
        last: Val,
        step: int,
        body: Callable[[Val, list[Val]], list[Val]],
        carried: Sequence[Val] = (),
    ) -> list[Val]:
        """``for i in range(first, last, step): carried = body(i, carried)``; returns carried."""
        assert first.type == last.type == I64, (first, last)
        head, inside, after = self.fresh("head"), self.fresh("body"), self.fresh("end")
        before = self.block
        self.jump(head)
        self.start(head)
        index = f"%{self.fresh('i')}"
        phis = [Val(c.type, f"%{self.fresh('c')}") for c in carried]
        place = len(self.lines)
        test = self.define(I1, f"icmp slt i64 {index}, {last.text}")
        self.branch(test, inside, after)
        self.start(inside)
        results = body(Val(I64, index), phis)
        bumped = self.define(I64, f"add nsw i64 {index}, {step}")
        back = self.block
        self.jump(head)
        lines = [f"  {index} = phi i64 [ {first.text}, %{before} ], [ {bumped.text}, %{back} ]"]
        for phi, start, result in zip(phis, carried, results, strict=True):
            assert phi.type == start.type == result.type, (phi, start, result)
            lines.append(
                f"  {phi.text} = phi {phi.type.text} "
                f"[ {start.text}, %{before} ], [ {result.text}, %{back} ]"
            )
        self.lines[place:place] = lines
        self.start(after)
        return phis

    # -- constants and shapes of values --------------------------------------------------------

    def constant(self, value: float | int | bool, type_: NativeType) -> Val:
        text = literal(value, type_.kind)
        if not type_.lanes:
            return Val(type_, text)
        element = NativeType(type_.kind).text
        return Val(type_, f"splat ({element} {text})")

    def i64(self, value: int) -> Val:
        return Val(I64, str(value))

    def iota(self, type_: NativeType) -> Val:
        """Lane numbers 0, 1, 2, ... as a vector."""
        element = NativeType(type_.kind).text
        lanes = ", ".join(f"{element} {literal(k, type_.kind)}" for k in range(type_.lanes))
        return Val(type_, f"<{lanes}>")

    def splat(self, x: Val, lanes: int) -> Val:
        if x.type.lanes == lanes:
            return x
        assert x.type.lanes == 0, (x, lanes)
        type_ = NativeType(x.type.kind, lanes)
        if not x.text.startswith("%"):
            return Val(type_, f"splat ({x.typed})")
        one = self.define(type_, f"insertelement {type_.text} poison, {x.typed}, i64 0")
        return self.define(
            type_,
            f"shufflevector {one.typed}, {type_.text} poison, <{lanes} x i32> zeroinitializer",
        )

    def shuffle(self, x: Val, y: Val, lanes: Sequence[int]) -> Val:
        """Lanes of x (0..n-1) and y (n..2n-1) by number."""
        assert x.type == y.type and x.type.lanes, (x, y)
        mask = ", ".join(f"i32 {k}" for k in lanes)
        type_ = NativeType(x.type.kind, len(lanes))
        return self.define(
            type_, f"shufflevector {x.typed}, {y.typed}, <{len(lanes)} x i32> <{mask}>"
        )

    def extract(self, x: Val, lane: int) -> Val:
        return self.define(NativeType(x.type.kind), f"extractelement {x.typed}, i64 {lane}")

    def match(self, *operands: Val) -> tuple[Val, ...]:
        """Splat the scalars among the operands to the width of the vectors among them."""
        lanes = max(x.type.lanes for x in operands)
        return tuple(self.splat(x, lanes) if lanes else x for x in operands)

    def _same(self, *operands: Val) -> tuple[Val, ...]:
        matched = self.match(*operands)
        assert len({x.type for x in matched}) == 1, operands
        return matched

    # -- arithmetic ----------------------------------------------------------------------------

    def _binary(self, of_float: str, of_int: str, x: Val, y: Val) -> Val:
        x, y = self._same(x, y)
        name = of_float if x.type.is_float else of_int
        assert name, (x, y)
        return self.define(x.type, f"{name} {x.typed}, {y.text}")

    def add(self, x: Val, y: Val) -> Val:
        return self._binary("fadd", "add", x, y)

    def sub(self, x: Val, y: Val) -> Val:
        return self._binary("fsub", "sub", x, y)

    def mul(self, x: Val, y: Val) -> Val:
        return self._binary("fmul", "mul", x, y)

    def div(self, x: Val, y: Val) -> Val:
        """Floats only: an integer division can trap."""
        return self._binary("fdiv", "", x, y)

    def divide_exactly(self, x: Val, by: int) -> Val:
        """x / by for integers, rounded towards zero; ``by`` is a number other than 0 and -1."""
        assert by not in (0, -1), by
        return self._binary("", "sdiv", x, self.constant(by, x.type))

    def and_(self, x: Val, y: Val) -> Val:
        return self._binary("", "and", x, y)

    def or_(self, x: Val, y: Val) -> Val:
        return self._binary("", "or", x, y)

    def xor(self, x: Val, y: Val) -> Val:
        return self._binary("", "xor", x, y)

    def shl(self, x: Val, count: int) -> Val:
        return self._binary("", "shl", x, self.constant(count, x.type))

    def lshr(self, x: Val, count: int) -> Val:
        return self._binary("", "lshr", x, self.constant(count, x.type))

    def ashr(self, x: Val, count: int) -> Val:
        return self._binary("", "ashr", x, self.constant(count, x.type))

    def neg(self, x: Val) -> Val:
        if x.type.is_float:
            return self.define(x.type, f"fneg {x.typed}")
        return self.sub(self.constant(0, x.type), x)

    def compare(self, how: str, x: Val, y: Val) -> Val:
        """``how`` is one of eq, ne, lt, le, gt, ge; with a NaN all but ``ne`` are false."""
        x, y = self._same(x, y)
        if x.type.is_float:
            name = f"fcmp {'une' if how == 'ne' else 'o' + how}"
        else:
            unsigned = x.type.kind in ("i1", "i8")
            name = f"icmp {how if how in ('eq', 'ne') else ('u' if unsigned else 's') + how}"
        return self.define(x.type.of("i1"), f"{name} {x.typed}, {y.text}")

    def select(self, condition: Val, x: Val, y: Val) -> Val:
        condition, x, y = self.match(condition, x, y)
        assert condition.type.kind == "i1" and x.type == y.type, (condition, x, y)
        return self.define(x.type, f"select {condition.typed}, {x.typed}, {y.typed}")

    def intrinsic(self, name: str, *operands: Val) -> Val:
        """An LLVM intrinsic overloaded on its one operand type: fma, sqrt, fabs, minnum, ..."""
        operands = self._same(*operands)
        type_ = operands[0].type
        full = f"@llvm.{name}.{type_.suffix}"
        arguments = ", ".join(x.typed for x in operands)
        types = ", ".join([type_.text] * len(operands))
        self.declarations.add(f"declare {type_.text} {full}({types})")
        return self.define(type_, f"call {type_.text} {full}({arguments})")

    def fma(self, x: Val, y: Val, z: Val) -> Val:
        """x*y + z, rounded once."""
        return self.intrinsic("fma", x, y, z)

    def sqrt(self, x: Val) -> Val:
        return self.intrinsic("sqrt", x)

    def abs(self, x: Val) -> Val:
        if x.type.is_float:
            return self.intrinsic("fabs", x)
        return self.select(self.compare("lt", x, self.constant(0, x.type)), self.neg(x), x)

    # -- conversions ---------------------------------------------------------------------------

    def convert(self, x: Val, kind: Kind) -> Val:
        """As NumPy's ``astype`` between the supported types (floats to integers truncate)."""
        if x.type.kind == kind:
            return x
        target, source = x.type.of(kind), x.type
        if kind == "i1":
            return self.compare("ne", x, self.constant(0, source))
        wider = BITS[kind] > BITS[source.kind]
        match (source.is_float, target.is_float):
            case (True, True):
                name = "fpext" if wider else "fptrunc"
            case (True, False):
                name = "fptosi"
            case (False, True):
                name = "uitofp" if source.kind in ("i1", "i8") else "sitofp"
            case _:
                unsigned = source.kind in ("i1", "i8")
                name = ("zext" if unsigned else "sext") if wider else "trunc"
        return self.define(target, f"{name} {x.typed} to {target.text}")

    def bitcast(self, x: Val, kind: Kind) -> Val:
        target = x.type.of(kind)
        assert BITS[kind] == BITS[x.type.kind], (x, kind)
        return self.define(target, f"bitcast {x.typed} to {target.text}")

    # -- memory --------------------------------------------------------------------------------

    def pointer(self, base: Val, offset: Val, kind: Kind) -> Val:
        """The address of element ``offset`` of an array of ``kind`` at ``base``."""
        assert base.type == PTR and offset.type == I64, (base, offset)
        element = NativeType(kind).text
        return self.define(
            PTR, f"getelementptr inbounds {element}, ptr {base.text}, i64 {offset.text}"
        )

    def room(self, type_: NativeType, count: int) -> Val:
        """Memory of the function's own for so many values; written where the function begins."""
        return self.define(PTR, f"alloca [{count} x {type_.text}], align 64")

    def load(self, pointer: Val, type_: NativeType) -> Val:
        assert pointer.type == PTR, pointer
        align = BITS[type_.kind] // 8
        return self.define(type_, f"load {type_.text}, ptr {pointer.text}, align {align}")

    def store(self, x: Val, pointer: Val) -> None:
        assert pointer.type == PTR, pointer
        align = BITS[x.type.kind] // 8
        self.line(f"  store {x.typed}, ptr {pointer.text}, align {align}")

    def prefetch(self, pointer: Val, write: bool = False) -> None:
        """Ask for the cache line of an address that is used soon; any address is harmless."""
        self.declarations.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.line(f"  call void @llvm.prefetch.p0({pointer.typed}, i32 {int(write)}, i32 3, i32 1)")

    def load_part(self, pointer: Val, type_: NativeType, valid: Val | int | None) -> Val:
        """The first ``valid`` lanes from memory (None: all), the others zero and not read."""
        if valid is None or valid == type_.lanes:
            return self.load(pointer, type_)
        mask, align = self._first(type_.lanes, valid), BITS[type_.kind] // 8
        name = f"@llvm.masked.load.{type_.suffix}.p0"
        i1s = f"<{type_.lanes} x i1>"
        self.declarations.add(f"declare {type_.text} {name}(ptr, {i1s}, {type_.text})")
        return self.define(
            type_,
            f"call {type_.text} {name}(ptr align {align} {pointer.text}, {i1s} {mask}, "
            f"{type_.text} zeroinitializer)",
        )

    def store_part(self, x: Val, pointer: Val, valid: Val | int | None) -> None:
        """Write the first ``valid`` lanes (None: all); the memory behind them is not touched."""
        if valid is None or valid == x.type.lanes:
            self.store(x, pointer)
            return
        if valid == 1:  # not masked: LLVM writes 8 bytes for one lane of i64 cut to i32
            self.store(self.extract(x, 0), pointer)
            return
        mask, align = self._first(x.type.lanes, valid), BITS[x.type.kind] // 8
        name = f"@llvm.masked.store.{x.type.suffix}.p0"
        i1s = f"<{x.type.lanes} x i1>"
        self.declarations.add(f"declare void {name}({x.type.text}, ptr, {i1s})")
        self.line(f"  call void {name}({x.typed}, ptr align {align} {pointer.text}, {i1s} {mask})")

    def pointers(self, base: Val, offsets: Val, kind: Kind) -> Val:
        """A vector of addresses of elements at ``offsets``."""
        assert base.type == PTR and offsets.type.kind == "i64", (base, offsets)
        type_, element = NativeType("ptr", offsets.type.lanes), NativeType(kind).text
        return self.define(type_, f"getelementptr {element}, ptr {base.text}, {offsets.typed}")

    def gather(self, pointers: Val, type_: NativeType, valid: Val | int | None) -> Val:
        """One element per lane from as many addresses."""
        assert pointers.type == NativeType("ptr", type_.lanes), pointers
        mask, align = self._first(type_.lanes, valid), BITS[type_.kind] // 8
        ptrs, i1s = pointers.type.text, f"<{type_.lanes} x i1>"
        name = f"@llvm.masked.gather.{type_.suffix}.v{type_.lanes}p0"
        self.declarations.add(f"declare {type_.text} {name}({ptrs}, {i1s}, {type_.text})")
        return self.define(
            type_,
            f"call {type_.text} {name}({ptrs} align {align} {pointers.text}, {i1s} {mask}, "
            f"{type_.text} zeroinitializer)",
        )

    def scatter(self, x: Val, pointers: Val, valid: Val | int | None) -> None:
        """One element per lane to as many addresses."""
        assert pointers.type == NativeType("ptr", x.type.lanes), (x, pointers)
        mask, align = self._first(x.type.lanes, valid), BITS[x.type.kind] // 8
        ptrs, i1s = pointers.type.text, f"<{x.type.lanes} x i1>"
        name = f"@llvm.masked.scatter.{x.type.suffix}.v{x.type.lanes}p0"
        self.declarations.add(f"declare void {name}({x.type.text}, {ptrs}, {i1s})")
        self.line(
            f"  call void {name}({x.typed}, {ptrs} align {align} {pointers.text}, {i1s} {mask})"
        )

    def first_lanes(self, lanes: int, valid: Val) -> Val:
        """True in the first ``valid`` lanes."""
        numbers = self.iota(NativeType("i64", lanes))
        return self.compare("lt", numbers, self.splat(valid, lanes))

    def _first(self, lanes: int, valid: Val | int | None) -> str:
        if valid is None:
            return "splat (i1 true)"
        if isinstance(valid, Val):
            return self.first_lanes(lanes, valid).text
        bits = ", ".join(f"i1 {'true' if k < valid else 'false'}" for k in range(lanes))
        return f"<{bits}>"

    def call(self, name: str, *operands: Val, **numbers: int) -> Val:
        """An elementary function of our own, written in place; ``numbers`` are known now."""
        return self.functions[name](self, *operands, **numbers)

    def larger(self, x: Val, y: Val) -> Val:
        """max(x, y); a NaN in either gives a NaN, as in NumPy."""
        return self._pick("gt", x, y)

    def smaller(self, x: Val, y: Val) -> Val:
        """min(x, y); a NaN in either gives a NaN, as in NumPy."""
        return self._pick("lt", x, y)

    def _pick(self, how: str, x: Val, y: Val) -> Val:
        x, y = self._same(x, y)
        chosen = self.select(self.compare(how, x, y), x, y)  # y where either is NaN
        if not x.type.is_float:
            return chosen
        return self.select(self.compare("ne", x, x), x, chosen)

    def sign(self, x: Val) -> Val:
        """-1, 0 or 1, +0 for -0 as in NumPy; a NaN stays."""
        zero = self.constant(0, x.type)
        up = self.select(self.compare("gt", x, zero), self.constant(1, x.type), self.add(x, zero))
        return self.select(self.compare("lt", x, zero), self.constant(-1, x.type), up)


__all__ = ["BITS", "I1", "I64", "PTR", "Emitter", "Kind", "NativeType", "Val", "literal"]
