"""A descent under way: what it works with, and all that changes from step to step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from chainrule.evaluation.examples import Examples
from chainrule.tracing.trees import flatten
from chainrule.training.deciding import VARIANCE, Deciding
from chainrule.training.faults import Faults
from chainrule.training.history import History
from chainrule.training.measures import MEASURES, NORM_OF, noise_scale
from chainrule.training.order import Cursor, Place
from chainrule.training.record import Record
from chainrule.training.step import Carried, Step, evaluated
from chainrule.training.watching import Watch

#: The columns of a record, in the order in which they are shown.
COLUMNS: Final = ("loss", "learning_rate", "batch", *MEASURES, "skipped")


@dataclass(eq=False)
class Descent:
    """A descent under way: what it works on and how far it is.

    Attributes:
        step, examples, cursor, optimizer, carried: what it works with.
        deciding, watch, faults: what acts between chunks of native code.
        sums: what each step measures beside its loss.
        settings: gives what must be the same for the descent to be gone on with, in JSON's types;
            asked for only where a run is kept: it reads all data.
        place, done: where it stands in the data, and updates done.
        seconds: of the descent itself, those before a resume included.
        epochs: one record per epoch that has ended.
        record: what was recorded of each step.
        check_rows: at how many rows of the run the next check point lies.
        epoch_step, checked_step: updates done when the epoch began, when a batch schedule was last
            shown a measurement; ``checked_seconds``, the time of that, None after a resume.
    """

    step: Step
    examples: Examples
    cursor: Cursor
    optimizer: Any
    carried: Carried
    deciding: Deciding
    watch: Watch
    faults: Faults
    sums: tuple[str, ...] = ()
    settings: Callable[[], Mapping[str, Any]] = dict
    place: Place = field(default_factory=Place)
    done: int = 0
    seconds: float = 0.0
    epochs: list[dict[str, Any]] = field(default_factory=list)
    record: Record = field(default_factory=Record)
    check_rows: float = 0.0
    epoch_step: int = 0
    checked_step: int = 0
    checked_seconds: float | None = 0.0

    # -- where it stands -------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Updates in all, if the batch stays as it is."""
        return self.done + self.cursor.all_left(self.place, self.deciding.batch)

    @property
    def rows(self) -> int:
        """Rows gone through, those that were left out at the ends of epochs included."""
        return self.place.epoch * self.cursor.n + self.place.taken

    @property
    def epoch(self) -> float:
        """Passes over the data done, with fractions."""
        return self.rows / self.cursor.n

    def leaves(self) -> list[np.ndarray]:
        """Parameters and the optimiser's state as they are now."""
        return self.step.executable.get_state()

    def evaluated(self) -> list[np.ndarray]:
        """The parameters to evaluate and to keep: an average, if the optimiser keeps one."""
        return flatten(self.model())[0]

    def model(self) -> Any:
        """The parameters to evaluate and to keep, as a tree."""
        return evaluated(self.carried, self.optimizer, self.leaves())

    def history(self) -> History:
        """The record so far."""
        return history_of(self.record.copy(), self.epochs, self.deciding.decisions)

    def position(self) -> dict[str, Any]:
        """Plain values from which a descent goes on as if it had never stopped."""
        return {**self.stood(), "faults": self.faults.position(), "seconds": self.seconds}

    def stood(self) -> dict[str, Any]:
        """Of them those that falling back changes."""
        return {
            "step": self.done,
            "epoch": self.place.epoch,
            "taken": self.place.taken,
            "check_rows": self.check_rows,
            "epoch_step": self.epoch_step,
            "checked_step": self.checked_step,
            "deciding": self.deciding.position(),
            "watch": self.watch.position(),
        }

    def restore(
        self, leaves: list[np.ndarray], position: Mapping[str, Any],
        record: Mapping[str, np.ndarray], epochs: list[dict[str, Any]],
        decisions: list[dict[str, Any]], best: list[np.ndarray] | None,
        snapshots: Mapping[str, np.ndarray],
    ) -> None:  # fmt: skip
        """Stand where an earlier descent stood."""
        self.stand(leaves, position, decisions)
        self.faults.restore(position["faults"], snapshots)
        self.record.replace(record)
        self.epochs = epochs
        self.watch.restore(position["watch"], best)
        self.seconds = float(position["seconds"])

    def stand(
        self, leaves: list[np.ndarray], position: Mapping[str, Any], decisions: list[dict[str, Any]]
    ) -> None:
        """Go to a place, with the record as it is."""
        self.step.executable.set_state(leaves)
        self.done = int(position["step"])
        self.place = Place(int(position["epoch"]), int(position["taken"]))
        self.check_rows = float(position["check_rows"])
        self.epoch_step = int(position["epoch_step"])
        self.checked_step = int(position["checked_step"])
        self.checked_seconds = None
        self.deciding.restore(position["deciding"], decisions)


def history_of(
    recorded: Mapping[str, np.ndarray],
    epochs: Iterable[Mapping[str, Any]],
    decisions: Iterable[Mapping[str, Any]],
) -> History:
    """The record of a descent or of a checkpoint as its reader sees it."""
    steps = dict(recorded)
    if VARIANCE in steps:
        steps["noise_scale"] = noise_scale(steps["gradient_norm"], steps[VARIANCE], steps["batch"])
    named = [name for name in COLUMNS if name in steps]
    named += [name for name in steps if name.startswith(NORM_OF)]
    return History({name: steps[name] for name in named}, epochs, decisions)
