"""Metrics of `--metric`: scores of the validation rows at each epoch, in the target's own unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from chainrule.cli.outcome import OptionError
from chainrule.cli.terms import Terms, to_numbers
from chainrule.data.target import Target
from chainrule.errors import TrainingError
from chainrule.evaluation.metrics import Metrics, find, of_predictions, resolve
from chainrule.evaluation.metrics_rows import Kind

Score: TypeAlias = Callable[[Any, Any], float]
#: What a hint says to those who write Python.
_PYTHON: Final = "a function"


def resolved(names: Sequence[str], terms: Terms) -> Metrics:
    """The metrics of these names.

    Raises:
        OptionError: no such metric, or one that does not fit the loss; those that fit are named.
    """
    try:
        return resolve(names, terms.function)
    except TrainingError as error:
        hint = "" if error.hint.startswith(_PYTHON) else error.hint
        raise OptionError(f"--metric: {error.message.removeprefix('metrics: ')}", hint) from None


def epoch_metrics(names: Sequence[str], terms: Terms, target: Target) -> list[Score]:
    """The metrics as ``cr.train`` takes them: functions of what the loss sees."""
    kind = resolved(names, terms).kind
    return [_score(name, kind, terms, target) for name in names]


def _score(name: str, kind: Kind, terms: Terms, target: Target) -> Score:
    metrics = of_predictions([name], kind)

    def score(y: Any, prediction: Any) -> float:
        if kind == "numbers":
            y, prediction = (to_numbers(terms, target, x) for x in (y, prediction))
        return metrics.score(prediction, y)[name]

    score.__name__ = identifier(name)
    score.greater_is_better = find(name, kind, "").greater_is_better  # type: ignore[attr-defined]
    return score


def identifier(name: str) -> str:
    """A metric's name where only letters, digits and _ may stand: pinball_0.9 has a dot."""
    return name.replace(".", "_")
