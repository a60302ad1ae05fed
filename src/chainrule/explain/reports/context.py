"""What several sections need of a run, each worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from chainrule.data.words import count
from chainrule.diagnosis.diagnose import Diagnosis, diagnose
from chainrule.evaluation.examples import Examples, dtype_of, rows_of, sample, take_examples
from chainrule.evaluation.objective import Objective
from chainrule.evaluation.predict import predict
from chainrule.explain.reports.told import Told
from chainrule.tracing.trees import flatten

#: Rows that pictures and gradients are worked out on, at most.
ROWS: Final = 4096
#: Rows that predictions are judged on, at most.
JUDGED: Final = 20_000
#: Rows among which a typical one is looked for.
_TRIED: Final = 64
#: Seconds that the curvature may take.
_SECONDS: Final = 1.0


@dataclass(frozen=True, eq=False)
class Context:
    """A run with its measurements.

    Attributes:
        told: the run.
        asked: the row of the data that is to be explained; None for a typical one.
    """

    told: Told
    asked: int | None = None

    @cached_property
    def row(self) -> int:
        """The row that is explained: of the first few the one whose loss is nearest their mean."""
        if self.asked is not None:
            return self.asked
        leaves = [np.asarray(leaf) for leaf in flatten(self.told.model)[0]]
        losses = [
            self.objective.on(rows_of(self.examples, np.array([k]))).value(leaves)
            for k in range(min(_TRIED, self.examples.rows))
        ]
        return int(np.argmin(np.abs(np.array(losses) - np.mean(losses))))

    @cached_property
    def one(self) -> tuple[Any, ...]:
        """The row that is explained, as data of one row."""
        rows = rows_of(self.examples, np.array([self.row]))
        return tuple(rows.tree(list(rows.arrays)))

    @cached_property
    def examples(self) -> Examples:
        """The rows that it was trained on."""
        return take_examples(self.told.data, dtype_of(self.told.model))

    @cached_property
    def few(self) -> Examples:
        """At most ``ROWS`` of them, drawn."""
        return sample(self.examples, ROWS)

    @cached_property
    def objective(self) -> Objective:
        """The loss over ``few`` as a function of the parameters."""
        return Objective(self.told.loss, self.told.model, self.few)

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """``cr.diagnose`` of the trained model on ``few``, with the record."""
        told, history = self.told, self.told.history
        batch = int(history.batch[-1]) if "batch" in history.steps and len(history) else None
        data = self.few.tree(list(self.few.arrays))
        return diagnose(
            told.model, told.loss, data, history, told.optimizer, batch=batch, seconds=_SECONDS
        )

    @cached_property
    def judged(self) -> tuple[str, Any, Any, np.ndarray]:
        """Rows to judge predictions on: what they are, x, y, and the model's output."""
        told = self.told
        name = f"{told.held_out_name} row" if told.held_out is not None else "training row"
        data = told.data if told.held_out is None else told.held_out
        rows = sample(take_examples(data, dtype_of(self.told.model)), JUDGED)
        x, y = rows.tree(list(rows.arrays))[:2]
        return count(rows.rows, name), x, y, np.asarray(predict(told.model, x))

    @cached_property
    def epochs(self) -> np.ndarray:
        """Where each step lies, in epochs: float64[steps]; in steps where no epoch has ended."""
        steps = np.arange(1.0, len(self.told.history) + 1)
        ends = [float(e["step"]) for e in self.told.history.epochs]
        if not ends:
            return steps
        at, passed = np.array([0.0, *ends]), np.arange(len(ends) + 1.0)
        rest = (steps - ends[-1]) / max(1.0, (ends[-1] - at[-2]))
        return np.asarray(
            np.where(steps <= ends[-1], np.interp(steps, at, passed), passed[-1] + rest)
        )

    @property
    def axis(self) -> str:
        """What ``epochs`` counts."""
        return "epoch" if self.told.history.epochs else "update"
