"""One example, mini-batches and the full batch against each other, with one budget of examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.evaluation.examples import dtype_of, take_examples
from chainrule.evaluation.objective import Objective
from chainrule.explain.landscape.field import given
from chainrule.explain.landscape.sampling_picture import Plane, picture
from chainrule.explain.landscape.watched import Watched
from chainrule.explain.shown import plain, shown, told
from chainrule.explain.words import short
from chainrule.optim import SGD
from chainrule.training.range_test import range_test

Batch: TypeAlias = int | Literal["all"]
#: Passes over the data, where no budget is named.
_PASSES: Final = 20
#: Places at which the loss on all rows is worked out; of two parameters, where the path is drawn.
_LOOKS: Final = 40
_PATH: Final = 400
_GRID: Final = 41
#: Examples of a batch that a learning rate is looked for with, at most.
_TESTED: Final = 1024
_TWO: Final = 2


@dataclass(frozen=True, eq=False)
class Descended:
    """One descent of the comparison.

    Attributes:
        batch: examples of an update.
        name: "one example", "batches of 32", "all 200 rows".
        learning_rate: and ``rule``, how it was chosen.
        steps: updates done at each look, the first at 0.
        examples: examples seen by then, steps times batch.
        losses: on all rows, at each look.
        updates: in all.
        seconds: that the updates took, compilation and looks not counted.
        diverged: whether it ended because the loss was not finite any more.
        path: the two parameters at each look, float64[looks, 2]; None of more or fewer.
    """

    batch: int
    name: str
    learning_rate: float
    rule: str
    steps: np.ndarray
    examples: np.ndarray
    losses: np.ndarray
    updates: int
    seconds: float
    diverged: bool
    path: np.ndarray | None

    @property
    def final(self) -> float:
        """The loss on all rows at the end."""
        return float(self.losses[-1])

    def at(self, examples: float) -> float:
        """The loss on all rows when at most so many examples had been seen."""
        return float(self.losses[np.searchsorted(self.examples, examples, side="right") - 1])

    @property
    def jitter(self) -> float:
        """How far the loss rises again from look to look, over the last half of the examples.

        The root mean square of the rises, 0 for a loss that only falls; NaN where it diverged.
        """
        if self.diverged:
            return math.nan
        late = self.losses[self.examples >= self.examples[-1] / 2]
        rises = np.maximum(np.diff(late), 0.0)
        return math.sqrt(float(np.mean(rises**2))) if len(rises) else 0.0


@dataclass(frozen=True, eq=False)
class Sampling:
    """Descents that differ in how many examples each update sees.

    Attributes:
        descents: one for each size of the batch.
        budget: examples that each may see; of them each makes budget // batch updates.
        rows: of the data.
        unit: of the loss.
        plane: the loss over both parameters, where there are two.
    """

    descents: tuple[Descended, ...]
    budget: int
    rows: int
    unit: str
    plane: Plane | None

    @property
    def best(self) -> Descended:
        """That with the lowest loss at the end."""
        finite = [d for d in self.descents if math.isfinite(d.final)]
        return min(finite or self.descents, key=lambda d: d.final)

    def __str__(self) -> str:
        return told(_lines(self))

    __repr__ = __str__

    def svg(self) -> str:
        """Loss against examples seen; with two parameters, the paths on the contours too."""
        curves = [(d.name, d.examples, d.losses, d.path) for d in self.descents]
        return picture(curves, self.unit, self.rows, self.plane)

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values."""
        kept = {"budget": self.budget, "rows": self.rows, "unit": self.unit}
        return plain({"kind": "sampling", **kept, "descents": list(self.descents)})


def sampling(
    model: Any, loss: Any, data: tuple[Any, ...], *, batches: Sequence[Batch] = (1, 32, "all"),
    budget: int | None = None, learning_rate: float | Sequence[float] | None = None, seed: int = 0,
) -> Sampling:  # fmt: skip
    """Descend with single examples, mini-batches and all rows, each with the same examples to see.

    Every descent is plain gradient descent as ``cr.train`` does it, from the same weights, on a
    fresh permutation of the rows in each epoch.

    Args:
        model: a tree of parameters.
        loss: a ``losses.Loss`` or a function ``loss(params, *data)``.
        data: a tuple of arrays.
        batches: examples of an update, each a number or "all"; larger ones than the data are all.
        budget: examples that each descent may see; None for 20 passes over the data.
        learning_rate: one for all, one for each, or None for ``cr.range_test`` with each batch.
        seed: of the order of the examples.

    Raises:
        TrainingError: an argument outside of its range; the loss is not finite at the beginning.
        DataError: data that do not fit together.

    Source:
        Bottou, Curtis & Nocedal 2018, Optimization Methods for Large-Scale Machine Learning, 3.

    Example:
        >>> x = np.linspace(-1, 1, 64)
        >>> def loss(p, x, y):
        ...     return np.mean((p["w"] * x + p["b"] - y) ** 2)
        >>> start = {"w": np.array(0.0), "b": np.array(0.0)}
        >>> found = sampling(start, loss, (x, 3 * x + 1), learning_rate=0.1, budget=640)
        >>> [(d.name, d.updates) for d in found.descents]
        [('one example', 640), ('batches of 32', 20), ('all 64 rows', 10)]
    """
    given(model, (loss, data))  # says what is wrong
    examples = take_examples(data, dtype_of(model))
    objective = Objective(loss, model, examples)
    sizes = _sizes(batches, examples.rows)
    seen = _budget(budget, examples.rows)
    rates = _rates(learning_rate, len(sizes))
    start = objective.value(objective.leaves)
    if not math.isfinite(start):
        raise TrainingError(
            f"the loss is {start} before the first update; expected a finite number",
            "look for NaN, infinite or very large values in the data and the first weights",
        )
    made = []
    for size, rate in zip(sizes, rates, strict=True):
        chosen = _chosen(model, loss, data, size, rate, seed)
        made.append(_descended(model, loss, data, size, seen, chosen, objective, seed))
    return Sampling(
        tuple(made), seen, examples.rows, getattr(loss, "unit", ""), _plane(objective, made)
    )


def _sizes(batches: Sequence[Batch], rows: int) -> list[int]:
    """Examples of an update, each once, in the order that they were named."""
    given = [batches] if isinstance(batches, int | str) else list(batches)
    sizes = []
    for batch in given:
        is_number = isinstance(batch, int | np.integer) and not isinstance(batch, bool)
        if not (batch == "all" if isinstance(batch, str) else is_number and int(batch) >= 1):
            raise TrainingError(f'batches has {batch!r}; expected whole numbers from 1, or "all"')
        sizes.append(rows if batch == "all" else min(int(batch), rows))
    if not sizes:
        raise TrainingError("batches is empty", 'batches=(1, 32, "all")')
    return list(dict.fromkeys(sizes))


def _budget(budget: int | None, rows: int) -> int:
    if budget is None:
        return _PASSES * rows
    if type(budget) is not int or budget < 1:
        raise TrainingError(f"budget is {budget!r}; expected examples to see, 1 or more")
    return int(budget)


def _rates(rate: float | Sequence[float] | None, count: int) -> list[float | None]:
    if rate is None:
        return [None] * count
    given = [rate] * count if isinstance(rate, int | float | np.number) else list(rate)
    if len(given) != count:
        raise TrainingError(
            f"learning_rate has {len(given)} numbers; expected one for each of {count} batches"
        )
    for one in given:
        if not 0 < one < math.inf:
            raise TrainingError(f"learning_rate is {one!r}; expected a number > 0")
    return [float(one) for one in given]


def _chosen(
    model: Any, loss: Any, data: tuple[Any, ...], size: int, rate: float | None, seed: int
) -> tuple[float, str]:
    if rate is not None:
        return rate, "given"
    found = range_test(model, loss, data, batch=min(size, _TESTED), seed=seed)
    return found.suggestion, "range test"


def _descended(
    model: Any, loss: Any, data: tuple[Any, ...], size: int, budget: int,
    chosen: tuple[float, str], objective: Objective, seed: int,
) -> Descended:  # fmt: skip
    rows = objective.examples.rows
    per_epoch, updates = rows // size, budget // size
    watched = Watched(
        model, loss, data, SGD(chosen[0]), size, max(1, -(-updates // per_epoch)), seed
    )
    is_flat = objective.size == _TWO
    looks = _looks(updates, _PATH if is_flat else _LOOKS, per_epoch)
    diverged, seconds = False, 0.0
    steps, losses, places = [0], [objective.value(objective.leaves)], [objective.leaves]
    for look in looks:
        begin = perf_counter()
        found = watched.to(look)
        seconds += perf_counter() - begin
        leaves = watched.leaves()
        losses.append(objective.value(leaves))
        steps.append(watched.done)
        places.append(leaves)
        diverged = not (np.isfinite(found["loss"]).all() and math.isfinite(losses[-1]))
        if diverged:
            break
    path = np.stack([objective.flat(leaves) for leaves in places]) if is_flat else None
    at = np.asarray(steps)
    return Descended(
        size, _name(size, rows), *chosen, at, at * size, np.asarray(losses), int(at[-1]), seconds,
        diverged, path,
    )  # fmt: skip


def _looks(updates: int, most: int, per_epoch: int) -> list[int]:
    """After how many updates: close together at first, one pass, evenly over the last half."""
    if updates < 1:
        return []
    early = np.geomspace(1, updates, most // 2)
    late = np.linspace(updates / 2, updates, most // 2)
    return sorted({round(k) for k in (*early, *late, per_epoch, updates) if 1 <= k <= updates})


def _name(size: int, rows: int) -> str:
    if size == rows:
        return f"all {rows:,} rows" if rows > 1 else "the one row"
    return "one example" if size == 1 else f"batches of {size:,}"


def _plane(objective: Objective, made: Sequence[Descended]) -> Plane | None:
    """The loss over the two parameters, as far as the paths go."""
    paths = [d.path for d in made if d.path is not None]
    if not paths:
        return None
    places = np.concatenate(
        [path[np.isfinite(d.losses)] for path, d in zip(paths, made, strict=True)]
    )
    low, high = np.percentile(places, 1, axis=0), np.percentile(places, 99, axis=0)
    start = places[0]
    low, high = np.minimum(low, start), np.maximum(high, start)
    pad = 0.15 * np.maximum(high - low, 1e-9 + 1e-3 * np.abs(high))
    sides = [np.linspace(a, b, _GRID) for a, b in zip(low - pad, high + pad, strict=True)]
    grid = np.array([
        [objective.value(objective.unflat(np.array([a, b]))) for a in sides[0]] for b in sides[1]
    ])  # fmt: skip
    names = [n for n, on in zip(objective.names, objective.learned, strict=True) if on]
    return Plane(sides[0], sides[1], grid, _axis_names(names))


def _axis_names(names: Sequence[str]) -> tuple[str, str]:
    return (names[0], names[1]) if len(names) == _TWO else (f"{names[0]}[0]", f"{names[0]}[1]")


# -- in words --------------------------------------------------------------------------------------


def _lines(s: Sampling) -> list[str]:
    unit = f" ({s.unit})" if s.unit else ""
    lines = [
        (
            f"each may see {s.budget:,} examples, {short(s.budget / s.rows)} passes over {s.rows:,}"
            f" rows; loss on all rows{unit}"
        ),
        (
            f"  {'update on':<22}{'rate':>10}{'updates':>10}{'1 pass':>11}{'at end':>11}"
            f"{'rises by':>13}{'seconds':>9}"
        ),
    ]
    for d in s.descents:
        end = "diverged" if d.diverged else short(d.final)
        lines.append(
            f"  {d.name:<22}{short(d.learning_rate, 3):>10}{d.updates:>10,}"
            f"{short(d.at(s.rows), 3):>11}{end:>11}{_known(d.jitter):>13}{d.seconds:>9.2g}"
        )
    lines.append(f"  learning rates: {_rules(s)}")
    return [*lines, *_told(s)]


def _known(x: float) -> str:
    return "—" if math.isnan(x) else short(x, 2)


def _rules(s: Sampling) -> str:
    rules = {d.rule for d in s.descents}
    if rules == {"range test"}:
        return f"of each batch its own, by cr.range_test with at most {_TESTED:,} rows"
    return "as given" if len({d.learning_rate for d in s.descents}) > 1 else "the same for all"


def _told(s: Sampling) -> list[str]:
    """What the lecture says of it, on these numbers."""
    going = [d for d in s.descents if not d.diverged and d.updates]
    if len(going) < _TWO:
        return []
    first, last = min(going, key=lambda d: d.at(s.rows)), min(going, key=lambda d: d.final)
    lines = [f"  after one pass {first.name} is lowest, at the end {last.name}"]
    noisy, calm = max(going, key=lambda d: d.jitter), min(going, key=lambda d: d.jitter)
    if noisy.jitter > 2 * calm.jitter and noisy.jitter > 1e-3 * abs(noisy.final):
        lines.append(
            f"  near the end the loss of {noisy.name} keeps rising by {short(noisy.jitter, 2)},"
            f" that of {calm.name} by {short(calm.jitter, 2)}"
        )
    return lines
