"""JSON as a run folder keeps it: standard, sealed by a checksum, floats with all their bits."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from chainrule.errors import RunError

#: Bytes of the largest JSON file: the schema of 150,000 columns. What is parsed may take many times
#: as much memory.
LARGEST: Final = 1 << 26
#: The key of a float that JSON has no word for: its 64 bits in hexadecimal.
_BITS: Final = "float64"
_SEAL: Final = "sha256"


def json_bytes(value: object) -> bytes:
    """``value`` as readable, standard JSON (no NaN), ending in a newline."""
    text = json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "surrogatepass")  # names of files may be no Unicode


def parse_json(path: Path, content: bytes) -> Any:
    """The JSON value in ``content``, read from ``path``.

    Raises:
        RunError: it is none, or nested deeper than Python reads.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged: not JSON: {error}") from error


def plain(value: object) -> object:
    """``value`` in JSON's own types: NumPy scalars and arrays, paths, tuples; NaN becomes null."""
    return _converted(value, lambda x: None)


def exact(value: object) -> object:
    """As ``plain``, but NaN and infinities keep their bits; ``restored`` is the way back."""
    return _converted(value, lambda x: {_BITS: struct.pack(">d", x).hex()})


def restored(value: Any) -> Any:
    """What ``exact`` was given, with lists for tuples and Python's numbers for NumPy's.

    Raises:
        ValueError: bits that are none.
    """
    match value:
        case {"float64": str(bits), **others} if not others:
            return struct.unpack(">d", _eight_bytes(bits))[0]
        case dict():
            return {key: restored(item) for key, item in value.items()}
        case list():
            return [restored(item) for item in value]
    return value


def exact_lines(values: Iterable[Mapping[str, Any]]) -> bytes:
    """One line of JSON for each."""
    lines = [json.dumps(exact(value), allow_nan=False) + "\n" for value in values]
    return "".join(lines).encode()


def parse_exact(path: Path, content: bytes) -> dict[str, Any]:
    """The object that ``exact`` wrote.

    Raises:
        RunError: it is none.
    """
    try:
        value = restored(parse_json(path, content))
    except (ValueError, RecursionError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{path}: damaged: {error}") from error
    if not isinstance(value, dict):
        raise RunError(f"{path}: damaged: expected a JSON object")
    return value


def sealed(value: Mapping[str, object]) -> dict[str, object]:
    """``value`` with the checksum of all the rest of it."""
    content = {key: plain(item) for key, item in value.items() if key != _SEAL}
    return {**content, _SEAL: _digest(content)}


def check_seal(path: Path, value: Mapping[str, Any]) -> None:
    """Refuse an object that is not as it was sealed."""
    content = {key: item for key, item in value.items() if key != _SEAL}
    if value.get(_SEAL) != _digest(content):
        raise RunError(f"{path}: damaged: its checksum is not that of its content")


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _eight_bytes(bits: str) -> bytes:
    content = bytes.fromhex(bits)
    if len(content) != 8:
        raise ValueError(f"a float of {len(content)} bytes; expected 8")
    return content


def _converted(value: object, other: Any) -> object:
    """In JSON's own types; ``other`` says what stands for a float that is not finite."""
    match value:
        case Mapping():
            return {str(key): _converted(item, other) for key, item in value.items()}
        case np.ndarray() | np.generic():
            return _converted(value.tolist(), other)
        case list() | tuple():
            return [_converted(item, other) for item in value]
        case float():
            return float(value) if np.isfinite(value) else other(value)
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
