"""What an estimator's parameters may be: one line each, checked when it is fitted."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, Final

import numpy as np

from chainrule import nn
from chainrule.errors import TrainingError
from chainrule.estimators.network import activation_name
from chainrule.estimators.scaling import SCALES
from chainrule.optim import BatchSchedule, Optimizer

#: (what it must be, in words; whether a value is that)
Rule = tuple[str, Callable[[Any], bool]]


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _number(words: str, holds: Callable[[Any], bool]) -> Rule:
    return words, lambda value: _is_real(value) and bool(holds(value))


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


def _one_of(*names: str) -> Rule:
    return f"one of {', '.join(map(repr, names))}", lambda v: isinstance(v, str) and v in names


def _sizes(value: Any) -> bool:
    sizes = list(value) if np.iterable(value) and not isinstance(value, str) else [value]
    return all(_whole(n) for n in sizes)


_BOOLEAN: Final[Rule] = ("True or False", lambda v: isinstance(v, bool | np.bool_))
_POSITIVE: Final = _number("a number > 0", lambda v: v > 0)
_FROM_0: Final = _number("a number from 0", lambda v: v >= 0)
_SHARE: Final = _number("a number from 0 and below 1", lambda v: 0 <= v < 1)
_COUNT: Final[Rule] = ("a whole number from 1", _whole)

_SOLVERS: Final = ("adam", "sgd", "lbfgs")


def _rise(levels: list[Any]) -> bool:
    inside = all(_is_real(level) and 0 < level < 1 for level in levels)
    return inside and bool(levels) and levels == sorted(set(levels))


RULES: Final[dict[str, Rule]] = {
    "hidden_layer_sizes": ("whole numbers > 0, such as (64, 64)", _sizes),
    "activation": (
        "the name of an activation: relu, tanh, logistic, identity, gelu, silu ...",
        lambda v: isinstance(v, str) and activation_name(v) in nn.ACTIVATIONS,
    ),
    "solver": (
        '"adam", "sgd", "lbfgs" or an optimiser such as optim.AdamW(1e-3)',
        lambda v: isinstance(v, Optimizer) or (isinstance(v, str) and v in _SOLVERS),
    ),
    "alpha": _FROM_0,
    "batch_size": (
        '"auto", a whole number from 1 or a batch schedule',
        lambda v: _whole(v) or isinstance(v, BatchSchedule) or (isinstance(v, str) and v == "auto"),
    ),
    "learning_rate": _one_of("constant", "invscaling", "adaptive"),
    "learning_rate_init": _POSITIVE,
    "power_t": _FROM_0,
    "max_iter": _COUNT,
    "shuffle": _BOOLEAN,
    "tol": _FROM_0,
    "warm_start": _BOOLEAN,
    "momentum": _number("a number from 0 to 1", lambda v: 0 <= v <= 1),
    "nesterovs_momentum": _BOOLEAN,
    "early_stopping": _BOOLEAN,
    "validation_fraction": _SHARE,
    "beta_1": _SHARE,
    "beta_2": _SHARE,
    "epsilon": _POSITIVE,
    "n_iter_no_change": (
        "a whole number from 1, or infinity", lambda v: _whole(v) or v == np.inf,
    ),
    "max_fun": _COUNT,
    "preprocess": (
        f"one of {', '.join(map(repr, SCALES))}, or None",
        lambda v: v is None or (isinstance(v, str) and v in SCALES),
    ),
    "dropout": _SHARE,
    "norm": ('"batch", "layer" or None', lambda v: v is None or v in ("batch", "layer")),
    "calibration": ('"temperature" or None', lambda v: v is None or v == "temperature"),
    "callbacks": (
        "functions that take a Progress",
        lambda v: isinstance(v, tuple | list) and all(map(callable, v)),
    ),
    "loss": (
        "the name of a loss, a loss, or a function (output, y) -> losses",
        lambda v: callable(v) or isinstance(v, str),
    ),
    "quantiles": (
        "None or rising numbers between 0 and 1", lambda v: v is None or _rise(list(v)),
    ),
    "threads": ("a whole number from 1, or None", lambda v: v is None or _whole(v)),
}  # fmt: skip


def check_parameters(model: Any) -> None:
    """Refuse a parameter that is outside of its range.

    Raises:
        TrainingError: with the parameter's name, its value and what is expected.
    """
    for name, value in model.get_params(deep=False).items():
        words, holds = RULES.get(name, ("", lambda v: True))
        if not holds(value):
            raise TrainingError(f"{type(model).__name__}: {name} must be {words}, got {value!r}")
    if isinstance(model.loss, str) and model.loss not in model.loss_names:
        raise TrainingError(
            f"{type(model).__name__}: loss must be one of {', '.join(model.loss_names)}, or a loss "
            f"or function itself, got {model.loss!r}"
        )
    if isinstance(model.solver, str) and model.solver == "lbfgs":
        _check_whole(model)


def _check_whole(model: Any) -> None:
    """What a solver over all rows at once cannot do."""
    for name in ("dropout", "norm", "callbacks"):
        value = getattr(model, name, None)
        if value and value != "layer":
            raise TrainingError(
                f'{type(model).__name__}: {name}={value!r} needs mini-batches; solver is "lbfgs"',
                'solver="adam"',
            )
