"""A training job: the table, prepared, the setup, and the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainrule.cli import names
from chainrule.cli.metrics import resolved
from chainrule.cli.options import TrainOptions
from chainrule.cli.rates import with_rate
from chainrule.cli.setup import Setup, choose
from chainrule.cli.source import Source, load, with_options
from chainrule.cli.terms import network_target
from chainrule.data.extras import need
from chainrule.data.infer import KEPT_AS_TEXT
from chainrule.data.prepare import Part, Prepared, prepare, with_target
from chainrule.data.values import is_number
from chainrule.runs.folder import check_free


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds by what they were spent on, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time of a block under ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Add seconds under ``name``."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


@dataclass(frozen=True, slots=True)
class Job:
    """All that a descent needs.

    Fields:
        out: where the run lies or will lie.
        resumes: whether the run is there already and continues.
        begun: epochs that the run had before it was given more; 0 where it was not.
    """

    options: TrainOptions
    source: Source
    prepared: Prepared
    setup: Setup
    out: Path
    resumes: bool
    clock: Clock
    begun: int = 0

    def arrays(self, part: Part, setup: Setup | None = None) -> tuple[Any, Any]:
        """Rows as the network and its loss take them: x (n, width), y (n,)."""
        terms = (setup or self.setup).terms
        return part.x, network_target(terms, self.prepared.schema.target, part.y)

    def with_rate(self, setup: Setup) -> Setup:
        """A setup with its learning rate, chosen if it is automatic."""
        if self.options.learning_rate is not None:
            return setup
        with self.clock.measure("learning rate"):
            return with_rate(setup, self.arrays(self.prepared.train))

    def config(self) -> dict[str, object]:
        """What the run folder keeps as its configuration."""
        options = {name: getattr(self.options, name) for name in TrainOptions.__dataclass_fields__}
        data = {"path": str(self.source.path.absolute()), "sha256": self.source.sha256}
        return {
            "data": {"name": self.source.name, "rows": self.prepared.rows, **data},
            "options": {**options, "target": self.prepared.schema.target.name},
            "setup": self.setup.to_json(),
            "schema": self.prepared.schema.to_json(),
        }


def new_job(options: TrainOptions) -> Job:
    """The job of a run that begins.

    Raises:
        ChainruleError: something in the input is wrong; nothing has been written.
    """
    if options.out is not None:
        check_free(options.out)
    clock = Clock()
    source, prepared = read_and_prepare(options, clock)
    setup = choose(options, prepared)
    if options.metric:
        resolved(options.metric, setup.terms)
    out = options.out or _next_free(Path("runs"), source.name)
    return Job(options, source, prepared, setup, out, False, clock)


def read_and_prepare(options: TrainOptions, clock: Clock) -> tuple[Source, Prepared]:
    """The table that the options name, and what becomes of it."""
    text = [name for name, rule in options.rules.items() if rule in KEPT_AS_TEXT]
    source = with_options(load(options.data, text), options.target, options.drop)
    clock.add("read", source.seconds)
    with clock.measure("load scikit-learn"):
        need("sklearn.model_selection")
    with clock.measure("prepare"):
        prepared = prepare(
            source.table,
            source.target or "",
            task=_task(options, source),
            drop=source.drop,
            rules=options.rules,
            scale=options.scale,
            embed=True,
            seed=options.seed,
        )
    return source, prepared


def _task(options: TrainOptions, source: Source) -> str:
    """The task asked for; a loss of numbers says that a few whole numbers are counts."""
    if options.task != "auto" or options.loss not in names.REGRESSION_LOSSES:
        return options.task
    name = source.target or ""
    kept, _ = with_target(source.table, name)
    is_counted = is_number(kept[name].type) and len(kept[name].unique()) > 2
    return "regression" if is_counted else "auto"


def _next_free(folder: Path, name: str) -> Path:
    n = 1
    while (folder / f"{name}-{n}").exists():
        n += 1
    return folder / f"{name}-{n}"
