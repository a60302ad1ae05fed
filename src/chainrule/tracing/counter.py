"""Random bits as a function of a key and a place: no state, so any of them can be had again.

Written in NumPy on int32, of which additions wrap, so that it is traced into the native step.

Source: Salmon, Moraes, Dror & Shaw 2011, Parallel Random Numbers: As Easy as 1, 2, 3 (Threefry).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np

Array: TypeAlias = Any

_ROTATIONS: Final = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY: Final = 0x1BD11BDA
#: The fewest that pass all of TestU01's BigCrush, by the paper's section 4.
ROUNDS: Final = 13


def threefry(
    key: tuple[Array, Array], counter: tuple[Array, Array], rounds: int = ROUNDS
) -> tuple[Array, Array]:
    """Two words of 32 random bits for each counter: Threefry-2x32.

    Args:
        key: two int32 arrays or tracers; a plain one has an axis (a plain number would warn where
            it wraps).
        counter: two int32 arrays that broadcast with the key.
        rounds: 13, or 20 to be far from what any test has found.
    """
    keys = (*key, key[0] ^ key[1] ^ np.int32(_PARITY))
    a, b = counter[0] + keys[0], counter[1] + keys[1]
    for k in range(rounds):
        a = a + b
        b = _rotated(b, _ROTATIONS[k % 8]) ^ a
        if k % 4 == 3:
            n = k // 4 + 1
            a, b = a + keys[n % 3], b + (keys[(n + 1) % 3] + np.int32(n))
    return a, b


def _rotated(x: Array, by: int) -> Array:
    # The shift to the right of a signed number brings its sign in, which is masked away.
    return (x << np.int32(by)) | ((x >> np.int32(32 - by)) & np.int32((1 << by) - 1))


def key_of(number: Array) -> tuple[Array, Array]:
    """The key of a whole number of 64 bits, plain or traced: its low and its high half."""
    number = number if hasattr(number, "recording") else np.asarray([number], np.int64)
    low = (number & np.int64(0xFFFFFFFF)) ^ np.int64(0x80000000)  # in the range of int32
    return (low - np.int64(0x80000000)).astype(np.int32), (number >> np.int64(32)).astype(np.int32)


def bits(
    key: tuple[Array, Array], draw: int, shape: tuple[int, ...], examples: Sequence[Array] = ()
) -> Array:
    """32 random bits for each element, int32 and thus from -2³¹ to 2³¹ - 1.

    A function of the key, the number of the draw and the element's index in the array, counted
    along the last axis first; of nothing else.

    Args:
        key: two words, see ``key_of``.
        draw: which of several arrays of one key.
        shape: of the array.
        examples: where an array of one example stands for those of all, under ``cr.vmap``: its
            number, and so on outwards, with how many there are: (number, size) pairs.
    """
    low, high = (np.reshape(word, (1,) * max(len(shape), 1)) for word in key)
    # Axis by axis: an array of all indices would be a constant of the graph.
    place = low - low
    for line in reversed(_index(shape)):
        place = place + line
    stride = math.prod(shape)
    for number, size in examples:
        place = place + number * np.int32(stride)
        stride *= size
    word = threefry((low, high), (place, np.int32(draw)))[0]
    return word if shape else np.reshape(word, shape)


def _index(shape: tuple[int, ...]) -> list[np.ndarray]:
    """What each axis adds to an element's index, in shapes that broadcast to the array's."""
    lines, stride = [], 1
    for axis in reversed(range(len(shape))):
        line = np.arange(shape[axis]) * stride
        beside = [shape[axis] if k == axis else 1 for k in range(len(shape))]
        lines.append(line.astype(np.int32).reshape(beside))
        stride *= shape[axis]
    return lines[::-1]
