"""How much of each step is noise, early and late in a descent."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.diagnosis.rule import rule_of
from chainrule.errors import NotRecordedError, TrainingError
from chainrule.evaluation.examples import dtype_of, rows_of, sample, take_examples
from chainrule.evaluation.objective import Objective
from chainrule.explain.landscape.field import given
from chainrule.explain.landscape.noise_picture import picture
from chainrule.explain.landscape.noise_words import lines
from chainrule.explain.landscape.watched import Watched
from chainrule.explain.shown import plain, shown, told
from chainrule.optim import SGD
from chainrule.runs.folder import RunFolder
from chainrule.runs.reading import read_entry
from chainrule.tracing.trees import flatten, with_leaves
from chainrule.training.history import History
from chainrule.training.run import Run

#: Places of a descent that are looked at, and parts that a record is averaged over.
_PLACES: Final = 12
#: Batches drawn at each place: examples of each at most; how many at most and at least; numbers
#: in all their gradients together.
_DRAWN: Final = 8
_MOST, _LEAST = 256, 16
_NUMBERS: Final = 10_000_000
#: Rows that the gradient is taken over at most.
_ROWS: Final = 10_000
#: Of what the gradient gains: noise that takes back so much hurts.
_HALF: Final = 0.5


@dataclass(frozen=True, eq=False)
class Noise:
    """The gradient's noise along a descent; every array has one number per place.

    Of a batch of b of n rows the gradient is G + ξ: G that over all rows, ξ noise of mean 0 and
    E|ξ|² = (tr Σ / b) (1 - b / n).

    Attributes:
        steps: updates done, float64.
        loss: over all rows; of a record the mean of the steps' own.
        signal: |G|².
        variance: tr Σ, the variance of one example's gradient summed over the parameters.
        batch: examples of an update.
        learning_rate: of the update; NaN where it is not known.
        gain: what a step along G alone changes the loss by, -ε|G|² + ½ε² GᵀHG for plain gradient
            descent of the rate ε; NaN where it was not measured.
        harm: what the noise adds to that on average, ½ε² E[ξᵀHξ]; NaN so too.
        rows: n; 0 where it is not known.
        source: "recorded at each step" or "measured at 12 places of the descent".
        unit: of the loss.
    """

    steps: np.ndarray
    loss: np.ndarray
    signal: np.ndarray
    variance: np.ndarray
    batch: np.ndarray
    learning_rate: np.ndarray
    gain: np.ndarray
    harm: np.ndarray
    rows: int
    source: str
    unit: str

    @property
    def noise(self) -> np.ndarray:
        """E|ξ|² of a step's batch."""
        left = 1 - self.batch / self.rows if self.rows else np.ones_like(self.batch)
        return np.asarray(self.variance / self.batch * np.maximum(left, 0.0))

    @property
    def share(self) -> np.ndarray:
        """How much of E|G + ξ|², the square of a step's gradient, is noise: 0 to 1.

        NaN where there is neither.
        """
        with np.errstate(invalid="ignore"):
            return np.asarray(self.noise / (self.signal + self.noise))

    @property
    def noise_scale(self) -> np.ndarray:
        """B_simple = tr Σ / |G|², examples: a batch far below it is mostly noise."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.variance / self.signal)

    @property
    def taken_back(self) -> np.ndarray:
        """From each place on, how much of what the gradient gains the noise takes back: Σ / Σ.

        Where a descent goes no lower it is 1 on average; above 1 the loss rises. NaN where the
        gradient gains nothing, or that was not measured.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.cumsum(self.harm[::-1])[::-1] / -np.cumsum(self.gain[::-1])[::-1]
        return np.asarray(np.where(np.isfinite(found), found, np.nan))

    @property
    def hurts_from(self) -> float | None:
        """The first place, in steps, from which on the noise takes back half or more; or None."""
        first = np.flatnonzero(self.taken_back >= _HALF)
        return float(self.steps[first[0]]) if len(first) else None

    def __str__(self) -> str:
        return told(lines(self))

    __repr__ = __str__

    def svg(self) -> str:
        """Signal and noise over the steps, the noise scale, and what a step gains and loses."""
        return picture(
            self.steps, self.signal, self.noise, self.noise_scale, self.batch, self.gain, self.harm
        )

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values."""
        more = {"noise": self.noise, "share": self.share, "noise_scale": self.noise_scale}
        return plain({"kind": "noise", **self.__dict__, **more, "hurts_from": self.hurts_from})


def noise(
    first: Any, *rest: Any, optimizer: Any = None, batch: int | None = None, epochs: int = 10,
    seed: int = 0,
) -> Noise:  # fmt: skip
    """Signal and noise of the gradient along a descent, early and late.

    Args:
        first: a ``Run`` or its ``History``, recorded with ``record=("gradient_norm",
            "gradient_variance")``, or with checkpoints in its folder; or a model, with
        *rest: a loss and a tuple of data: the descent is then done here, as ``cr.train`` does it.
        optimizer: of the descent done here; default ``SGD(0.01)``.
        batch: its examples per update; default 32.
        epochs: its passes over the data.
        seed: of the order of the examples, and of the batches that are drawn to measure.

    Raises:
        NotRecordedError: a history without these quantities, and no checkpoints.
        TrainingError: one example per update recorded, whose variance nobody can tell; the loss
            is not finite.

    Source:
        McCandlish, Kaplan, Amodei et al. 2018, An Empirical Model of Large-Batch Training, 2.2.

    Example:
        >>> x = np.linspace(-1, 1, 64)
        >>> y = 3 * x + np.sin(40 * x)
        >>> def loss(p, x, y):
        ...     return np.mean((p["w"] * x - y) ** 2)
        >>> found = noise({"w": np.array(0.0)}, loss, (x, y), optimizer=SGD(0.3), batch=8)
        >>> bool(found.share[0] < 0.2), bool(found.share[-1] > 0.8)
        (True, True)
    """
    if isinstance(first, Run | History):
        if rest:
            raise TrainingError("noise: a run has its loss and its data; expected nothing else")
        return _of_run(first, seed)
    chosen = SGD(0.01) if optimizer is None else optimizer
    return _of_descent(first, rest, chosen, batch, epochs, seed)


# -- from a record ---------------------------------------------------------------------------------


def _of_run(run: Run | History, seed: int) -> Noise:
    history = run.history if isinstance(run, Run) else run
    problem = run._problem if isinstance(run, Run) else None
    names = ("gradient_norm", "gradient_variance")
    missing = [name for name in names if name not in history.steps]
    if missing and isinstance(run, Run) and run.out is not None and problem is not None:
        return _of_checkpoints(run, seed)
    if missing:
        raise NotRecordedError(
            f"noise: {' and '.join(missing)} of each step were not recorded",
            'train with record=("gradient_norm", "gradient_variance"), or measure a descent:'
            " explain.noise(model, loss, data, batch=32)",
        )
    if not len(history):
        raise TrainingError("noise: the run has no steps")
    data = None if problem is None else flatten(problem.data)[0]
    unit = "" if problem is None else getattr(problem.loss, "unit", "")
    return _of_history(history, len(data[0]) if data else 0, unit)


def _of_history(history: History, rows: int, unit: str) -> Noise:
    """Averages over parts of the record, short ones first."""
    count = len(history)
    edges = _edges(count)
    variance = np.asarray(history.steps["gradient_variance"], np.float64)
    if not np.isfinite(variance).any():
        raise TrainingError(
            "noise: with one example per update a step cannot tell its noise",
            "explain.noise(model, loss, data, batch=1) measures it at places of a descent",
        )
    square = np.asarray(history.steps["gradient_norm"], np.float64) ** 2
    batch = np.asarray(history.steps["batch"], np.float64)
    left = np.maximum(1 - batch / rows, 0.0) if rows else 1.0
    signal = square - variance / batch * left
    unknown = np.full(len(edges) - 1, math.nan)
    middle = np.array([(a + b - 1) / 2 for a, b in itertools.pairwise(edges)])

    def means(values: np.ndarray) -> np.ndarray:
        parts = [values[a:b] for a, b in itertools.pairwise(edges)]
        return np.array([_mean(part) for part in parts])

    rate = history.steps.get("learning_rate", np.full(count, math.nan))
    return Noise(
        middle, means(np.asarray(history.steps["loss"], np.float64)),
        np.maximum(means(signal), 0.0), means(variance), means(batch),
        means(np.asarray(rate, np.float64)), unknown, unknown, rows, "recorded at each step", unit,
    )  # fmt: skip


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _edges(count: int) -> list[int]:
    """Parts that grow: the beginning is short and changes fast."""
    first = max(1, min(10, count // _PLACES))
    found = [0, *np.round(np.geomspace(first, count, min(_PLACES, count))).astype(int).tolist()]
    return sorted(set(found))


# -- measured --------------------------------------------------------------------------------------


def _of_checkpoints(run: Run, seed: int) -> Noise:
    """At the weights that the run folder has kept, and at the last."""
    problem, path = run._problem, run.out
    assert problem is not None and path is not None
    folder = RunFolder.open(path)
    found = {}
    for entry in folder.entries():
        checkpoint = read_entry(folder.path / entry.name, entry)[0]
        found[checkpoint.step] = flatten(with_leaves(run.model, checkpoint.weights))[0]
    found[run.steps] = flatten(run.model)[0]
    history = run.history
    places = sorted(found.items())
    at = [min(max(step - 1, 0), len(history) - 1) for step, _ in places]
    meter = _Meter.of(run.model, problem.loss, problem.data, seed)
    made = [
        meter.at(leaves, int(history.batch[k]), float(history.learning_rate[k]))
        for (_, leaves), k in zip(places, at, strict=True)
    ]
    source = f"measured at {len(places)} kept checkpoints"
    return _collected([step for step, _ in places], made, meter, source, problem.optimizer)


def _of_descent(
    model: Any, rest: tuple[Any, ...], optimizer: Any, batch: int | None, epochs: int, seed: int
) -> Noise:
    given(model, rest)  # says what is wrong
    loss, data = rest
    watched = Watched(model, loss, data, optimizer, batch, epochs, seed)
    meter = _Meter.of(model, loss, data, seed)
    rates = np.atleast_2d(optimizer.learning_rates(np.arange(watched.steps), watched.steps).T)[0]
    steps, made = [], []
    for step in _places(watched.steps):
        found = watched.to(step)
        if not all(np.isfinite(values).all() for values in found.values()):
            raise TrainingError(
                f"noise: the loss became {found['loss'][-1]} at step {watched.done}",
                "a lower learning rate: cr.range_test suggests one",
            )
        rate = float(rates[min(step, watched.steps - 1)])
        steps.append(step)
        made.append(meter.at(watched.leaves(), watched.batch, rate))
    return _collected(
        steps, made, meter, f"measured at {len(steps)} places of the descent", optimizer
    )


def _places(updates: int) -> list[int]:
    """The beginning, and then in growing distances to the end."""
    later = np.geomspace(1, max(updates, 1), _PLACES - 1)
    return sorted({0, *(round(k) for k in later)})


@dataclass(frozen=True, eq=False)
class _Meter:
    """Measures the gradient and its noise at any weights, over a part of the rows if many."""

    objective: Objective
    rows: int
    seed: int

    @classmethod
    def of(cls, model: Any, loss: Any, data: tuple[Any, ...], seed: int) -> _Meter:
        every = take_examples(data, dtype_of(model))
        return cls(Objective(loss, model, sample(every, _ROWS, seed)), every.rows, seed)

    def at(self, leaves: Sequence[np.ndarray], batch: int, rate: float) -> tuple[float, ...]:
        """(loss, |G|², tr Σ, b, rate, gain, harm) at these weights."""
        value, gradient = self.objective.value_and_gradient(leaves)
        slope = self.objective.flat(gradient)
        size = min(batch, _DRAWN, max(1, self._held // 2))
        noises = self._noises(leaves, slope, size)
        left = 1 - size / self._held
        square = float(np.mean([xi @ xi for xi in noises])) if noises else 0.0
        trace = square * size / left if left else 0.0
        bends = [xi @ self._bent(leaves, xi) for xi in noises[:_LEAST]]
        # The batches that were drawn may be smaller than those of the steps: the noise is scaled.
        scale = trace / batch * max(1 - batch / self.rows, 0.0) / square if square else 0.0
        harm = rate**2 / 2 * float(np.mean(bends)) * scale if bends else 0.0
        gain = -rate * float(slope @ slope) + rate**2 / 2 * float(slope @ self._bent(leaves, slope))
        return value, float(slope @ slope), trace, float(batch), rate, gain, harm

    @property
    def _held(self) -> int:
        return self.objective.examples.rows

    def _bent(self, leaves: Sequence[np.ndarray], v: np.ndarray) -> np.ndarray:
        objective = self.objective
        return objective.flat(objective.hvp(leaves, objective.unflat(v)))

    def _noises(
        self, leaves: Sequence[np.ndarray], slope: np.ndarray, size: int
    ) -> list[np.ndarray]:
        """The gradients of batches drawn anew, less that over all rows."""
        if self._held < 2:
            return []
        objective, rng = self.objective, np.random.default_rng(self.seed)
        found = []
        for _ in range(max(_LEAST, min(_MOST, _NUMBERS // objective.size))):
            chosen = np.sort(rng.permutation(self._held)[:size])
            drawn = objective.on(rows_of(objective.examples, chosen)).gradient(leaves)
            found.append(objective.flat(drawn) - slope)
        return found


def _collected(
    steps: Sequence[int], made: Sequence[tuple[float, ...]], meter: _Meter, source: str,
    optimizer: Any,
) -> Noise:  # fmt: skip
    loss, signal, variance, batch, rate, gain, harm = np.array(made, np.float64).T
    rule = rule_of(optimizer)
    if not (rule.kind == "gradient" and rule.momentum == 0 and rule.weight_decay == 0):
        gain, harm = np.full_like(gain, math.nan), np.full_like(harm, math.nan)
    if meter.objective.examples.rows < meter.rows:
        source += f", on {meter.objective.examples.rows:,} of {meter.rows:,} rows"
    return Noise(
        np.asarray(steps, np.float64), loss, signal, variance, batch, rate, gain, harm, meter.rows,
        source, getattr(meter.objective.loss, "unit", ""),
    )  # fmt: skip
