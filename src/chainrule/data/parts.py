"""Which part of a table a row is of, by its number alone: no list of rows is kept."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from chainrule.compiler.native.shuffle import epoch_key

#: The random stream that parts are drawn from; see ``training.keys`` for the others.
PART_STREAM: Final = 4
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
#: Rows whose numbers are hashed at a time: they stay in the caches.
_BLOCK: Final = 1 << 15


def draws(seed: int, first: int, last: int, stream: int = PART_STREAM) -> NDArray[np.uint64]:
    """A hash of each row number from ``first`` to before ``last``: uniform 64 bits.

    Source: Steele, Lea & Flood 2014, Fast Splittable Pseudorandom Number Generators.
    """
    out = np.empty(last - first, np.uint64)
    key = np.uint64(epoch_key(seed, stream, 0))
    for begin in range(first, last, _BLOCK):
        end = min(begin + _BLOCK, last)
        z = np.arange(begin + 1, end + 1, dtype=np.uint64)
        z *= _GOLDEN
        z += key
        z ^= z >> np.uint64(30)
        z *= _MIX[0]
        z ^= z >> np.uint64(27)
        z *= _MIX[1]
        np.bitwise_xor(z, z >> np.uint64(31), out=out[begin - first : end - first])
    return out


def parts(seed: int, first: int, last: int, *shares: float) -> NDArray[np.uint8]:
    """The part of each row from ``first`` to before ``last``: 1, 2, ... by shares, 0 for the rest.

    Example:
        >>> drawn = parts(0, 0, 1000, 0.1, 0.1)
        >>> np.bincount(drawn).tolist()
        [780, 123, 97]
        >>> bool((parts(0, 500, 600, 0.1, 0.1) == drawn[500:600]).all())
        True
    """
    found = np.zeros(last - first, np.uint8)
    drawn = draws(seed, first, last)
    low = 0.0
    for number, share in enumerate(shares, 1):
        high = low + share
        inside = (drawn >= _bound(low)) & (drawn < _bound(high))
        found[inside] = number
        low = high
    return found


def _bound(share: float) -> np.uint64:
    return np.uint64(min(int(share * 2.0**64), (1 << 64) - 1))
