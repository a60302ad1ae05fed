"""A training job: the table, prepared, the setup, and the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from chainrule.cli import names
from chainrule.cli.metrics import resolved
from chainrule.cli.options import TrainOptions, spelled_option
from chainrule.cli.rates import with_rate
from chainrule.cli.setup import Setup, choose
from chainrule.cli.source import Source, load, with_options
from chainrule.cli.terms import network_target
from chainrule.data.extras import need
from chainrule.data.prepare import Part, Prepared, prepare, with_target
from chainrule.data.values import is_number
from chainrule.data.words import count
from chainrule.errors import RunError
from chainrule.runs.folder import RunFolder, check_free, plain

#: Options that may differ when a run is continued: none of them changes a number.
FREE: Final = frozenset(
    {
        "data", "threads", "out", "resume", "max_time", "keep", "checkpoint_every", "tensorboard",
        "diagnose", "profile",
    }
)  # fmt: skip
#: Of those, what holds for one command alone and is not remembered.
_ONCE: Final = frozenset({"data", "threads", "out", "resume", "max_time"})


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
    """

    options: TrainOptions
    source: Source
    prepared: Prepared
    setup: Setup
    out: Path
    resumes: bool
    clock: Clock

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
        data = {"path": str(self.source.path), "sha256": self.source.sha256}
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
    source, prepared = _read_and_prepare(options, clock)
    setup = choose(options, prepared)
    if options.metric:
        resolved(options.metric, setup.terms)
    out = options.out or _next_free(Path("runs"), source.name)
    return Job(options, source, prepared, setup, out, False, clock)


def resumed_job(options: TrainOptions, explicit: frozenset[str]) -> Job:
    """The job of a run that continues in ``options.out``.

    Raises:
        RunError: it is complete, was begun with other options or another table, or is no run.
    """
    out = options.out or Path()
    folder = RunFolder.open(out)
    _check_unfinished(folder)
    config = folder.config
    if not {"options", "setup", "data"} <= config.keys():
        raise RunError(f"{out}: not a run of `chainrule train`; continue it with cr.train")
    _check_options(out, config["options"], options, explicit)
    clock = Clock()
    stored = _stored_options(config["options"], options, explicit)
    source, prepared = _read_and_prepare(stored, clock)
    _check_same_table(folder, config["data"], source, prepared)
    setup = replace(Setup.from_json(config["setup"]), threads=options.threads)
    return Job(stored, source, prepared, setup, out, True, clock)


def _read_and_prepare(options: TrainOptions, clock: Clock) -> tuple[Source, Prepared]:
    source = with_options(load(options.data), options.target, options.drop)
    clock.add("read", source.seconds)
    with clock.measure("load scikit-learn"):
        need("sklearn.model_selection")
    with clock.measure("prepare"):
        prepared = prepare(
            source.table,
            source.target or "",
            task=_task(options, source),
            drop=source.drop,
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


def _check_unfinished(folder: RunFolder) -> None:
    checkpoint = folder.read_checkpoint()
    if checkpoint is None or checkpoint.status not in ("completed", "early_stopping"):
        return
    epochs, early = count(len(checkpoint.epochs), "epoch"), checkpoint.status == "early_stopping"
    more = "another --patience" if early else "more --epochs"
    raise RunError(
        f"{folder.path}: this run is complete ({epochs}{', stopped early' if early else ''})",
        hint=f"chainrule evaluate {folder.path} DATA; or a new run with {more}",
    )


def _check_options(
    out: Path, stored: dict[str, Any], options: TrainOptions, explicit: frozenset[str]
) -> None:
    for name in sorted((explicit & stored.keys()) - FREE):
        asked = plain(getattr(options, name))
        if asked != stored[name]:
            option = spelled_option(name)
            raise RunError(
                f"{out}: this run was begun with {option} {_shown(stored[name])}, not "
                f"{_shown(asked)}",
                hint=f"leave {option} out to continue it, or begin a new run with another --out",
            )


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value) or "none"
    return "auto" if value is None else str(value)


def _stored_options(
    stored: dict[str, Any], options: TrainOptions, explicit: frozenset[str]
) -> TrainOptions:
    new = _ONCE | (FREE & explicit)
    fixed: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in stored.items() if k not in new
    }
    if fixed.get("tensorboard"):
        fixed["tensorboard"] = Path(fixed["tensorboard"])
    return replace(options, **fixed)


def _check_same_table(
    folder: RunFolder, data: dict[str, Any], source: Source, prepared: Prepared
) -> None:
    if source.sha256 != data.get("sha256"):
        raise RunError(
            f"{source.path}: not the table that the run {folder.path} was begun with",
            hint=f"it was {data.get('path')}",
        )
    if plain(prepared.schema.to_json()) != folder.read_json("schema.json"):
        raise RunError(
            f"{folder.path}: this version of Chainrule prepares the table in another way",
            hint="begin a new run with another --out",
        )
