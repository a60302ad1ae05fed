"""Metrics by name: what ``metrics=("accuracy", "log_loss")`` of ``cr.train`` means."""

from __future__ import annotations

import difflib
import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.data.extras import need
from chainrule.errors import ChainruleError, TrainingError
from chainrule.evaluation.metrics_classes import CLASS_METRICS, top_k_accuracy
from chainrule.evaluation.metrics_numbers import NUMBER_METRICS, pinball
from chainrule.evaluation.metrics_rows import (
    Floats,
    Kind,
    Metric,
    Needs,
    Undefined,
    as_classes,
    as_numbers,
)
from chainrule.losses import Loss
from chainrule.losses.targets import (
    check_answers,
    check_classes,
    check_counts,
    check_finite,
    check_positive,
    check_probabilities,
)

Array: TypeAlias = Any
#: A metric of the user's own: (y, prediction) -> one number.
Function: TypeAlias = Callable[..., Any]

#: Metrics by name, but for those with a number in their names.
METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric for metric in (*CLASS_METRICS, *NUMBER_METRICS)
}
#: What a loss's targets are says what its model predicts.
_KINDS: Final[Mapping[Any, Kind]] = {
    check_classes: "classes",
    check_probabilities: "answers",
    check_answers: "margins",
    check_finite: "numbers",
    check_counts: "numbers",
    check_positive: "numbers",
}
_FITTING: Final[Mapping[Kind, tuple[Needs, ...]]] = {
    "classes": ("labels", "scores", "probabilities"),
    "answers": ("labels", "scores", "probabilities"),
    "margins": ("labels", "scores"),
    "numbers": ("numbers",),
    "anything": ("labels", "scores", "numbers"),
}
#: Other names of the same, for a hint.
_ALSO_CALLED: Final = {
    "auc": "roc_auc", "roc_auc_score": "roc_auc", "average_precision_score": "average_precision",
    "accuracy_score": "accuracy", "balanced_accuracy_score": "balanced_accuracy",
    "brier_score": "brier", "brier_score_loss": "brier", "ece": "calibration_error",
    "expected_calibration_error": "calibration_error", "cross_entropy": "log_loss",
    "f1_score": "f1", "mcc": "matthews", "matthews_corrcoef": "matthews", "r²": "r2",
    "r2_score": "r2", "mean_squared_error": "mse", "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae", "mean_absolute_percentage_error": "mape",
    "mean_poisson_deviance": "poisson_deviance", "mean_gamma_deviance": "gamma_deviance",
    "top_k_accuracy": "top_5_accuracy",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Metrics:
    """The metrics of one descent; made by ``resolve``.

    Attributes:
        kind: what the model predicts, under its loss.
        link: raw outputs -> predictions, which metrics see.
        named: the metrics, functions and losses by name.
        notes: why a metric was NaN the first time that it was, by its name.
        quiet: do not warn of what is noted.
    """

    kind: Kind
    link: Callable[[Array], Array]
    named: Mapping[str, Metric | Loss | Function]
    quiet: bool = False
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def greater_is_better(self) -> Mapping[str, bool]:
        """Whether a larger score is the better one, by name.

        A function is in it only if it has an attribute ``greater_is_better``.
        """
        found = {}
        for name, metric in self.named.items():
            better = False if isinstance(metric, Loss) else _better(metric)
            if better is not None:
                found[name] = bool(better)
        return MappingProxyType(found)

    def check(self, outputs: np.ndarray, y: np.ndarray) -> None:
        """Refuse targets that a metric cannot score, such as before the first step.

        Args:
            outputs: the model's, of any values: (n, ...).
            y: the targets.

        Raises:
            ShapeError: y does not fit the outputs. DataError: a label that no output stands for.
        """
        self._rows(self._prediction(np.zeros_like(outputs)), np.asarray(y), None)

    def score(
        self, outputs: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> dict[str, float]:
        """Each metric over all rows.

        Several answers or quantities of one row are scored each by itself: the mean is returned.
        What is not defined for these rows (a ROC AUC where all are of one class, anything where
        the model's output is not finite) is NaN, and a RuntimeWarning says so the first time.

        Args:
            outputs: the model's raw outputs, (n, ...).
            y: targets as the loss takes them, of the same n.
            sample_weight: (n,) or (n, 1), >= 0; None for 1.

        Raises:
            ShapeError, DataError: as ``check``. TrainingError: a function that returns no number.
        """
        y, prediction = np.asarray(y), self._prediction(outputs)
        w = None if sample_weight is None else np.asarray(sample_weight, np.float64).reshape(-1)
        if not np.isfinite(prediction).all():
            return {name: self._undefined(name, "the output is not finite") for name in self.named}
        kept = slice(None) if w is None or w.all() else w > 0
        if w is not None and not w.any():
            return {name: self._undefined(name, "every weight is 0") for name in self.named}
        rows = self._rows(prediction[kept], y[kept], None if w is None else w[kept])
        scores = {}
        for name, metric in self.named.items():
            if isinstance(metric, Metric):
                scores[name] = self._score(metric, rows[_side(metric)])
            elif isinstance(metric, Loss):
                scores[name] = float(metric(np.asarray(outputs), y, sample_weight=w))
            else:
                scores[name] = _call(name, metric, y, prediction, w)
        return scores

    def _prediction(self, outputs: np.ndarray) -> Floats:
        with np.errstate(all="ignore"):
            return np.asarray(self.link(np.asarray(outputs, np.float64)), np.float64)

    def _rows(self, prediction: Floats, y: np.ndarray, w: Floats | None) -> dict[str, list[Any]]:
        """What the metrics score, in the forms that they take."""
        metrics = [m for m in self.named.values() if isinstance(m, Metric)]
        made: dict[str, list[Any]] = {}
        for side in dict.fromkeys(map(_side, metrics)):
            try:
                made[side] = (
                    as_numbers(prediction, y, w)
                    if side == "numbers"
                    else as_classes(self.kind, prediction, y, w)
                )
            except ChainruleError as error:
                names = ", ".join(m.name for m in metrics if _side(m) == side)
                raise type(error)(f"{names}: {error.message}", error.hint) from None
        return made

    def _score(self, metric: Metric, rows: Sequence[Any]) -> float:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # scikit-learn's, of what is said here or defined
            try:
                return float(np.mean([metric.score(each) for each in rows]))
            except Undefined as undefined:
                reason = str(undefined)
        return self._undefined(metric.name, reason)

    def _undefined(self, name: str, reason: str) -> float:
        if name not in self.notes and not self.quiet:
            message = f"{name} is not defined for these rows: {reason}; it is NaN"
            warnings.warn(message, RuntimeWarning, stacklevel=3)
        self.notes.setdefault(name, reason)
        return float("nan")


def resolve(names: str | Function | Iterable[str | Function], loss: Any) -> Metrics:
    """The metrics of these names, for a model trained on this loss.

    Args:
        names: of ``METRICS``; or with a number in them, ``top_3_accuracy``, ``pinball_0.9``; or
            functions ``f(y, prediction) -> float``, named by their ``__name__``. The prediction is
            the loss's ``link`` of the output: probabilities, or the mean. A function that has an
            argument ``sample_weight`` is given the weights. A loss of ``losses`` is a metric too.
        loss: a ``losses.Loss``, which says what is predicted; or any function, of which only
            the outputs as they are can be scored.

    Raises:
        TrainingError: no such metric, one that does not fit the loss, or one name twice.
        MissingExtraError: a name is given, and scikit-learn is not installed.

    Example:
        >>> from chainrule import losses
        >>> metrics = resolve(["accuracy", "log_loss"], losses.binary_cross_entropy)
        >>> metrics.score(np.array([2.0, -1.0, 0.5, 0.0]), np.array([1, 0, 0, 0]))
        {'accuracy': 0.75, 'log_loss': 0.526...}
    """
    kind = _KINDS.get(loss.check, "anything") if isinstance(loss, Loss) else "anything"
    link = loss.link if isinstance(loss, Loss) else _as_it_is
    given = [names] if isinstance(names, str) or callable(names) else list(names)
    return Metrics(kind, link, _by_name(given, kind, _said(loss)))


def of_predictions(names: Iterable[str], kind: Kind) -> Metrics:
    """Metrics of what is predicted already: probabilities (n, k), or numbers; quiet."""
    return Metrics(kind, _as_it_is, _by_name(list(names), kind, kind), quiet=True)


def _by_name(given: Sequence[Any], kind: Kind, said: str) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for item in given:
        name, metric = (item, find(item, kind, said)) if isinstance(item, str) else _own(item)
        if name in named:
            raise TrainingError(f"metrics: {name!r} stands there twice")
        named[name] = metric
    if any(isinstance(metric, Metric) for metric in named.values()):
        need("sklearn.metrics")  # here, rather than at the end of the first epoch
    return named


def find(name: str, kind: Kind, said: str) -> Metric:
    """The metric of a name, if it fits.

    Raises:
        TrainingError: it is unknown, or needs what this kind does not predict.
    """
    metric = METRICS.get(name) or _numbered(name)
    fitting = [m.name for m in METRICS.values() if m.needs in _FITTING[kind]]
    if metric is None:
        raise TrainingError(
            f"metrics: there is no {name!r}; under {said} there are {', '.join(fitting)}",
            _meant(name, kind),
        )
    if metric.needs not in _FITTING[kind]:
        raise TrainingError(_misfit(metric, kind, said), f"{' or '.join(fitting[:2])} would fit")
    return metric


def _numbered(name: str) -> Metric | None:
    if found := re.fullmatch(r"top_([1-9]\d*)_accuracy", name):
        return top_k_accuracy(int(found[1]))
    if found := re.fullmatch(r"pinball_(0?\.\d+)", name):
        return pinball(float(found[1])) if float(found[1]) > 0 else None
    return None


def _meant(name: str, kind: Kind) -> str:
    """A name that is near."""
    spelled = re.sub(r"[\s-]+", "_", name.strip().lower()).removeprefix("neg_")
    near = spelled if spelled in METRICS else _ALSO_CALLED.get(spelled, "")
    for found in difflib.get_close_matches(spelled, METRICS, 1):
        near = near or found
    fits = near in METRICS and METRICS[near].needs in _FITTING[kind]
    return f'"{near}" is one' if fits else "a function f(y, prediction) -> number is one too"


def _misfit(metric: Metric, kind: Kind, said: str) -> str:
    if metric.needs == "numbers":
        what = "is of numbers"
    elif kind == "numbers":
        what = "is of classes"
    else:
        what = f"needs {metric.needs}"
    gives = {
        "classes": "predicts classes",
        "answers": "predicts a yes or no",
        "margins": "gives margins, not probabilities",
        "numbers": "predicts numbers",
        "anything": "may give anything",
    }
    return f"metrics: {metric.name!r} {what}, and {said} {gives[kind]}"


def _own(function: Any) -> tuple[str, Any]:
    """A metric of the user's own, and its name."""
    name = function.name if isinstance(function, Loss) else getattr(function, "__name__", "")
    if not callable(function):
        raise TrainingError(f"metrics: got {function!r}; expected a name or a function")
    if not name.isidentifier() or name == "loss":
        raise TrainingError(
            f"metrics: {function!r} cannot be named {name!r} in the record",
            "def score(y, prediction): ... has the name 'score'",
        )
    return name, function


def _call(name: str, f: Function, y: Array, prediction: Floats, w: Floats | None) -> float:
    given = {} if w is None or not _takes_weights(f) else {"sample_weight": w}
    value = f(y, prediction, **given)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TrainingError(
            f"metrics: {name}(y, prediction) returned {type(value).__name__}; expected one number"
        ) from None


def _takes_weights(function: Function) -> bool:
    try:
        return "sample_weight" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions written in C have no signature
        return False


def _better(metric: Any) -> bool | None:
    return getattr(metric, "greater_is_better", None)


def _side(metric: Metric) -> str:
    return "numbers" if metric.needs == "numbers" else "classes"


def _said(loss: Any) -> str:
    return loss.name if isinstance(loss, Loss) else "a loss of your own"


def _as_it_is(outputs: Array) -> Array:
    return outputs
