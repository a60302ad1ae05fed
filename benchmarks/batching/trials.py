"""One descent by one scheme, and a file that remembers those that are done."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from benchmarks.batching.images import Images
from benchmarks.batching.schemes import SCHEMES, Plan
from chainrule import losses, nn
from chainrule.errors import TrainingError

#: Images of the training files that choose the learning rate.
HELD_OUT = 10_000


@dataclass(frozen=True)
class Trial:
    """What decides the result, but for the scheme's own settings.

    ``searches``: trained without the held-out images and scored on them; else trained on all and
    scored on the test images.
    """

    network: tuple[int, ...]
    momentum: float
    scheme: str
    rate: float
    seed: int
    epochs: int
    searches: bool

    def data(self, images: tuple[Images, Images]) -> tuple[Images, Images]:
        """What to train with, and what to score."""
        train, test = images
        kept = len(train.y) - HELD_OUT
        if self.searches:
            return train.rows(0, kept), train.rows(kept, len(train.y))
        return train, test


@dataclass(frozen=True)
class Outcome:
    """One number per epoch in each list; no numbers where the loss became NaN."""

    accuracy: Sequence[float] = ()
    loss: Sequence[float] = ()
    updates: Sequence[int] = ()
    examples: Sequence[int] = ()
    seconds: Sequence[float] = ()
    batch: Sequence[int] = ()
    rate: Sequence[float] = ()
    decisions: Sequence[dict[str, Any]] = ()

    @property
    def final(self) -> float:
        """The share that is right at the end; 0 for a descent that diverged."""
        return self.accuracy[-1] if self.accuracy else 0.0

    def reached(self, target: float) -> int | None:
        """The first epoch, from 0, at whose end so much was right."""
        return next((k for k, right in enumerate(self.accuracy) if right >= target), None)


class Scores:
    """A callback that scores at the end of each epoch, and leaves its own time out of the seconds.

    With one thread they are the processor's, the same whatever else the machine does. The first
    chunk's, from before the first call, are the clock's.
    """

    def __init__(self, scored: Images, threads: int) -> None:
        self.scored = scored
        self.read = time.process_time if threads == 1 else time.perf_counter
        self.accuracy: list[float] = []
        self.seconds: list[float] = []
        self._total, self._mark = 0.0, -1.0

    def __call__(self, progress: cr.Progress) -> None:
        if self._mark < 0:
            self._total, self._mark = progress.seconds, self.read()
        if progress.epoch_end:
            self._total += self.read() - self._mark
            self.seconds.append(self._total)
            best = np.argmax(progress.model()(self.scored.x), axis=1)
            self.accuracy.append(float(np.mean(best == self.scored.y)))
            self._mark = self.read()


def descend(trial: Trial, images: tuple[Images, Images], threads: int) -> Outcome:
    """Train. The seconds are of the descent alone: no compiling, no scoring."""
    train, scored = trial.data(images)
    optimizer, batch = _made(trial, len(train.y))
    model, scores = nn.MLP(list(trial.network), rng=trial.seed), Scores(scored, threads)
    try:
        run = cr.train(
            model, losses.cross_entropy, train.pair, optimizer=optimizer, batch=batch,
            epochs=trial.epochs, seed=trial.seed, threads=threads, callbacks=[scores],
            validation=scored.rows(0, 1).pair,  # so that a report stands at each epoch's end
        )  # fmt: skip
    except TrainingError as error:
        if "loss" not in error.message:
            raise
        return Outcome()
    history, epochs = run.history, run.history.epochs
    shown = ("step", "epoch", "batch", "rate", "average", "rule", "reason")
    return Outcome(
        accuracy=scores.accuracy,
        loss=[epoch["loss"] for epoch in epochs],
        updates=[epoch["step"] for epoch in epochs],
        examples=[int(history.batch[: epoch["step"]].sum()) for epoch in epochs],
        seconds=scores.seconds,
        batch=[epoch["batch"] for epoch in epochs],
        rate=[epoch["learning_rate"] for epoch in epochs],
        decisions=[{name: decision[name] for name in shown} for decision in history.decisions],
    )


def _made(trial: Trial, rows: int) -> tuple[Any, Any]:
    return SCHEMES[trial.scheme].make(Plan(trial.rate, trial.momentum, trial.epochs, rows))


class Bench:
    """Runs trials; those that a file holds already are read from it."""

    def __init__(self, images: tuple[Images, Images], threads: int, file: Path | None):
        self.images, self.threads, self.file = images, threads, file
        self._done = dict(self._read())

    def run(self, trial: Trial) -> Outcome:
        """The outcome, and a line on what was done."""
        key = self._key(trial)
        if key not in self._done:
            self._done[key] = outcome = descend(trial, self.images, self.threads)
            self._note(key, outcome)
            print(_line(trial, outcome), flush=True)
        return self._done[key]

    def _key(self, trial: Trial) -> str:
        """Everything that decides the outcome: the scheme's settings as they are now too."""
        rows = len(trial.data(self.images)[0].y)
        settings = [repr(part) for part in _made(trial, rows)]
        return json.dumps({**asdict(trial), "settings": settings})

    def _read(self) -> Iterator[tuple[str, Outcome]]:
        if self.file is not None and self.file.exists():
            for line in self.file.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                yield record["key"], Outcome(**record["outcome"])

    def _note(self, key: str, outcome: Outcome) -> None:
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "outcome": asdict(outcome)}) + "\n")


def _line(trial: Trial, outcome: Outcome) -> str:
    of = "held out" if trial.searches else "test"
    end = (
        f"{outcome.final:.4f} of {of}, {outcome.seconds[-1]:.1f} s" if outcome.loss else "diverged"
    )
    return f"{SCHEMES[trial.scheme].title}, rate {trial.rate:g}, seed {trial.seed}: {end}"
