"""SVG as text: elements, numbers, paths."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.drawing.colours import Colour, light, name_of

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def escape(text: object) -> str:
    """Text that can stand in an element or an attribute; what XML forbids is left out.

    Example:
        >>> escape('a < "b"')
        'a &lt; &quot;b&quot;'
    """
    return "".join(c for c in str(text) if _allowed(c)).translate(_ESCAPES)


def element(tag: str, content: str = "", /, **attributes: object) -> str:
    """One element; an underscore in a name is a hyphen, attributes that are None are left out."""
    pairs = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{pairs}>{content}</{tag}>" if content else f"<{tag}{pairs}/>"


def number(x: float) -> str:
    """A place on paper: two decimals and no more than needed.

    Example:
        >>> number(3.0), number(0.126), number(-0.001)
        ('3', '0.13', '0')
    """
    text = f"{x:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def path_data(x: NDArray[np.float64], y: NDArray[np.float64], close: bool = False) -> str:
    """Lines through places x, y (n,); where one is NaN the line has a gap."""
    parts: list[str] = []
    for run in runs(np.isfinite(x) & np.isfinite(y)):
        places = [f"{number(a)},{number(b)}" for a, b in zip(x[run], y[run], strict=True)]
        if len(places) == 1:
            parts.append(f"M{places[0]}h0")  # a lone point between gaps is a dot
            continue
        kept = [a for a, b in zip(places, ["", *places], strict=False) if a != b]
        parts.append("M" + " ".join(kept) + ("Z" if close else ""))
    return "".join(parts)


def runs(good: NDArray[np.bool_]) -> list[slice]:
    """The stretches in which all is good.

    Example:
        >>> runs(np.array([True, True, False, True]))
        [slice(0, 2, None), slice(3, 4, None)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def stroke(colour: Colour) -> dict[str, str]:
    """Attributes of a line in a colour of either scheme."""
    return {"class_": f"s-{name_of(colour)}", "stroke": light(colour), "fill": "none"}


def fill(colour: Colour) -> dict[str, str]:
    """Attributes of an area in a colour of either scheme."""
    return {"class_": f"f-{name_of(colour)}", "fill": light(colour)}


def png(pixels: NDArray[np.uint8]) -> str:
    """A picture of pixels (rows, columns, 4) as a ``data:`` address."""
    rows, columns = pixels.shape[:2]
    lines = np.zeros((rows, 1 + 4 * columns), np.uint8)  # each line begins with filter 0
    lines[:, 1:] = pixels.reshape(rows, -1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    whole = _PNG + b"".join(_chunk(kind, content) for kind, content in chunks)
    return "data:image/png;base64," + base64.b64encode(whole).decode("ascii")


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _value(value: object) -> str:
    return number(value) if isinstance(value, float) else escape(value)


def _allowed(c: str) -> bool:
    """Characters that XML 1.0 takes (section 2.2); lone surrogates are none."""
    code = ord(c)
    return c in "\t\n\r" or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF
