"""Names of columns: made safe to show, each of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from chainrule.data.words import count, listed
from chainrule.errors import DataError

# Line ends, tabs, escape sequences of terminals, the byte order mark, the marks that turn the
# direction of writing, halves of surrogate pairs.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+"
)


def safe_name(name: str, place: int) -> str:
    """A column's name without blanks around it and without control characters.

    Args:
        name: as the file has it.
        place: of the column, from 0: a column without a name is called after it, as pandas does.

    >>> safe_name(" net price ", 3), safe_name("", 0), safe_name("two" + chr(10) + "lines", 1)
    ('net price', 'unnamed: 0', 'two lines')
    """
    return _UNSAFE.sub(" ", name).strip() or f"unnamed: {place}"


def safe_names(source: object, names: Sequence[str]) -> list[str]:
    """The names of all columns, made safe.

    Args:
        source: what has them, for the error: a path, or words.
        names: of the columns in order.

    Raises:
        DataError: two columns have the same name.
    """
    safe = [safe_name(name, place) for place, name in enumerate(names)]
    if len(set(safe)) < len(safe):
        twice = [name for name, times in Counter(safe).items() if times > 1]
        raise DataError(
            f"{source}: {count(len(twice), 'column name')} twice in the header: {listed(twice)}",
            hint="give every column a name of its own",
        )
    return safe
