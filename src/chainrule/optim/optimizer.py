"""What every optimiser is: pure functions on trees, and a learning rate.

An optimiser is a frozen record. ``init`` makes the state, ``update`` the next parameters and
state, both of plain NumPy, so that they are traced into the native step. Scalars that count or
correct are float64 or int64; what meets a parameter is first rounded to the parameter's dtype.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import FunctionType
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim.arguments import Range, check_fields, non_negative
from chainrule.optim.schedules import Schedule, learning_rates, observer
from chainrule.tracing.tracer import cast
from chainrule.tracing.trees import Tree, tree_map

Array: TypeAlias = Any


class Optimizer(ABC):
    """A rule that turns gradients into steps. Its settings are data; its state is a tree."""

    @abstractmethod
    def init(self, params: Tree) -> Tree:
        """The state before the first update: a tree of arrays, like params or of shape ()."""

    @abstractmethod
    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """One step downhill; nothing is changed in place.

        Args:
            grads: a tree like params.
            state: from ``init`` or the last ``update``.
            params: a tree of arrays.
            learning_rate: this step's rate, shape ``()``; it is rounded to each leaf's dtype.
                Where ``rates`` is above 1, a sequence of that many.

        Returns:
            (the new parameters, the new state), of the same structure, shapes and dtypes.

        Raises:
            ShapeError: the trees differ.
        """

    @abstractmethod
    def learning_rates(self, steps: Any, total: int) -> Any:
        """The rate at each of these steps of a run of ``total``; see ``optim.learning_rates``.

        Returns:
            float64[n]; float64[n, rates] where ``rates`` is above 1.
        """

    def evaluation(self, params: Tree, state: Tree) -> Tree:
        """The parameters to evaluate and to keep; where an average is kept, the average."""
        del state
        return params

    def begin_average(self, state: Tree) -> Tree:
        """The state from which on the iterates are averaged; for ``optim.average`` alone.

        Raises:
            TrainingError: this optimiser keeps no average.
        """
        del state
        raise TrainingError(
            f"{type(self).__name__} keeps no average of its iterates",
            'optim.average(optimizer, "swa", start=None) begins to when a schedule says so',
        )

    @property
    def rates(self) -> int:
        """How many learning rates a step takes: 1, but for groups on schedules of their own."""
        return 1

    @property
    def observer(self) -> Any:
        """The schedule that acts on what is measured (``optim.plateau``), or None."""
        return None


def check_optimizer(value: Any) -> None:
    """Refuse what is no optimiser: a name, a class, a number, a method for a whole problem.

    Raises:
        TrainingError: with the spelling that was probably meant.

    Example:
        >>> check_optimizer("adam")
        Traceback (most recent call last):
        chainrule.errors.TrainingError: optimizer is 'adam'; expected an optimiser such as ...
          hint: optim.Adam(1e-3)
    """
    has_rule = hasattr(value, "init") and hasattr(value, "update")
    if isinstance(value, Optimizer) or (has_rule and not isinstance(value, type)):
        return
    named = value.__name__ if isinstance(value, type | FunctionType) else value
    raise TrainingError(
        f"optimizer is {named!r}; expected an optimiser such as optim.Adam(1e-3)"
        if named is value
        else f"optimizer is the {_kind(value)} {named}; expected an optimiser such as"
        " optim.Adam(1e-3)",
        _meant(value, named),
    )


def _kind(value: Any) -> str:
    return "class" if isinstance(value, type) else "function"


def _meant(value: Any, named: Any) -> str:
    """What was probably meant, as it is written."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return f"optim.SGD({value}), if that is the learning rate"
    plain = "".join(c for c in str(named).lower() if c.isalnum())
    if plain in _WHOLE:
        name = _WHOLE[plain]
        return f"optim.{name}(function, params) descends by itself; for a run, optim.Adam(1e-3)"
    if plain in _WRAPPERS:
        return _WRAPPERS[plain]
    return _SPELLINGS.get(plain, "optim.Adam(1e-3)")


#: What a name may mean, letters and digits alone.
_SPELLINGS: Final = {
    "sgd": "optim.SGD(0.1)",
    "gd": "optim.SGD(0.1)",
    "gradientdescent": "optim.SGD(0.1)",
    "momentum": "optim.SGD(0.1, momentum=0.9)",
    "nesterov": "optim.SGD(0.1, momentum=0.9, nesterov=True)",
    "adam": "optim.Adam(1e-3)",
    "amsgrad": "optim.Adam(1e-3, amsgrad=True)",
    "adamw": "optim.AdamW(1e-3)",
    "nadam": "optim.NAdam(1e-3)",
    "rmsprop": "optim.RMSprop(1e-3)",
    "adagrad": "optim.Adagrad(1e-2)",
    "adadelta": "optim.Adadelta(1.0)",
    "lion": "optim.Lion(1e-4)",
    "lamb": "optim.LAMB(1e-3)",
    "muon": "optim.Muon(1e-2)",
    "prodigy": "optim.Prodigy(1.0)",
    "schedulefree": "optim.ScheduleFreeAdamW(1e-3)",
    "schedulefreeadamw": "optim.ScheduleFreeAdamW(1e-3)",
    "schedulefreesgd": "optim.ScheduleFreeSGD(0.1)",
}  # fmt: skip
_WHOLE: Final = {
    "lbfgs": "lbfgs",
    "newton": "newton",
    "levenbergmarquardt": "levenberg_marquardt",
}
_WRAPPERS: Final = {
    "clipnorm": "optim.clip_norm(optim.Adam(1e-3), 1.0)",
    "clipvalue": "optim.clip_value(optim.Adam(1e-3), 1.0)",
    "accumulate": "optim.accumulate(optim.Adam(1e-3), 4)",
    "average": "optim.average(optim.Adam(1e-3))",
    "escape": "optim.escape(optim.SGD(0.1))",
    "cosine": "optim.SGD(optim.cosine(0.1))",
}


@dataclass(frozen=True, repr=False)
class Rated(Optimizer):
    """An optimiser with a learning rate of its own: a number or a schedule."""

    learning_rate: float | Schedule

    #: What each other field must be.
    RANGES: ClassVar[Mapping[str, Range]] = {}

    def __post_init__(self) -> None:
        check_fields(self, type(self).__name__, {"learning_rate": _rate, **self.RANGES})

    def __repr__(self) -> str:
        return described(self)

    def learning_rates(self, steps: Any, total: int) -> Any:
        return learning_rates(self.learning_rate, steps, total)

    @property
    def observer(self) -> Any:
        return observer(self.learning_rate)


def _rate(what: str, value: Any) -> Any:
    return value if callable(value) else non_negative(what, value)


def described(record: Any) -> str:
    """A record as it is written; a function by its name, so that it reads the same in each run."""
    parts = [f"{f.name}={shown(getattr(record, f.name))}" for f in fields(record) if f.repr]
    return f"{type(record).__name__}({', '.join(parts)})"


def shown(value: Any) -> str:
    """``repr``, but of a function its name."""
    if isinstance(value, FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


# -- what the formulas share -------------------------------------------------------------------


def zeros_like(params: Tree) -> Tree:
    """A tree of zeros, of the parameters' shapes and dtypes."""
    return tree_map(np.zeros_like, params)


def counter() -> Array:
    """A count of updates before the first."""
    return np.zeros((), np.int64)


def moved(mean: Tree, values: Tree, keep: float) -> Tree:
    """keep · mean + (1 - keep) · values: an exponential moving average, one value later."""
    return tree_map(lambda m, x: keep * m + (1 - keep) * x, mean, values)


def moved_square(mean: Tree, values: Tree, keep: float) -> Tree:
    """keep · mean + (1 - keep) · values²."""
    return tree_map(lambda m, x: keep * m + (1 - keep) * (x * x), mean, values)


def wide(x: Array) -> Array:
    """A scalar in float64: rates, counts, corrections."""
    return cast(x, np.dtype(np.float64))


def scaled(factor: Array, x: Array) -> Array:
    """factor · x in the dtype of x: a factor of float64 would make float32 float64."""
    return cast(factor, x.dtype) * x


def penalised(grads: Tree, params: Tree, weight_decay: float) -> Tree:
    """The gradients of the loss with weight_decay / 2 · |p|² added."""
    if not weight_decay:
        return grads
    return tree_map(lambda g, p: g + weight_decay * p, grads, params)


def decayed(params: Tree, learning_rate: Array, weight_decay: float) -> Tree:
    """Decoupled decay: p - learning_rate · weight_decay · p."""
    if not weight_decay:
        return params
    keep = 1 - wide(learning_rate) * weight_decay
    return tree_map(lambda p: scaled(keep, p), params)


def weight_decayed(
    decoupled: bool, grads: Tree, params: Tree, learning_rate: Array, weight_decay: float
) -> tuple[Tree, Tree]:
    """(grads, params) after weight decay, of the parameters themselves or through the loss."""
    if decoupled:
        return grads, decayed(params, learning_rate, weight_decay)
    return penalised(grads, params, weight_decay), params


def downhill(params: Tree, direction: Tree, learning_rate: Array) -> Tree:
    """p - learning_rate · direction."""
    return tree_map(lambda p, d: p - scaled(learning_rate, d), params, direction)


# -- optimisers around optimisers --------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Wrapper(Optimizer):
    """An optimiser that does something before or after another's update."""

    optimizer: Optimizer

    RANGES: ClassVar[Mapping[str, Range]] = {}

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise TrainingError(
                f"{self._name}: optimizer is {self.optimizer!r}; expected an optimiser",
                "optim.clip_norm(optim.Adam(1e-3), 1.0)",
            )
        check_fields(self, self._name, self.RANGES)

    def __repr__(self) -> str:
        return described(self)

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def learning_rate(self) -> Any:
        """The inner optimiser's."""
        return getattr(self.optimizer, "learning_rate", None)

    def learning_rates(self, steps: Any, total: int) -> Any:
        return self.optimizer.learning_rates(steps, total)

    def begin_average(self, state: Tree) -> Tree:
        return {**state, "inner": self.optimizer.begin_average(state["inner"])}

    @property
    def rates(self) -> int:
        return self.optimizer.rates

    @property
    def observer(self) -> Any:
        return self.optimizer.observer
