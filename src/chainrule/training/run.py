"""What a descent reports while it runs and leaves behind."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from chainrule.diagnosis.diagnose import Diagnosis, diagnose
from chainrule.diagnosis.finding import Finding
from chainrule.training.faults import Policy
from chainrule.training.history import History
from chainrule.training.spent import Spent

#: Why a descent ended: all epochs done; Ctrl-C; patience at its end; time at its end; a callback.
Stopped: TypeAlias = Literal["completed", "interrupted", "early_stopping", "max_time", "callback"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a descent stands; given to callbacks every 50-100 ms and at the end of each epoch.

    Attributes:
        epoch, step: how many have been begun and done; ``epochs`` and ``steps`` in all, if the
            batch stays as it is.
        loss: the mean over the steps since the last report.
        learning_rate, batch: of the last step.
        seconds, seconds_left: of the descent itself, without compilation.
        epoch_end: whether an epoch has just ended; ``validation_loss`` and ``metrics`` are then
            known, if there is validation data.
        first_step: the number, from 0, of the first step since the last report.
        recorded: arrays by name, one element per step since the last report: loss,
            learning_rate, batch and what ``record=`` asks for.
        metrics: of the epoch that has ended, by name (``validation_accuracy``).
        decisions: what schedules have decided since the last report.
        findings: what is noticed about the descent at the end of an epoch, in words.
        model: gives the parameters as they are now, a tree like the model's; it copies them.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    learning_rate: float
    rows_per_second: float
    seconds: float
    seconds_left: float
    epoch_end: bool
    validation_loss: float | None
    batch: int = 0
    first_step: int = 0
    recorded: Mapping[str, np.ndarray] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    decisions: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()
    model: Callable[[], Any] = lambda: None


#: Called with each report; a string that it returns stops the descent and is the reason given. If
#: it has a method ``close``, that is called when the descent has ended.
Callback: TypeAlias = Callable[[Progress], str | None]


@dataclass(frozen=True, eq=False, slots=True)
class Problem:
    """What a run was given, for looking at its result."""

    loss: Any
    data: tuple[Any, ...]
    optimizer: Any
    start: Any = None
    validation: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    job: Any = None
    on_nan: Policy = "stop"


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """The result of ``train``.

    Attributes:
        model: the trained tree, of the type that was given: the last weights (an average, if the
            optimiser keeps one), or with ``early_stopping`` those of the best epoch.
        history: the record.
        stopped: "completed", "interrupted" (Ctrl-C), "early_stopping", "max_time", "callback".
        reason: the same in words.
        steps: updates done, those before a resume included.
        seconds: of tracing, compiling and training ("trace", "compile", "train"), this time.
        spent: what this training's time went to: ``spent.seconds`` of the native loop, and of
            what Python does between its chunks, for ``spent.steps`` updates.
        threads: how many ran the step.
        findings: what was noticed on the way about the learning rate: see ``diagnose``.
        best_epoch: whose weights the model has, with ``early_stopping``; else None.
        out: the run folder, if one was asked for.
    """

    model: Any
    history: History
    stopped: Stopped
    reason: str
    steps: int
    seconds: dict[str, float]
    threads: int
    findings: tuple[Finding, ...] = ()
    best_epoch: int | None = None
    out: Path | None = None
    spent: Spent = field(default_factory=Spent)
    _problem: Problem | None = None

    def diagnose(self, **options: Any) -> Diagnosis:
        """Why did it not train, or did it? ``cr.diagnose`` of the trained model on its data.

        Args:
            options: as ``cr.diagnose`` takes them: ``rows``, ``seconds``, ``seed``, ``threads``.
        """
        assert self._problem is not None
        problem = self._problem
        return diagnose(
            self.model, problem.loss, problem.data, self.history, problem.optimizer,
            batch=int(self.history.batch[-1]) if self.steps else None, **options,
        )  # fmt: skip

    def explain(self, **options: Any) -> Any:
        """The report of this run: formulas, numbers and pictures; a notebook shows it.

        Args:
            options: as ``explain.report`` takes them: ``row``, ``sections``,
                ``progress``, ``features``, ``classes``, ``title``.

        Returns:
            A ``chainrule.explain.Report``; its ``save("report.html")`` writes the offline page.
        """
        # The floor of explanations lies above this one: what it makes of a run is asked for by
        # name, when somebody asks, as ``import chainrule`` does.
        return importlib.import_module("chainrule.explain").report(self, **options)

    def profile(self, **options: Any) -> Any:
        """Where the time of a step goes: each nest of the native loop against its limit.

        Some steps are done again, on copies, by the same program with readings of the clock.

        Args:
            options: as ``chainrule.profiling.profile_run`` takes them: ``data``, ``batch``,
                ``threads``, ``seconds``.

        Returns:
            A ``chainrule.profiling.Profile``: printed it is a table; ``.roofline()`` draws it.
        """
        # Upon the floor of explanations, whose pictures it draws: asked for by name, as above.
        return importlib.import_module("chainrule.profiling").profile_run(self, **options)

    def __repr__(self) -> str:
        return f"Run({self.stopped}, {self.steps} steps, {self.history})"
