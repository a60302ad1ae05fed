"""Two runs side by side: what differed, and the first step at which their losses part.

Everything is read from the run folders; nothing is computed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import RunError
from chainrule.runs.checkpoints import Checkpoint
from chainrule.runs.differences import Difference, differences
from chainrule.runs.folder import RunFolder
from chainrule.runs.json_files import plain

#: Relative distance beyond which two losses differ by more than their rounding: so many times the
#: spacing of the parameters' floating-point numbers. A sum in another order moves a loss by a few.
_SPACINGS: Final = 100
#: What of an epoch's record is the clock's and not the descent's.
_CLOCK: Final = frozenset({"seconds"})
Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Divergence:
    """A step at which two runs differ.

    Attributes:
        step: its number, from 1. epoch: the one that it is in, from 1, of the first run.
        loss, learning_rate, batch: of that step, of each run.
    """

    step: int
    epoch: int
    loss: tuple[float, float]
    learning_rate: tuple[float, float]
    batch: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs have in common, and what not; printed, it is a summary in words.

    Attributes:
        paths: the two run folders.
        identical: whether losses, rates, batches, epochs and weights are the same, bit for bit.
        differences: what was asked for, prepared or used otherwise.
        steps: updates recorded, of each run.
        first: the first step whose loss differs in any bit; None where those that both have agree.
        beyond_rounding: the first whose losses differ by more than rounding.
        rate, batch: the number of the first step whose learning rate or batch differs, or None.
        weights: the largest difference of a weight; None where they are not of the same shapes.
        results: by name, of each run; None where a run has none.
        curves: by name (loss, validation_loss, metrics), one number per epoch of each run.
    """

    paths: tuple[Path, Path]
    identical: bool
    differences: tuple[Difference, ...]
    steps: tuple[int, int]
    first: Divergence | None
    beyond_rounding: Divergence | None
    rate: int | None
    batch: int | None
    weights: float | None
    results: Mapping[str, tuple[Any, Any]]
    curves: Mapping[str, tuple[Sequence[float | None], Sequence[float | None]]]

    @property
    def verdict(self) -> str:
        """Whether and where the two runs part, in a sentence."""
        if self.identical:
            return f"identical bit for bit: {self.steps[0]:,} steps, and all weights"
        if self.first is None:
            return self._same_losses()
        step = f"step {self.first.step:,} (epoch {self.first.epoch:,})"
        beyond = self.beyond_rounding
        if beyond is None:
            more = "all of it is rounding"
        elif beyond.step == self.first.step:
            more = "by more than rounding"
        else:
            more = f"by more than rounding from step {beyond.step:,} (epoch {beyond.epoch:,})"
        return f"the losses differ from {step} on, {more}; {self._before()}"

    def _same_losses(self) -> str:
        both = min(self.steps)
        if self.steps[0] != self.steps[1]:
            return f"the losses of the {both:,} steps that both have are the same bits"
        what = "the weights are not of the same shapes" if self.weights is None else "weights"
        if self.weights:
            what = f"the weights differ by up to {self.weights:.3g}"
        if self.weights == 0:
            what = "so are the weights; rates, batches or scores differ"
        return f"the losses of all {both:,} steps are the same bits; {what}"

    def _before(self) -> str:
        assert self.first is not None
        found = []
        for name, step in (("learning rate", self.rate), ("batch", self.batch)):
            if step is not None and step <= self.first.step:
                found.append(f"the {name} differed at step {step:,}")
        return " and ".join(found) or "until then rates and batches are the same"

    def to_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("first", "beyond_rounding"):
            found[name] = None if found[name] is None else asdict(found[name])
        found["differences"] = [asdict(difference) for difference in self.differences]
        made = plain({"verdict": self.verdict, **found})
        assert isinstance(made, dict)
        return made

    def __str__(self) -> str:
        said = [f"{difference.group}: {difference}" for difference in self.differences]
        return "\n".join([f"{self.paths[0]} and {self.paths[1]}: {self.verdict}", *said])


def compare(a: Any, b: Any) -> Comparison:
    """What differed between two runs, and the first step at which they part.

    Args:
        a: a run folder, or what ``cr.train(..., out=...)`` gave.
        b: the other one.

    Returns:
        A ``Comparison``: ``print`` it, or ask for ``first``, ``differences``, ``results``.

    Raises:
        RunError: one is no run, has no checkpoint yet, is damaged, or was not kept.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import chainrule as cr
        >>> def loss(p, x):
        ...     return np.mean((p - x) ** 2)
        >>> place = tempfile.TemporaryDirectory()
        >>> for name, seed in (("a", 0), ("b", 1)):
        ...     run = cr.train(np.zeros(()), loss, (np.arange(8.0),), batch=2, epochs=2, seed=seed,
        ...                    out=f"{place.name}/{name}")
        >>> found = cr.compare(f"{place.name}/a", f"{place.name}/b")
        >>> found.first.step, found.rate, [str(d) for d in found.differences]
        (1, None, ['seed 0, 1'])
        >>> place.cleanup()
    """
    one, two = _opened(a), _opened(b)
    kept = one[1], two[1]
    records = [checkpoint.record for checkpoint in kept]
    ends = [int(epoch["step"]) for epoch in kept[0].epochs]
    same_weights = _same_arrays(kept[0].weights, kept[1].weights)
    same_epochs = _without_clock(kept[0]) == _without_clock(kept[1])
    return Comparison(
        paths=(one[0].path, two[0].path),
        identical=same_weights and same_epochs and _same_arrays(*records),
        differences=tuple(differences(one[0], two[0])),
        steps=(_steps(records[0]), _steps(records[1])),
        first=_divergence(records, ends, _first(records, "loss")),
        beyond_rounding=_divergence(records, ends, _first(records, "loss", _rounding(kept))),
        rate=_number(_first(records, "learning_rate")),
        batch=_number(_first(records, "batch")),
        weights=_distance(kept[0].weights, kept[1].weights),
        results=_results(one, two),
        curves=dict(_curves(kept)),
    )


def _opened(run: Any) -> tuple[RunFolder, Checkpoint]:
    path = run if isinstance(run, str | Path) else getattr(run, "out", None)
    if path is None:
        raise RunError(
            f"compare: {run!r:.80} is no run folder, and no run that was kept in one",
            'name a folder, or train with out="runs/first"',
        )
    folder = RunFolder.open(Path(path))
    checkpoint = folder.read_checkpoint()
    if checkpoint is None:
        raise RunError(f"{folder.path}: this run has no checkpoint yet", "wait for its first")
    return folder, checkpoint


# -- steps -----------------------------------------------------------------------------------------


def _steps(record: Mapping[str, Numbers]) -> int:
    return len(record.get("loss", ()))


def _first(
    records: Sequence[Mapping[str, Numbers]], name: str, tolerance: float | None = None
) -> int | None:
    """The index of the first step that both have and at which a quantity differs."""
    if any(name not in record for record in records):
        return None
    both = min(len(record[name]) for record in records)
    a, b = (np.asarray(record[name][:both]) for record in records)
    where = np.flatnonzero(_differ(a, b) if tolerance is None else _far(a, b, tolerance))
    return int(where[0]) if len(where) else None


def _differ(a: Numbers, b: Numbers) -> NDArray[np.bool_]:
    """Where the bits differ; a NaN is as any other NaN."""
    if a.dtype.kind != "f":
        return np.asarray(a != b)
    signs = np.signbit(a) != np.signbit(b)
    return np.asarray(((a != b) | signs) & ~(np.isnan(a) & np.isnan(b)))


def _far(a: Numbers, b: Numbers, tolerance: float) -> NDArray[np.bool_]:
    """Where two numbers differ by more than a share of the larger one; infinities by any."""
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= tolerance * np.maximum(np.abs(a), np.abs(b))
    return np.asarray(_differ(a, b) & ~near)


def _rounding(kept: Sequence[Checkpoint]) -> float:
    """The relative distance that rounding explains, by the coarser of the two runs' weights."""
    floats = [x.dtype for run in kept for x in run.weights.values() if x.dtype.kind == "f"]
    return _SPACINGS * max((float(np.finfo(dtype).eps) for dtype in floats), default=0.0)


def _number(index: int | None) -> int | None:
    return None if index is None else index + 1


def _divergence(
    records: Sequence[Mapping[str, Numbers]], ends: Sequence[int], index: int | None
) -> Divergence | None:
    if index is None:
        return None

    def at(name: str, kind: type) -> Any:
        return tuple(kind(record[name][index]) for record in records)

    epoch = int(np.searchsorted(ends, index + 1)) + 1
    return Divergence(
        index + 1, epoch, at("loss", float), at("learning_rate", float), at("batch", int)
    )


# -- weights, epochs, results ----------------------------------------------------------------------


def _same_arrays(a: Mapping[str, Numbers], b: Mapping[str, Numbers]) -> bool:
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype
        and a[name].shape == b[name].shape
        and not _differ(a[name], b[name]).any()
        for name in a
    )


def _distance(a: Mapping[str, Numbers], b: Mapping[str, Numbers]) -> float | None:
    shapes = [{name: x.shape for name, x in weights.items()} for weights in (a, b)]
    if shapes[0] != shapes[1]:
        return None
    wide = ((a[name].astype(np.float64), b[name].astype(np.float64)) for name in a)
    return max((float(np.max(np.abs(x - y), initial=0.0)) for x, y in wide), default=0.0)


def _without_clock(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    return [
        {name: repr(value) for name, value in epoch.items() if name not in _CLOCK}
        for epoch in checkpoint.epochs
    ]


def _curves(kept: Sequence[Checkpoint]) -> Iterator[tuple[str, tuple[list[Any], list[Any]]]]:
    names = dict.fromkeys(name for run in kept for epoch in run.epochs for name in epoch)
    for name in names:
        if name == "loss" or name.startswith("validation_"):
            a, b = ([epoch.get(name) for epoch in run.epochs] for run in kept)
            if any(value is not None for value in (*a, *b)):
                yield name, (a, b)


def _results(
    one: tuple[RunFolder, Checkpoint], two: tuple[RunFolder, Checkpoint]
) -> dict[str, tuple[Any, Any]]:
    a, b = (dict(_result(*run)) for run in (one, two))
    return {name: (a.get(name), b.get(name)) for name in {**a, **b}}


def _result(folder: RunFolder, checkpoint: Checkpoint) -> Iterator[tuple[str, Any]]:
    """How a run ended, and what it is worth."""
    yield "status", checkpoint.status
    yield "steps", checkpoint.step
    yield "epochs", len(checkpoint.epochs)
    if checkpoint.epochs:
        last = checkpoint.epochs[-1]
        shown = [name for name in last if name == "loss" or name.startswith("validation_")]
        yield from ((name, last[name]) for name in shown if last[name] is not None)
    if checkpoint.best is not None:
        yield "best", checkpoint.best.value
    if (folder.path / "result.json").is_file():
        test = folder.read_json("result.json").get("test")
        network = test.get("network") if isinstance(test, dict) else None
        for name, value in (network or {}).items():
            yield f"test {name}", value
    seconds = checkpoint.position.get("seconds")
    if seconds is not None:
        yield "seconds", round(float(seconds), 3)
