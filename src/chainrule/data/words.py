"""Small helpers for what is said to the user: counts, lists, the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def count(n: int, thing: str, plural: str = "") -> str:
    """A number and its noun.

    >>> count(1, "row"), count(9430, "row"), count(2, "class", "classes")
    ('1 row', '9,430 rows', '2 classes')
    """
    return f"{n:,} {thing if n == 1 else plural or thing + 's'}"


def printable(text: str) -> str:
    r"""A text without what moves the cursor or ends the line: control characters are escaped.

    >>> printable("a" + chr(9) + "b" + chr(27) + "[31m"), printable("grün 😀")
    ('a\\tb\\x1b[31m', 'grün 😀')
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def in_short(x: float) -> str:
    """A number of 1 or more, whole, or by its power of ten.

    >>> in_short(12_345.6), in_short(3e300)
    ('12,346', '3e+300')
    """
    return f"{x:,.0f}" if x < 1e6 else f"{x:.0e}"


def listed(names: Sequence[object], limit: int = 8) -> str:
    """Names in one line, the first ``limit`` of them.

    >>> listed(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    shown = ", ".join(printable(str(name)) for name in names[:limit])
    rest = len(names) - limit
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of ``names`` that is most like ``name``, or an empty string.

    >>> nearest("Specis", ["species", "island"])
    'species'
    """
    by_folded = {other.casefold(): other for other in names}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """A hint: the nearest of ``names``, else all of them."""
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else f"the columns are {listed(names, 20)}"
