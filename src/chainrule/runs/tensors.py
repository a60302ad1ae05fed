"""Arrays by name in safetensors files; a file claims no more than its length."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from chainrule.errors import RunError
from chainrule.runs.json_files import parse_json

Arrays = Mapping[str, NDArray[Any]]
#: Bytes of an element by the name of its type: those that NumPy has.
_ITEM: Final = {
    "BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
_MOST_AXES: Final = 64
#: Bytes of the longest header that the library reads.
_HEADER: Final = 100_000_000


def tensor_bytes(arrays: Arrays) -> bytes:
    """The arrays as one safetensors file."""
    return save({name: _dense(array) for name, array in arrays.items()})


def parse_tensors(path: Path, content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file that was read from ``path``.

    What its header claims is checked against its length before anything is allocated.

    Raises:
        RunError: the file is damaged.
    """
    _check_claims(path, content)
    try:
        return load(content)
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise _damaged(path, str(error)) from error


def _check_claims(path: Path, content: bytes) -> None:
    """The header lies in the file, and its arrays cover the rest without gap or overlap."""
    length = struct.unpack("<Q", content[:8].ljust(8, b"\xff"))[0]
    if length > min(len(content) - 8, _HEADER):
        raise _damaged(path, f"a header of {length} bytes in a file of {len(content)}")
    header = parse_json(path, content[8 : 8 + length])
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no JSON object")
    spans = sorted(_span(path, key, item) for key, item in header.items() if key != "__metadata__")
    end = 0
    for begin, until, name in spans:
        if begin != end:
            raise _damaged(path, f"{name} begins at byte {begin}, expected {end}")
        end = until
    if end != len(content) - 8 - length:
        raise _damaged(path, f"{end} bytes claimed, {len(content) - 8 - length} there")


def _span(path: Path, name: str, item: Any) -> tuple[int, int, str]:
    """(first byte, end, name) of an array, which must be those of its shape and type."""
    match item:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            sizes = [n for n in shape if type(n) is int and 0 <= n < 1 << 48]
            known = dtype in _ITEM and len(sizes) == len(shape) <= _MOST_AXES
            if known and 0 <= begin <= end == begin + math.prod(sizes) * _ITEM[dtype]:
                return begin, end, name
    raise _damaged(path, f"{name} claims {str(item)[:80]}")


def _damaged(path: Path, why: str) -> RunError:
    return RunError(f"{path}: damaged: {why}", "restore the file from a copy, or train again")


def _dense(array: NDArray[Any]) -> NDArray[Any]:
    # safetensors reads the raw memory; ascontiguousarray would turn a scalar into a vector.
    return np.array(array, order="C", copy=None)
