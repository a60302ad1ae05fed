"""The heights of tiles."""

from __future__ import annotations

import pytest

from chainrule.compiler.native.tiles import even_heights


@pytest.mark.parametrize("most", [1, 7, 12, 16])
def test_even_heights_cover_all_rows_with_few_tiles_of_two_heights_at_most(most):
    """As many of the first as go, and at most one of the second."""
    for rows in range(1, 100):
        height, *rest = even_heights(rows, most)
        tiles = rows // height + len(rest)
        assert rows // height * height + sum(rest) == rows
        assert height <= most
        assert sum(rest) < height
        assert tiles == -(-rows // most)
