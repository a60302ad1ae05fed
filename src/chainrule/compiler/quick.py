"""Calls of small compiled functions, in which the way from Python and back would take the time.

The arguments are copied into arrays that the native code knows beforehand, and results out of
others: for a few numbers that is less than asking NumPy where an array lies.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.compiler.native.executable import Executable, operations
from chainrule.ir.types import sized
from chainrule.tracing.trees import unflatten

#: What may be copied for one call, in bytes, and the work of one call that keeps Python's lock.
_SMALL: Final = 4096
_SHORT: Final = 100_000
#: How a number is packed into eight bytes.
_FORMATS: Final = {
    np.dtype(np.float64): "d", np.dtype(np.float32): "f4x", np.dtype(np.int64): "q",
    np.dtype(np.int32): "i4x", np.dtype(np.bool_): "?7x",
}  # fmt: skip
#: What is raised for a whole number that no integer of the machine holds.
TOO_LARGE: Final = (struct.error, OverflowError)
#: What a call without trees may be given besides arrays.
_NUMBERS: Final = frozenset(
    {float, int, bool, np.float64, np.float32, np.int64, np.int32, np.bool_}
)


def signature(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What distinguishes calls: the types of numbers, dtypes and shapes of arrays."""
    kinds = tuple(map(type, args))
    if np.ndarray not in kinds:
        return kinds
    return tuple([(x.dtype, x.shape) if type(x) is np.ndarray else type(x) for x in args])


def is_flat(args: tuple[Any, ...]) -> bool:
    """Whether all arguments are arrays and numbers."""
    return all(type(x) is np.ndarray or type(x) in _NUMBERS for x in args)


class Quick:
    """A compiled function with arrays of its own for what goes in and comes out."""

    def __init__(
        self, executable: Executable, constants: Sequence[np.ndarray], structure: Any
    ) -> None:
        graph = executable.plan.graph
        arrays = [
            np.zeros(sized(node.type.shape), node.type.dtype)
            for node in (*graph.inputs, *graph.outputs)
        ]
        count = len(graph.inputs)
        first = count - len(constants)
        own = arrays[:first]
        # A number is put at a place: that takes NumPy less than filling an array of rank 0.
        self._inputs = [(x, ...) if x.shape else (x.reshape(1), 0) for x in own]
        self._room = np.zeros(first, np.int64)
        self._pack = None if any(x.shape for x in own) else _packer([x.dtype for x in own])
        if self._pack:  # numbers alone lie in one place and are put there at once
            arrays[:first] = [self._room[k : k + 1].view(x.dtype) for k, x in enumerate(own)]
        self._outputs = arrays[count:]
        for array, constant in zip(arrays[first:count], constants, strict=True):
            array[...] = constant
        self._call = executable.fixed(arrays[:count], self._outputs)
        self._lock = executable.lock  # the scratch memory is the same as of the long way
        single = unflatten(structure, list(range(len(self._outputs)))) == 0
        self._one = self._outputs[0] if single and len(self._outputs) == 1 else None
        self._structure = structure

    def __call__(self, args: tuple[Any, ...]) -> Any:
        with self._lock:
            if self._pack is not None:
                self._pack(self._room, 0, *args)
            else:
                for (array, where), x in zip(self._inputs, args):  # noqa: B905 - as its signature
                    array[where] = x
            self._call()
            if self._one is not None:
                return self._one.copy() if self._one.shape else self._one[()]
            return unflatten(
                self._structure, [y.copy() if y.shape else y[()] for y in self._outputs]
            )


def _packer(dtypes: Sequence[np.dtype]) -> Callable[..., None]:
    return struct.Struct("=" + "".join(_FORMATS[d] for d in dtypes)).pack_into


def is_small(executable: Executable, constants: Sequence[np.ndarray]) -> bool:
    """Whether a program is called more quickly this way."""
    graph = executable.plan.graph
    moved = [n.type for n in (*graph.inputs[: len(graph.inputs) - len(constants)], *graph.outputs)]
    total = sum(int(np.prod(sized(t.shape))) * t.dtype.itemsize for t in moved)
    return total <= _SMALL and operations(executable.plan, 0) <= _SHORT


Quicks = dict[tuple[Any, ...], Callable[[tuple[Any, ...]], Any]]
