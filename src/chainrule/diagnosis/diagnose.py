"""``diagnose``: everything that is measured at one place of a descent, and the findings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np

from chainrule.diagnosis.activity import Activity, Forward, judge_activity
from chainrule.diagnosis.convergence import Convergence, converge, judge_convergence
from chainrule.diagnosis.curvature import Curvature, curvature
from chainrule.diagnosis.finding import Finding, in_words, sorted_findings
from chainrule.diagnosis.flow import Flow, flow_of, judge_flow
from chainrule.diagnosis.rates import Pace, Slope, judge_rate, pace_of
from chainrule.diagnosis.record import Record
from chainrule.diagnosis.rule import Rule, rule_of
from chainrule.errors import GradientError, TrainingError
from chainrule.evaluation.examples import dtype_of, rows_of, sample, take_examples
from chainrule.evaluation.objective import Objective
from chainrule.tracing.trees import flatten

#: Batches by which the gradient's noise is measured.
_BATCHES: Final = 16


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found where the weights are; ``print`` it.

    Attributes:
        loss: the mean over all rows, in evaluation: dropout off, statistics held.
        gradient_norm: the length of its gradient.
        curvature: the Hessian's extreme eigenvalues, over ``curvature_rows`` rows; None where
            the loss has no second derivative.
        pace: the learning rate, its bound, the steps to half of the loss, the noise.
        convergence: where the descent stands; None without curvature.
        activity: each activation, its dead and its saturated units.
        flow: the gradient at each leaf.
        findings: what is worth knowing, the most serious first; empty where all is well.
        rows, curvature_rows: rows looked at, and those of them that curvature and activity were
            measured on.
        seconds: that it took.
    """

    loss: float
    gradient_norm: float
    curvature: Curvature | None
    pace: Pace
    convergence: Convergence | None
    activity: tuple[Activity, ...]
    flow: Flow
    findings: tuple[Finding, ...]
    rows: int
    curvature_rows: int
    seconds: float

    @property
    def is_fine(self) -> bool:
        """Whether nothing was found beyond notes."""
        return all(finding.severity == "note" for finding in self.findings)

    def finding(self, kind: str) -> Finding | None:
        """The finding of this kind, or None."""
        return next((f for f in self.findings if f.kind == kind), None)

    def __str__(self) -> str:
        return "\n".join([*_lines(self), *map(str, self.findings)])

    __repr__ = __str__


def diagnose(
    model: Any, loss: Any, data: tuple[Any, ...], history: Any = None, optimizer: Any = None, *,
    batch: Any = None, steps_left: int = 0, rows: int | None = None, seconds: float = 2.0,
    seed: int = 0, threads: int | None = None,
) -> Diagnosis:  # fmt: skip
    """Why does it not train, or does it? Measured at the weights as they are, in seconds.

    Over all rows: the loss and its gradient, by leaf. Over at most ``rows`` of them: the
    Hessian's extreme eigenvalues (Lanczos on Hessian-vector products), with the bound 2/λ_max on
    the learning rate, dead and saturated units, and the gradient's noise between batches. With a
    history, the record's own course too.

    Args:
        model: a tree of arrays.
        loss: a ``losses.Loss`` or a function ``loss(params, *data)``, as for ``cr.train``.
        data: a tuple of arrays, as for ``cr.train``.
        history: ``run.history``, or anything with ``loss`` and ``learning_rate``, each (steps,);
            one of no steps is as none.
        optimizer: what the descent uses, or a learning rate of plain gradient descent. Of a bound
            is spoken for ``optim.SGD`` alone.
        batch: examples per update, or "all", where the history does not say it.
        steps_left: updates that are still planned.
        rows: how many at most the curvature is measured on; None for 4096, and fewer where the
            model has more than 50,000 parameters.
        seconds: how long Lanczos may take, compilation not counted.
        seed: of what is drawn: rows, batches, Lanczos's first vector.
        threads: how many share the work; None lets the amount of work decide.

    Raises:
        TrainingError: the model has no parameters, or the loss is neither a loss nor a function;
            the loss at these weights is not finite.
        DataError: the data do not fit together. TraceError: the loss cannot be traced.

    Example:
        >>> x = np.linspace(-1.0, 1.0, 50)
        >>> def loss(p, x, y):  # the lecture's line, one feature: y = w x + b
        ...     return np.mean((p["w"] * x + p["b"] - y) ** 2)
        >>> start = {"w": np.array(0.0), "b": np.array(0.0)}
        >>> found = diagnose(start, loss, (x, 3 * x + 1), optimizer=1e-8, batch="all")
        >>> print(found.findings[0])
        warning: rate too small: at this rate, 10⁻⁸, the loss halves in 3·10⁷ steps; the curvature
        allows 0.5
          try: a learning rate of 0.3, or cr.range_test
        >>> diagnose(start, loss, (x, 3 * x + 1), optimizer=0.3, batch="all").findings
        ()
    """
    begin = perf_counter()
    leaves = [np.asarray(leaf) for leaf in flatten(model)[0]]
    if not any(leaf.dtype.kind == "f" for leaf in leaves):
        raise TrainingError("diagnose: the model has no parameters: nothing to judge")
    examples = take_examples(data, dtype_of(model))
    objective = Objective(loss, model, examples, threads)
    few = objective.on(sample(examples, rows or _rows_for(objective.size), seed))
    rule, record = rule_of(optimizer), _record(history, examples.rows, batch)
    value, gradient = objective.value_and_gradient(leaves)
    slope = _slope(value, objective.flat(gradient))
    bend = _curvature(few, leaves, seconds, seed)
    noise = _noise(few, leaves, slope, _batch(record, batch, examples.rows), seed)
    pace = pace_of(rule, slope, bend, record, noise)
    forward = Forward(loss, few)
    activity = forward.activity(leaves)
    flow = flow_of(objective, leaves, gradient, forward.order)
    length = float(np.linalg.norm(objective.flat(leaves)))
    place = None if bend is None else converge(rule, slope, bend, pace, record, length)
    findings = (
        *judge_rate(rule, slope, bend, pace, record, steps_left),
        *judge_activity(activity), *judge_flow(flow),
        *(judge_convergence(place, bend, value) if place is not None and bend is not None else ()),
    )  # fmt: skip
    return Diagnosis(
        value, slope.norm, bend, pace, place, activity, flow, sorted_findings(findings),
        examples.rows, few.examples.rows, perf_counter() - begin,
    )  # fmt: skip


def _rows_for(size: int) -> int:
    return max(256, min(4096, 200_000_000 // max(size, 1)))


def _record(history: Any, rows: int, batch: Any) -> Record | None:
    if history is None or not len(getattr(history, "loss", ())):  # of no steps, none
        return None
    given = rows if batch == "all" else batch if isinstance(batch, int) else 0
    return Record.of(history, rows, given)


def _batch(record: Record | None, batch: Any, rows: int) -> int | None:
    """Examples per update now; None for all, or where it is not known."""
    if record is not None and record.steps and record.batch[-1] > 0:
        size = int(record.batch[-1])
    else:
        size = batch if isinstance(batch, int) else rows
    return size if size < rows else None


def _slope(value: float, gradient: np.ndarray) -> Slope:
    if not (math.isfinite(value) and np.isfinite(gradient).all()):
        raise TrainingError(
            f"diagnose: the loss is {value} at these weights, its gradient of length"
            f" {np.linalg.norm(gradient)}; expected finite numbers",
            "cr.trace(loss, model, *data).first_nonfinite() names the line that it comes from",
        )
    return Slope(value, float(np.linalg.norm(gradient)), float(np.sum(np.abs(gradient))))


def _curvature(few: Objective, leaves: Any, seconds: float, seed: int) -> Curvature | None:
    try:
        return curvature(few, leaves, seconds=seconds, seed=seed)
    except (GradientError, TrainingError):  # no second derivative, or none that is finite
        return None


def _noise(
    few: Objective, leaves: Any, slope: Slope, batch: int | None, seed: int
) -> float | None:  # fmt: skip
    """E |g_b - g|² / |g|² over batches of b rows, by a few of them."""
    rows = few.examples.rows
    if batch is None or batch >= rows or slope.norm == 0:
        return None
    rng = np.random.default_rng(seed + 1)
    found = []
    for _ in range(_BATCHES):
        chosen = np.sort(rng.permutation(rows)[:batch])
        found.append(few.flat(few.on(rows_of(few.examples, chosen)).gradient(leaves)))
    variance = float(np.mean(np.var(np.stack(found), axis=0, ddof=1)) * few.size)
    return variance / slope.norm**2


# -- the report ------------------------------------------------------------------------------------


def _lines(d: Diagnosis) -> Iterator[str]:
    yield f"loss {d.loss:.6g}, gradient {d.gradient_norm:.3g}, over {d.rows} rows"
    yield from _of_curvature(d)
    yield from _of_pace(d)
    yield from _of_convergence(d)
    for a in d.activity:
        lost = f"{a.dead} dead" if a.kind == "relu" else f"{a.saturated} saturated"
        yield f"{a.kind} after {a.layer}: {a.units} units, {lost}"
    if d.flow.ratio is not None:
        yield f"gradient of the first layer by the last's: {in_words(d.flow.ratio, 2)}"
    if not d.findings:
        yield "fine: nothing to complain of"


def _of_curvature(d: Diagnosis) -> Iterator[str]:
    c = d.curvature
    if c is None:
        yield "curvature: none could be measured"
        return
    sampled = f", on {d.curvature_rows} of the rows" if d.curvature_rows < d.rows else ""
    yield (
        f"curvature {in_words(c.smallest, 3)} ± {in_words(c.smallest_error)} to"
        f" {in_words(c.largest, 3)} ± {in_words(c.largest_error)}, by {c.products}"
        f" Hessian-vector products{sampled}"
    )


def _of_pace(d: Diagnosis) -> Iterator[str]:
    p = d.pace
    if p.rate is not None:
        is_bounded = p.bound is not None and math.isfinite(p.bound)
        bound = (
            f"; gradient descent is stable below {in_words(p.bound or 0, 2)}" if is_bounded else ""
        )
        yield f"learning rate {in_words(p.rate, 2)}{bound}"
    if p.halving is not None:
        yield f"at this pace the loss halves in {in_words(p.halving, 2)} steps"
    if p.noise is not None:
        yield f"a batch's gradient is {in_words(p.noise, 2)} parts noise to one of slope"


def _of_convergence(d: Diagnosis) -> Iterator[str]:
    c = d.convergence
    if c is None:
        return
    condition = f", condition {in_words(c.condition, 2)}" if math.isfinite(c.condition) else ""
    left = f", {in_words(c.steps_left, 2)} steps left" if c.steps_left is not None else ""
    yield f"place: {c.place}{condition}{left}"


__all__ = ["Diagnosis", "Rule", "diagnose"]
