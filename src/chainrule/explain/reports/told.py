"""What a report is told of a run: by ``cr.train``'s result, or by whoever reads a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from chainrule.diagnosis.finding import Finding
from chainrule.errors import TrainingError
from chainrule.losses import Loss
from chainrule.training.history import History
from chainrule.training.run import Run

Task: TypeAlias = Literal["classification", "regression", ""]
#: Losses whose target is a class.
_OF_CLASSES: Final = frozenset(("cross_entropy", "binary_cross_entropy", "kl_divergence", "hinge"))


@dataclass(frozen=True, eq=False, slots=True)
class Snapshot:
    """The parameters after ``step`` updates."""

    step: int
    model: Any


@dataclass(frozen=True, eq=False)
class Told:
    """A run, in the terms of the library: nothing in it knows of files or of a command line.

    Attributes:
        model: the trained tree. loss: a ``losses.Loss`` or a function ``loss(params, *data)``.
        data: what it was trained on, a tuple of arrays as for ``cr.train``.
        history: the record.
        title: of the page.
        start: the tree before the first update, where it is known.
        snapshots: parameters in between, in the order of their steps.
        held_out: rows that it was not trained on, as ``data``; None where there are none.
        held_out_name: what these are: "validation", whose loss the history has, or "test".
        optimizer: as ``cr.train`` took it.
        findings: what was noticed while it ran.
        features, classes: names of the columns of x, and of the classes.
        target: the name of what is predicted.
        scale: (offset, factor): the target in its own unit is offset + factor · the y in ``data``.
        settings: what was asked for, by name, in plain values.
        unit: of the loss; "" for what the loss says itself.
        reason: why the descent ended, in words.
    """

    model: Any
    loss: Any
    data: tuple[Any, ...]
    history: History
    title: str = "Report of a run"
    start: Any = None
    snapshots: Sequence[Snapshot] = ()
    held_out: tuple[Any, ...] | None = None
    held_out_name: str = "validation"
    optimizer: Any = None
    findings: Sequence[Finding] = ()
    features: Sequence[str] = ()
    classes: Sequence[str] = ()
    target: str = ""
    scale: tuple[float, float] = (0.0, 1.0)
    settings: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    reason: str = ""

    @property
    def task(self) -> Task:
        """What the loss is for; "" for a function, whose outputs are not known."""
        if not isinstance(self.loss, Loss):
            return ""
        return "classification" if self.loss.name in _OF_CLASSES else "regression"

    @property
    def loss_unit(self) -> str:
        return self.unit or str(getattr(self.loss, "unit", ""))

    @property
    def loss_name(self) -> str:
        """The loss in words, with its unit: "cross entropy (nats)"."""
        name = str(getattr(self.loss, "name", "") or getattr(self.loss, "__name__", ""))
        said = "loss" if name in ("", "<lambda>", "loss") else name.replace("_", " ")
        return f"{said} ({self.loss_unit})" if self.loss_unit else said


def told_of(run: Run, **options: Any) -> Told:
    """A result of ``cr.train``.

    Args:
        run: the result.
        options: fields of ``Told`` to be set, such as ``features``, ``classes`` and ``title``.

    Raises:
        TrainingError: the run does not know its problem; an option that is no field.
    """
    problem = run._problem
    if problem is None:
        raise TrainingError(
            "this run does not know its loss and its data", "explain the one that cr.train returned"
        )
    known = {
        "start": problem.start, "held_out": problem.validation, "optimizer": problem.optimizer,
        "findings": run.findings, "settings": _settings(run), "reason": run.reason,
    }  # fmt: skip
    try:
        return Told(run.model, problem.loss, problem.data, run.history, **(known | options))
    except TypeError as error:
        raise TrainingError(f"report: {str(error).partition('()')[2].strip()}") from None


def _settings(run: Run) -> dict[str, Any]:
    problem = run._problem
    asked = problem.settings if problem is not None else {}
    kept = ("optimizer", "batch", "order", "record", "metrics", "early_stopping")
    given = {name: asked[name] for name in kept if asked.get(name) not in (None, [], "None")}
    shown = {name.replace("_", " "): value for name, value in given.items()}
    seconds = {f"seconds to {name}": round(value, 3) for name, value in run.seconds.items()}
    out = {} if run.out is None else {"run folder": str(run.out)}
    return {**shown, "threads": run.threads, **seconds, **out}
