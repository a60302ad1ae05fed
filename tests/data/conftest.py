"""Small tables for the tests of the data floor."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest


@pytest.fixture
def mixed() -> Any:
    """200 rows with a column of every kind."""
    rng = np.random.default_rng(0)
    n = 200
    sizes = [None if i % 10 == 0 else v for i, v in enumerate(rng.normal(size=n).tolist())]
    days = np.datetime64("2020-01-01") + rng.integers(0, 400, n)
    return pa.table({
        "id": pa.array(range(n)),
        "size": pa.array(sizes),
        "hour": pa.array(rng.integers(0, 5, n)),
        "colour": pa.array([["red", "green", "blue", None][i % 4] for i in range(n)]),
        "open": pa.array(rng.random(n) < 0.5),
        "day": pa.array(days.astype("datetime64[D]")),
        "same": pa.array(["x"] * n),
        "name": pa.array([f"name {i}" for i in range(n)]),
        "label": pa.array([["no", "yes"][i % 2] for i in range(n)]),
    })  # fmt: skip


@pytest.fixture
def write(tmp_path: Any) -> Callable[[str, str | bytes], Any]:
    """Write a file into a folder of the test's own; returns its path."""

    def made(name: str, content: str | bytes) -> Any:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return made
