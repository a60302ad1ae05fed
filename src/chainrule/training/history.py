"""What a descent recorded: arrays by step, records by epoch, decisions; as data frames too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule.data.extras import need
from chainrule.errors import NotRecordedError, TrainingError
from chainrule.training.measures import MEASURES

DataFrame: TypeAlias = Any  # pandas.DataFrame

_EPOCH_COLUMNS: Final = (
    "epoch", "step", "loss", "validation_loss", "learning_rate", "batch", "seconds",
)  # fmt: skip
_DECISION_COLUMNS: Final = ("step", "epoch", "rule", "reason", "batch", "rate")
#: Epochs that a notebook shows.
_SHOWN: Final = 10


class History:
    """What was recorded of a descent: ``run.history``.

    ``history.loss`` is ``history.steps["loss"]``, and so for each quantity of a step.

    Args:
        steps: arrays by name, each (steps,):
            loss: of the step's batch, before its update.
            learning_rate: of the update.
            batch: examples in the update.
            gradient_norm, update_ratio, gradient_variance, noise_scale: where ``record=`` of
                ``cr.train`` asked for them; NaN where one is not known.
            gradient_norm/NAME: of each parameter, for ``record="parameter_gradient_norms"``.
        epochs: one dict per epoch: epoch (from 1), step (updates done), loss (mean over the
            epoch), validation_loss (or None), learning_rate, batch, seconds (since the start),
            and each metric as ``validation_accuracy``.
        decisions: one dict per decision of a schedule: step, epoch, rule, reason, batch, rate and
            numbers, see ``optim.Decision``.

    Raises:
        NotRecordedError: an attribute that was not recorded; the hint says how to record it.
        TrainingError: the arrays differ in length.

    Example:
        >>> history = History({"loss": np.array([0.5, 0.25]), "batch": np.array([32, 32])})
        >>> history
        History(2 steps of loss, batch; 0 epochs; last loss 0.25)
        >>> history.batch
        array([32, 32])
        >>> history.frame()["step"].tolist()
        [1, 2]
    """

    __slots__ = ("decisions", "epochs", "steps")

    def __init__(
        self,
        steps: Mapping[str, np.ndarray] | None = None,
        epochs: Iterable[Mapping[str, Any]] = (),
        decisions: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.steps = {name: np.asarray(values) for name, values in (steps or {}).items()}
        self.epochs = [dict(epoch) for epoch in epochs]
        self.decisions = [dict(decision) for decision in decisions]
        if len({len(values) for values in self.steps.values()}) > 1:
            sizes = ", ".join(f"{name} has {len(values)}" for name, values in self.steps.items())
            raise TrainingError(f"History: the arrays differ in length: {sizes}")

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_") or name in self.__slots__:  # asked for while a copy is made
            raise AttributeError(name)
        if name in self.steps:
            return self.steps[name]
        raise _not_recorded(name, self.steps)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.steps})

    def __len__(self) -> int:
        return len(next(iter(self.steps.values()), ()))

    def frame(self, of: Literal["steps", "epochs", "decisions"] = "steps") -> DataFrame:
        """The record as a pandas data frame, one row per step, epoch or decision.

        Args:
            of: "steps": step (from 1), epoch (from 1, in which it was done) and each recorded
                quantity. "epochs": the epochs' records; what is None is NaN. "decisions": the
                decisions, their numbers in columns such as ``numbers.noise_scale``.

        Raises:
            MissingExtraError: pandas is not installed. TrainingError: no such record.

        Example:
            >>> epochs = [{"epoch": 1, "step": 2, "loss": 0.4, "validation_loss": None}]
            >>> history = History({"loss": np.array([0.5, 0.3, 0.2])}, epochs)
            >>> print(history.frame().to_string(index=False))
             step  epoch  loss
                1      1   0.5
                2      1   0.3
                3      2   0.2
        """
        made = {"steps": self._steps, "epochs": self._epochs, "decisions": self._decisions}
        if of not in made:
            raise TrainingError(f"frame: of is {of!r}; expected one of {', '.join(made)}")
        return need("pandas").DataFrame(made[of]())

    def _steps(self) -> dict[str, np.ndarray]:
        numbers = np.arange(1, len(self) + 1)
        ends = [epoch["step"] for epoch in self.epochs if "step" in epoch]
        return {"step": numbers, "epoch": np.searchsorted(ends, numbers) + 1, **self.steps}

    def _epochs(self) -> dict[str, list[Any]]:
        table = _columns(self.epochs, _EPOCH_COLUMNS)
        return {name: [_number(value) for value in values] for name, values in table.items()}

    def _decisions(self) -> dict[str, list[Any]]:
        return _columns([_flat(decision) for decision in self.decisions], _DECISION_COLUMNS)

    def __repr__(self) -> str:
        of = f" of {', '.join(self.steps)}" if self.steps else ""
        parts = [_count(len(self), "step") + of, _count(len(self.epochs), "epoch")]
        if self.decisions:
            parts.append(_count(len(self.decisions), "decision"))
        if len(self.steps.get("loss", ())):
            parts.append(f"last loss {self.loss[-1]:.6g}")
        return f"History({'; '.join(parts)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the line above, and a table of the last epochs."""
        table = _columns(self.epochs[-_SHOWN:], ())
        head = "".join(f"<th>{escape(name)}</th>" for name in table)
        rows = zip(*table.values(), strict=True)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
        shown = f"<table><tr>{head}</tr>{body}</table>" if self.epochs else ""
        return f"<p>{escape(repr(self))}</p>{shown}"


def _not_recorded(name: str, recorded: Mapping[str, Any]) -> NotRecordedError:
    known = ", ".join(recorded) or "nothing"
    if name in MEASURES:
        hint = f'cr.train(..., record=("{name}",)) records it; record="all" records everything'
    else:
        hint = f"on request, by cr.train(..., record=...): {', '.join(MEASURES)}"
    return NotRecordedError(f"history.{name} was not recorded; of each step there is {known}", hint)


def _columns(records: Sequence[Mapping[str, Any]], first: tuple[str, ...]) -> dict[str, list[Any]]:
    """The records' values by name; None where a record lacks one."""
    names = dict.fromkeys([*first, *(name for record in records for name in record)])
    return {name: [record.get(name) for record in records] for name in names}


def _flat(decision: Mapping[str, Any]) -> dict[str, Any]:
    numbers = decision.get("numbers") or {}
    plain = {name: value for name, value in decision.items() if name != "numbers"}
    return plain | {f"numbers.{name}": value for name, value in numbers.items()}


def _number(value: Any) -> Any:
    return np.nan if value is None else value


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
    return f"<td>{escape(text)}</td>"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
