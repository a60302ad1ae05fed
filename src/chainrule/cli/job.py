"""A training job: the table, prepared, the setup, and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from chainrule.cli import names
from chainrule.cli.large import (
    Told,
    by_itself,
    check_streamed,
    load_large,
    memory_for,
    remove,
    rows_of,
    size_of,
)
from chainrule.cli.metrics import resolved
from chainrule.cli.options import TrainOptions
from chainrule.cli.rates import with_rate
from chainrule.cli.setup import Setup, choose
from chainrule.cli.source import STDIN, Source, load, stem, with_options
from chainrule.cli.terms import network_target, terms_of
from chainrule.data.checks.finding import Finding
from chainrule.data.checks.front import preflight
from chainrule.data.extras import need
from chainrule.data.files import as_paths
from chainrule.data.infer import KEPT_AS_TEXT
from chainrule.data.large import prepare_large
from chainrule.data.prepare import Part, Prepared, prepare, with_target
from chainrule.data.spool import Spool
from chainrule.data.stream import Stream
from chainrule.data.values import is_number
from chainrule.runs.folder import RunFolder, check_free

Say: TypeAlias = Callable[[str], object]


def nothing(_: str) -> None:
    """Show nothing."""


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
class LargeRows:
    """The rows of a table that is larger than memory.

    Fields:
        spool: where they lie encoded.
        stream: the same, as they are read.
    """

    spool: Spool
    stream: Stream


@dataclass(frozen=True, slots=True)
class Job:
    """All that a descent needs.

    Fields:
        out: where the run lies or will lie.
        resumes: whether the run is there already and continues.
        begun: epochs that the run had before it was given more; 0 where it was not.
        rows: of a table that is larger than memory; ``prepared`` is a sample then.
        checks: what the pre-flight check of the table found; none of a run that continues.
    """

    options: TrainOptions
    source: Source
    prepared: Prepared
    setup: Setup
    out: Path
    resumes: bool
    clock: Clock
    begun: int = 0
    rows: LargeRows | None = None
    checks: tuple[Finding, ...] = ()

    @property
    def learned(self) -> Any:
        """The rows to learn from, as ``cr.train`` takes them."""
        return self.rows.stream if self.rows else self.arrays(self.prepared.train)

    def arrays(self, part: Part, setup: Setup | None = None) -> tuple[Any, Any]:
        """Rows as the network and its loss take them: x (n, width), y (n,)."""
        terms = (setup or self.setup).terms
        return part.x, network_target(terms, self.prepared.schema.target, part.y)

    def with_rate(self, setup: Setup) -> Setup:
        """A setup with its learning rate, chosen if it is automatic."""
        if self.options.learning_rate is not None:
            return setup
        few = replace(setup, batch=min(setup.batch, len(self.prepared.train)))
        with self.clock.measure("learning rate"):
            found = with_rate(few, self.arrays(self.prepared.train))
        return replace(found, batch=setup.batch)

    def config(self) -> dict[str, object]:
        """What the run folder keeps as its configuration."""
        options = {name: getattr(self.options, name) for name in TrainOptions.__dataclass_fields__}
        path = self.source.path
        data: dict[str, object] = {"path": STDIN if str(path) == STDIN else str(path.absolute())}
        data["sha256"] = self.source.sha256
        if self.rows:
            data["sample"] = str(self.rows.spool.sample.bound)
            data["memory"] = self.options.memory
        return {
            "data": {"name": self.source.name, "rows": self.prepared.rows, **data},
            "options": {**options, "target": self.prepared.schema.target.name},
            "setup": self.setup.to_json(),
            "schema": self.prepared.schema.to_json(),
        }


def new_job(options: TrainOptions, say: Say = nothing) -> Job:
    """The job of a run that begins.

    Args:
        options: what is asked for.
        say: shows a line about what takes long.

    Raises:
        ChainruleError: something in the input is wrong; nothing has been written.
    """
    if options.out is not None:
        check_free(options.out)
    clock = Clock()
    asked = options
    if options.memory is None:
        options = replace(options, memory=memory_for(options.data))
    if options.memory is not None:
        check_streamed(options)
    out = options.out or _next_free(Path("runs"), stem(as_paths(options.data)[0]))
    with _undone(options, out):
        source, prepared, rows = read_and_prepare(options, out, clock, say)
        setup = choose(options, prepared, rows.stream.rows if rows else 0)
        if options.metric:
            resolved(options.metric, setup.terms)
    if options.memory is not None and asked.memory is None:
        source = replace(source, notes=(*source.notes, by_itself(options.memory)))
    with clock.measure("check"):
        found = preflight(source.table, prepared.schema.target.name, prepared=prepared)
    return Job(options, source, prepared, setup, out, False, clock, rows=rows, checks=tuple(found))


def read_and_prepare(
    options: TrainOptions, out: Path, clock: Clock, say: Say = nothing
) -> tuple[Source, Prepared, LargeRows | None]:
    """The table that the options name, what becomes of it, and its rows where it is large."""
    text = tuple(name for name, rule in options.rules.items() if rule in KEPT_AS_TEXT)
    if options.memory is not None:
        return _large(options, out, text, clock, say)
    source = with_options(load(options.data, text), options.target, options.drop)
    clock.add("read", source.seconds)
    with clock.measure("load scikit-learn"):
        need("sklearn.model_selection")
    with clock.measure("prepare"):
        prepared = prepare(source.table, source.target or "", **_asked(options, source))
    return source, prepared, None


def _large(
    options: TrainOptions, out: Path, text: tuple[str, ...], clock: Clock, say: Say
) -> tuple[Source, Prepared, LargeRows]:
    """The same of a table that is larger than memory."""
    assert options.memory is not None
    memory, folder = options.memory, spool_of(options, out)
    size = size_of(options.data)
    first, second = Told(say, "drawing a sample", size), Told(say, "encoding", size)
    source, spool = load_large(options.data, folder, memory, options.seed, text, first)
    source = with_options(source, options.target, options.drop)
    clock.add("read", source.seconds)
    with clock.measure("load scikit-learn"):
        need("sklearn.model_selection")
    with clock.measure("prepare"):
        asked = _asked(options, source)
        prepared = prepare_large(spool, source.target or "", memory, **asked)
        terms = terms_of(options.loss, options.quantile, prepared.schema.target, prepared.train.y)
    with clock.measure("encode"):
        stream, prepared = rows_of(spool, prepared, terms, memory, second)
    return replace(source, table=spool.sample.table), prepared, LargeRows(spool, stream)


def _asked(options: TrainOptions, source: Source) -> dict[str, Any]:
    """How a table is to be prepared."""
    return {
        "task": _task(options, source), "drop": source.drop, "rules": options.rules,
        "scale": options.scale, "embed": True, "seed": options.seed,
    }  # fmt: skip


def spool_of(options: TrainOptions, out: Path) -> Path:
    """The folder in which a large table lies encoded."""
    return options.spool or out.with_name(f".{out.name}.spool")


@contextmanager
def spooled(job: Job) -> Iterator[None]:
    """Delete what was encoded for a run alone, but where the run can go on with it."""
    mine = job.rows is not None and job.options.spool is None
    try:
        yield
    finally:
        if mine and not _goes_on(job.out):
            remove(spool_of(job.options, job.out))


def _goes_on(out: Path) -> bool:
    """Whether there is a run that has not ended."""
    if not (out / "state.json").exists():
        return False
    checkpoint = RunFolder.open(out).read_checkpoint()
    return checkpoint is not None and checkpoint.status not in ("completed", "early_stopping")


@contextmanager
def _undone(options: TrainOptions, out: Path) -> Iterator[None]:
    """Delete what was encoded for a run that does not begin."""
    try:
        yield
    except BaseException:
        if options.memory is not None and options.spool is None:
            remove(spool_of(options, out))
            with suppress(OSError):
                out.parent.rmdir()
        raise


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
