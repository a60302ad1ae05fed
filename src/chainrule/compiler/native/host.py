"""Operations that NumPy does, called from the native code with the addresses of their arrays.

The first thread calls; NumPy needs Python's lock, which no other thread of ours holds. What goes
wrong there is kept and raised when the run has ended: native code knows no exceptions.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.compiler.lower.buffers import Buffer, itemsize
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.emit import I64, PTR, NativeType, Val
from chainrule.compiler.native.loops import HIGH, LOW
from chainrule.compiler.native.values import Body
from chainrule.ir.graph import Node
from chainrule.ir.types import sized
from chainrule.ops import PRIMITIVES

#: void call(addresses of the operands and the result, batch)
_CALL: Final = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_int64), ctypes.c_int64)
HOST: Final = Val(PTR, "%host")


def write_host(body: Body, nest: Nest) -> None:
    """Put the addresses into a list and call."""
    node, e = nest.anchor, body.e
    assert node is not None
    arrays = [*node.inputs, node]
    room = body.once("addresses", lambda: e.room(NativeType("i64"), len(arrays)))
    with e.when(e.compare("lt", LOW, HIGH)):
        for k, x in enumerate(arrays):
            pointer = body.pointer(body.stored[x].slot)
            address = e.define(I64, f"ptrtoint {pointer.typed} to i64")
            e.store(address, e.pointer(room, e.i64(k), "i64"))
        e.line(f"  call void {HOST.text}({room.typed}, {body.batch.typed})")


class HostCall:
    """The function that native code calls for one operation. ``address`` is where it begins."""

    def __init__(self, node: Node, buffers: Sequence[Buffer]) -> None:
        self.node = node
        self.buffers = buffers
        self.error: Exception | None = None
        self._function = _CALL(self._run)  # kept alive with this object
        self.address = ctypes.cast(self._function, ctypes.c_void_p).value or 0

    def _run(self, addresses: Any, batch: int) -> None:
        *operands, result = (
            _array(buffer, addresses[k], batch) for k, buffer in enumerate(self.buffers)
        )
        evaluate: Callable[..., Any] = PRIMITIVES[self.node.op].evaluate
        try:
            result[...] = evaluate(*operands, **self.node.attributes)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised after the run
            self.error = self.error or error
            result[...] = 0


def _array(buffer: Buffer, address: int, batch: int) -> np.ndarray:
    """The array that lies at an address, as the buffer says."""
    shape = sized(buffer.type.shape, batch)
    size = itemsize(buffer)
    strides = [extent.at(batch) * size for extent in buffer.strides]
    if 0 in shape:
        return np.zeros(shape, buffer.type.dtype)
    count = sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + size
    memory = (ctypes.c_char * count).from_address(address)
    return np.ndarray(shape, buffer.type.dtype, memoryview(memory), 0, strides)
