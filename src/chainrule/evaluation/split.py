"""Rows held out of the examples, drawn by a seed."""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.compiler.native.shuffle import epoch_key, shuffle_into
from chainrule.errors import DataError
from chainrule.evaluation.examples import Examples, rows_of

#: The random stream that splits draw from; see ``training.keys`` for the others.
SPLIT_STREAM: Final = 3


def split_examples(
    examples: Examples, share: float, seed: int
) -> tuple[Examples, Examples, np.ndarray]:
    """(the examples to learn from, those held out, the row numbers of the first).

    Both keep the order of the rows. At least one row goes to each side.

    Raises:
        DataError: a share that is not between 0 and 1, or a single row.
    """
    if not 0 < share < 1:
        raise DataError(
            f"validation is {share}; expected a share above 0 and below 1, or a tuple of arrays",
            "validation=0.2 holds a fifth of the rows out",
        )
    if examples.rows < 2:
        raise DataError("validation: 1 row cannot be split into two parts")
    count = min(max(round(share * examples.rows), 1), examples.rows - 1)
    drawn = np.empty(examples.rows, np.int32)
    shuffle_into(drawn, examples.rows, epoch_key(seed, SPLIT_STREAM, 0))
    held_out, kept = np.sort(drawn[:count]), np.sort(drawn[count:])
    return rows_of(examples, kept), rows_of(examples, held_out), kept
