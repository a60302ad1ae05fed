"""Who learns the tables, each with its default settings, and with what it needs around it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pandas as pd
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.tables.real import Task
from chainrule import estimators

Maker = Callable[[Task, int], Any]

OURS, SCIKIT_LEARN = "Chainrule MLP", "scikit-learn MLP"


def chainrule(task: Task, seed: int) -> Any:
    """Takes the frame as it is."""
    mlp = estimators.MLPClassifier if task == "classification" else estimators.MLPRegressor
    return mlp(random_state=seed)


def scikit_learn(task: Task, seed: int) -> Any:
    """Needs numbers, scaled: the usual pipeline of its own guide; a regression's target too."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
        (numbers, make_column_selector(dtype_include="number")),
        sparse_threshold=0.0,
    )
    if task == "classification":
        return make_pipeline(columns, MLPClassifier(random_state=seed))
    return TransformedTargetRegressor(
        make_pipeline(columns, MLPRegressor(random_state=seed)), transformer=StandardScaler()
    )


def boosting(task: Task, seed: int) -> Any:
    """Takes the frame as it is."""
    trees = HistGradientBoostingRegressor
    if task == "classification":
        trees = HistGradientBoostingClassifier
    return trees(categorical_features="from_dtype", random_state=seed)


def lightgbm(task: Task, seed: int) -> Any:
    """Takes the frame as it is."""
    library = importlib.import_module("lightgbm")
    trees = library.LGBMClassifier if task == "classification" else library.LGBMRegressor
    return trees(random_state=seed, verbose=-1)


def xgboost(task: Task, seed: int) -> Any:
    """Takes the frame as it is."""
    library = importlib.import_module("xgboost")
    trees = library.XGBClassifier if task == "classification" else library.XGBRegressor
    return trees(random_state=seed, enable_categorical=True)


CONTENDERS: dict[str, Maker] = {
    OURS: chainrule,
    SCIKIT_LEARN: scikit_learn,
    "HistGradientBoosting": boosting,
    "LightGBM": lightgbm,
    "XGBoost": xgboost,
}


def installed(name: str) -> bool:
    """Whether this contender can be made here."""
    try:
        CONTENDERS[name]("regression", 0)
    except ImportError:
        return False
    return True


def as_taken(name: str, x: pd.DataFrame) -> pd.DataFrame:
    """The frame with the names that a contender accepts: LightGBM refuses JSON's characters."""
    if name != "LightGBM":
        return x
    return x.set_axis([f"x{k}" for k in range(x.shape[1])], axis="columns")
