"""What explanations share: a fragment for a notebook, plain values for JSON, short numbers."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Final

import numpy as np

from chainrule.diagnosis.finding import in_words
from chainrule.explain.page import figure, fragment, listing

#: Of a line in a terminal.
WIDTH: Final = 100


def shown(text: str, *pictures: str) -> str:
    """A fragment for a notebook: the text, and the pictures below it."""
    return fragment(listing(text, "In words") + "".join(map(figure, pictures)))


def told(lines: Iterable[str]) -> str:
    """The lines as one text for a terminal; what is longer than 100 letters goes on below.

    Example:
        >>> print(told(["short", "  " + "long " * 21]).splitlines()[2])
            long long
    """
    return "\n".join(part for line in lines for part in _wrapped(line))


def _wrapped(line: str) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(line, WIDTH, subsequent_indent=f"{indent}  ") or [""]


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Dicts, lists and numbers; what is not finite as text, which JSON can hold.

    Example:
        >>> plain({"p": np.array([0.5, np.inf]), "n": np.int64(2)})
        {'p': [0.5, 'inf'], 'n': 2}
    """
    return {str(name): _plain(x) for name, x in value.items()}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, np.ndarray) and (value.dtype.kind != "f" or np.isfinite(value).all()):
        return value.tolist()
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def short(x: float, digits: int = 4) -> str:
    """A number with so many digits, without zeros at its end.

    Example:
        >>> short(-1e-6), short(0.10536), short(2.0), short(1e300)
        ('-10⁻⁶', '0.1054', '2', '10³⁰⁰')
    """
    text = in_words(float(x) + 0.0, digits)  # -0 is 0
    return re.sub(r"(?<![\d.])1·(?=10)", "", re.sub(r"\.(\d*?)0+·", _trimmed, text))


def counted(n: int, noun: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "row"), counted(20_000, "row"), counted(2, "class")
        ('1 row', '20,000 rows', '2 classes')
    """
    plural = f"{noun}es" if noun.endswith(("s", "ch")) else f"{noun}s"
    return f"{n:,} {noun if n == 1 else plural}"


def _trimmed(found: re.Match[str]) -> str:
    return f".{found[1]}·" if found[1] else "·"
