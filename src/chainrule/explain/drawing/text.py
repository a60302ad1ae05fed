"""How wide a text is, near enough to keep it from being cut, and where to break it."""

from __future__ import annotations

import unicodedata
from typing import Final

#: Widths in parts of the text size, those of the wider of the usual fonts.
_NARROW: Final = dict.fromkeys("iljI|.,:;'!·⁻¹²³ ", 0.33)
_SLIM: Final = dict.fromkeys('frt()[]{}/\\-"`⁰⁴⁵⁶⁷⁸⁹', 0.43)
_WIDE: Final = dict.fromkeys("mwMW@%&—→←×±≈≤≥", 0.92)
_WIDTHS: Final = {**_NARROW, **_SLIM, **_WIDE}
_CAPITAL, _OTHER, _EAST_ASIAN = 0.72, 0.62, 1.05


def width(text: str, size: float) -> float:
    """The width of one line, in the units of ``size``; rather too much than too little.

    Example:
        >>> width("iii", 10.0) < width("mmm", 10.0)
        True
    """
    return size * sum(_part(c) for c in text)


def wrap(text: str, limit: float, size: float, most: int = 4) -> list[str]:
    """The text in lines that fit ``limit``, broken at spaces, else inside a word.

    What does not fit into ``most`` lines ends in an ellipsis.

    Example:
        >>> wrap("loss of every step", 60.0, 10.0)
        ['loss of', 'every step']
    """
    lines: list[str] = []
    for word in _pieces(text.split(), limit, size):
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and width(joined, size) <= limit:
            lines[-1] = joined
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]), limit, size)]
    return lines


def shorten(text: str, limit: float, size: float) -> str:
    """The text, or as much of its beginning as fits with an ellipsis."""
    if width(text, size) <= limit:
        return text
    while text and width(text + "…", size) > limit:
        text = text[:-1]
    return text.rstrip() + "…"


def _pieces(words: list[str], limit: float, size: float) -> list[str]:
    found = []
    for word in words:
        while len(word) > 1 and width(word, size) > limit:
            cut = _fitting(word, limit, size)
            found.append(word[:cut])
            word = word[cut:]
        found.append(word)
    return found


def _fitting(word: str, limit: float, size: float) -> int:
    room = limit / size
    for k, c in enumerate(word):
        room -= _part(c)
        if room < 0:
            return max(1, k)
    return len(word)


def _part(c: str) -> float:
    if c in _WIDTHS:
        return _WIDTHS[c]
    if unicodedata.combining(c):
        return 0.0
    if unicodedata.east_asian_width(c) in "WF":
        return _EAST_ASIAN
    return _CAPITAL if c.isupper() else _OTHER
