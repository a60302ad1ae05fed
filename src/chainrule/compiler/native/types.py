"""Machine types and typed operands: what the emitter writes about."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["f32", "f64", "i64", "i32", "i8", "i1", "ptr"]

_LLVM_NAME: Final[dict[str, str]] = {"f32": "float", "f64": "double"}
BITS: Final[dict[str, int]] = {
    "f32": 32, "f64": 64, "i64": 64, "i32": 32, "i8": 8, "i1": 1, "ptr": 64,
}  # fmt: skip
_FLOATS: Final = frozenset({"f32", "f64"})
_INTS: Final = frozenset({"i64", "i32", "i8", "i1"})


@dataclass(frozen=True, slots=True)
class NativeType:
    """A machine type: one element, or a vector of ``lanes`` of them (0 means a scalar)."""

    kind: Kind
    lanes: int = 0

    @property
    def text(self) -> str:
        name = _LLVM_NAME.get(self.kind, self.kind)
        return f"<{self.lanes} x {name}>" if self.lanes else name

    @property
    def suffix(self) -> str:
        """As LLVM's overloaded intrinsics spell it: ``v16f32``."""
        return f"v{self.lanes}{self.kind}" if self.lanes else self.kind

    @property
    def is_float(self) -> bool:
        return self.kind in _FLOATS

    def of(self, kind: Kind) -> NativeType:
        return NativeType(kind, self.lanes)


@dataclass(frozen=True, slots=True)
class Val:
    """A typed operand: ``text`` is an SSA name or a literal."""

    type: NativeType
    text: str

    @property
    def typed(self) -> str:
        return f"{self.type.text} {self.text}"


I64: Final = NativeType("i64")
I1: Final = NativeType("i1")
PTR: Final = NativeType("ptr")


def literal(value: float | int | bool, kind: Kind) -> str:
    """An exact LLVM literal; LLVM spells a float as the bits of the double it widens to."""
    if kind == "f32":
        value = struct.unpack("f", struct.pack("f", value))[0]
    if kind in _FLOATS:
        return f"0x{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016X}"
    if kind == "i1":
        return "true" if value else "false"
    return str(int(value))
