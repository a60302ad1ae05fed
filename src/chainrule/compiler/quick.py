"""Short ways from Python into compiled functions and back, where the long one would take the time.

Of small functions the arguments are copied into arrays that the native code knows beforehand, and
results out of others: for a few numbers that is less than asking NumPy where an array lies. Others
are told where the caller's arrays lie, and nothing else is asked again.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.compiler.native.executable import Executable
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


class ElsewhereError(Exception):
    """An array that is not row-major, not aligned or not to be written to: only NumPy reads it."""


#: What is raised where the short way ends: a whole number that no integer of the machine holds.
UNFIT: Final = (struct.error, OverflowError, ElsewhereError)
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


def is_native(args: tuple[Any, ...]) -> bool:
    """Whether all arrays have the machine's order of bytes."""
    return all(x.dtype.isnative for x in args if type(x) is np.ndarray)


class Quick:
    """A compiled function with arrays of its own for what goes in and comes out."""

    def __init__(
        self, executable: Executable, constants: Sequence[np.ndarray], structure: Any
    ) -> None:
        graph = executable.graph
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


class Straight:
    """A compiled function on the caller's own arrays, of which only the addresses are written."""

    def __init__(
        self, executable: Executable, constants: Sequence[np.ndarray], structure: Any, threads: int
    ) -> None:
        graph = executable.graph
        count = len(graph.inputs) - len(constants)
        # A number has a place of its own, which is not used where an array is given.
        self._own = [np.zeros(1, node.type.dtype) for node in graph.inputs[:count]]
        self._places = [x.ctypes.data for x in self._own]
        self._constants = constants
        self._fixed = [x.ctypes.data for x in constants]
        self._results = [(sized(n.type.shape), n.type.dtype) for n in graph.outputs]
        self._single = unflatten(structure, list(range(len(self._results)))) == 0
        self._executable = executable
        self._structure = structure
        self._threads = threads

    def __call__(self, args: tuple[Any, ...]) -> Any:
        with self._executable.lock:
            addresses = [self._address(k, x) for k, x in enumerate(args)]
            results = [np.empty(shape, dtype) for shape, dtype in self._results]
            places = [address_of(y) for y in results]
            self._executable.run_at([*addresses, *self._fixed, *places], self._threads)
        found = [y if y.shape else y[()] for y in results]
        return found[0] if self._single else unflatten(self._structure, found)

    def _address(self, k: int, x: Any) -> int:
        if type(x) is np.ndarray:
            return address_of(x)
        self._own[k][0] = x
        return self._places[k]


_from_buffer: Final = ctypes.c_char.from_buffer


def address_of(x: np.ndarray) -> int:
    """Where an array lies. Its ``ctypes.data`` takes five times as long.

    Raises:
        ElsewhereError: the long way has to make another array of it.
    """
    if not x.size:
        return x.ctypes.data
    if not x.flags.aligned:
        raise ElsewhereError
    try:
        return ctypes.addressof(_from_buffer(x))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ElsewhereError from None


def is_small(executable: Executable, constants: Sequence[np.ndarray]) -> bool:
    """Whether a program is called more quickly this way."""
    graph = executable.graph
    moved = [n.type for n in (*graph.inputs[: len(graph.inputs) - len(constants)], *graph.outputs)]
    total = sum(int(np.prod(sized(t.shape))) * t.dtype.itemsize for t in moved)
    return total <= _SMALL and executable.operations(0) <= _SHORT


Quicks = dict[tuple[Any, ...], Callable[[tuple[Any, ...]], Any]]
