"""Any table is prepared and checked, or refused with an error that says why."""

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest

from chainrule.data import Schema, preflight, prepare
from chainrule.data.number import SCALES
from chainrule.errors import DataError

DAY, MOMENT = dt.date(1, 1, 1), dt.datetime(1900, 1, 1)  # noqa: DTZ001
WORDS = ["a", "b", "", "ü", "a b", "NA"]
#: of (rng, n): values of a column
COLUMNS = [
    lambda rng, n: rng.normal(size=n) * 10.0 ** rng.integers(-320, 308),
    lambda rng, n: rng.integers(-3, 4, n),
    lambda rng, n: np.arange(n),
    lambda rng, n: rng.integers(-(2**62), 2**62, n),
    lambda rng, n: [WORDS[i] for i in rng.integers(0, 6, n)],
    lambda rng, n: [f"t{i}" for i in rng.integers(0, rng.choice([3, 70, 300]), n)],
    lambda rng, n: rng.random(n) < 0.5,
    lambda rng, n: [DAY + dt.timedelta(int(i)) for i in rng.integers(0, 3_600_000, n)],
    lambda rng, n: [MOMENT + dt.timedelta(seconds=int(i)) for i in rng.integers(0, 2**32, n)],
    lambda rng, n: [dt.timedelta(seconds=int(i)) for i in rng.integers(-9, 2**32, n)],
    lambda rng, n: [dt.time(int(i)) for i in rng.integers(0, 24, n)],
    lambda rng, n: np.full(n, np.nan),
    lambda rng, n: [None] * n,
    lambda rng, n: np.exp(rng.normal(size=n) * rng.integers(1, 100)),
    lambda rng, n: np.where(rng.random(n) < 0.1, -999, rng.normal(size=n)),
    lambda rng, n: np.where(rng.random(n) < 0.5, 1.7e308, -1.7e308),
    lambda rng, n: 5e-324 * rng.integers(0, 3, n),
    lambda rng, n: np.where(rng.random(n) < 0.5, -0.0, 0.0),
    lambda rng, n: [[1]] * n,
    lambda rng, n: [b"x"] * n,
]


def column(rng, n):
    values = COLUMNS[rng.integers(len(COLUMNS))](rng, n)
    gaps = rng.random(n) < rng.choice([0, 0, 0.1, 0.9])
    values = values.tolist() if isinstance(values, np.ndarray) else values
    return pa.array([None if gap else v for v, gap in zip(values, gaps, strict=True)])


def table(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([20, 25, 60, 200]))
    columns = {f"c{k}": column(rng, n) for k in range(rng.integers(1, 6))}
    return pa.table({**columns, "again": columns["c0"], "y": column(rng, n)})


@pytest.mark.parametrize("seed", range(0, 200, 20))
def test_a_table_of_anything_is_prepared_and_checked_or_refused(seed):
    """Encoded finitely, the same after JSON; found figures are finite. Warnings are errors."""
    used = 0
    for k in range(seed, seed + 20):
        kept = table(k)
        try:
            prepared = prepare(kept, "y", embed=k % 2 == 0, scale=SCALES[k % 4], seed=k)
        except DataError:
            continue
        used += 1
        schema = Schema.from_json(json.loads(json.dumps(prepared.schema.to_json())))
        assert schema == prepared.schema
        x = schema.encode(kept)
        assert np.isfinite(x).all(), k
        np.testing.assert_array_equal(schema.encode(kept.slice(3, 9)), x[3:12])
        json.dumps([f.figure for f in preflight(kept, "y", prepared=prepared)], allow_nan=False)
    assert used
