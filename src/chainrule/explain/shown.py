"""What explanations share: a fragment for a notebook, lines for a terminal, plain values."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.explain.page import figure, fragment, listing

#: Of a line in a terminal.
WIDTH: Final = 100
#: How an array stands in plain values.
ArrayPlain: TypeAlias = Callable[[np.ndarray], Any]


def shown(text: str, *pictures: str) -> str:
    """A fragment for a notebook: the text, and the pictures below it."""
    return fragment(listing(text, "In words") + "".join(map(figure, pictures)))


def told(lines: Iterable[str], hang: int = 2) -> str:
    """The lines as one text for a terminal; what is longer than 100 letters goes on below.

    Example:
        >>> print(told(["short", "  " + "long " * 21]).splitlines()[2])
            long long
    """
    return "\n".join(part for line in lines for part in wrapped(line, hang))


def wrapped(line: str, hang: int = 2) -> list[str]:
    """A line of text in lines for a terminal; all but the first stand ``hang`` further right."""
    indent = " " * (len(line) - len(line.lstrip()) + hang)
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent) or [""]


def plain(value: Mapping[str, Any], array: ArrayPlain | None = None) -> dict[str, Any]:
    """Dicts, lists and numbers; what is not finite as text, which JSON can hold.

    ``array`` says what stands for an array, if not all its numbers.

    Example:
        >>> plain({"p": np.array([0.5, np.inf]), "n": np.int64(2)})
        {'p': [0.5, 'inf'], 'n': 2}
    """
    return {str(name): plain_value(x, array) for name, x in value.items()}


def plain_value(value: Any, array: ArrayPlain | None = None) -> Any:
    """As ``plain``, of anything."""
    match value:
        case np.ndarray() if array is not None:
            return plain_value(array(value))
        case np.ndarray() if value.dtype.kind != "f" or np.isfinite(value).all():
            return value.tolist()
        case np.ndarray() | np.generic():
            return plain_value(value.tolist())
        case Mapping():
            return plain(value, array)
        case list() | tuple():
            return [plain_value(x, array) for x in value]
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value), array)
    return str(value)
