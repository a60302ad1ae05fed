"""The job of a run that goes on: its own options and table, and what may differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from chainrule.cli.job import Clock, Job, Say, nothing, read_and_prepare
from chainrule.cli.options import TrainOptions, spelled_option
from chainrule.cli.setup import Setup
from chainrule.cli.source import STDIN, Source, is_example
from chainrule.data.files import is_there
from chainrule.data.prepare import Prepared
from chainrule.data.schema import Schema
from chainrule.data.words import count
from chainrule.errors import RunError
from chainrule.runs.folder import RunFolder, plain
from chainrule.training.order import Cursor, Place

#: Options that may differ when a run is continued: none of them changes a number.
FREE: Final = frozenset(
    {
        "data", "threads", "out", "resume", "max_time", "keep", "checkpoint_every", "tensorboard",
        "diagnose", "profile", "spool",
    }
)  # fmt: skip
#: Of those, what holds for one command alone and is not remembered.
_ONCE: Final = frozenset({"data", "threads", "out", "resume", "max_time"})
#: Of the options that are stored as text, those that are paths.
_PATHS: Final = ("tensorboard", "spool")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run folder keeps of `chainrule train`: its options, setup and table as plain values.

    Fields:
        epochs: how many have ended.
        status: of the newest checkpoint; "" before the first.
    """

    folder: RunFolder
    options: dict[str, Any]
    setup: dict[str, Any]
    data: dict[str, Any]
    epochs: int
    status: str

    @classmethod
    def open(cls, path: Path) -> Kept:
        """What lies in a run folder.

        Raises:
            RunError: it is no run of `chainrule train`, or is damaged.
        """
        folder = RunFolder.open(path)
        config = folder.config
        found = [config.get(name) for name in ("options", "setup", "data")]
        if not all(isinstance(part, dict) for part in found):
            raise RunError(
                f"{path}: not a run of `chainrule train`: its config.json has no options",
                "go on with it from Python: cr.train(..., resume=True)",
            )
        checkpoint = folder.read_checkpoint()
        stands = (len(checkpoint.epochs), checkpoint.status) if checkpoint else (0, "")
        options, setup, data = (dict(part) for part in found if part is not None)
        return cls(folder, options, setup, data, *stands)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @property
    def asked_epochs(self) -> int:
        """Epochs that the run has in all."""
        return int(self.setup["epochs"])

    def table(self) -> str:
        """The table of the training, as it was called or where it lay.

        Raises:
            RunError: it is not there any more.
        """
        asked, path = str(self.options.get("data")), str(self.data.get("path"))
        for name in (asked, path):
            if is_example(name) or is_there(name):
                return name
        gone = "was piped in" if path == STDIN else f"{path}, is not there any more"
        raise RunError(
            f"{self.path}: the table of this run{'' if path == STDIN else ','} {gone}",
            "--data FILE names it where it lies now",
        )


def resumed_job(options: TrainOptions, explicit: frozenset[str], say: Say = nothing) -> Job:
    """The job of a run that continues in ``options.out``.

    Args:
        options: those that are given, and defaults for all others.
        explicit: the names of those that are given.
        say: shows a line about what takes long.

    Raises:
        RunError: it is complete, was begun with other options or another table, or is no run.
    """
    kept = Kept.open(options.out or Path())
    more = _more_epochs(kept, options, explicit)
    _check_unfinished(kept, more)
    _check_options(kept, options, explicit - {"epochs"})
    clock = Clock()
    stored = _stored_options(kept.options, options, explicit)
    if "data" not in explicit:
        stored = replace(stored, data=kept.table())
    source, prepared, rows = read_and_prepare(stored, kept.path, clock, say)
    _check_same_table(kept, source, prepared)
    setup = replace(Setup.from_json(kept.setup), threads=options.threads)
    begun = setup.epochs if more else 0
    if more:
        stored, setup = replace(stored, epochs=more), _longer(setup, more, prepared)
    return Job(stored, source, prepared, setup, kept.path, True, clock, begun, rows)


def _more_epochs(kept: Kept, options: TrainOptions, explicit: frozenset[str]) -> int:
    """The larger number of epochs that is asked for; 0 if none is."""
    if "epochs" not in explicit or options.epochs == kept.asked_epochs:
        return 0
    if options.epochs < kept.asked_epochs:
        raise RunError(
            f"{kept.path}: this run was begun with --epochs {kept.asked_epochs}, not "
            f"{options.epochs}",
            hint="leave --epochs out to continue it, or begin a new run with another --out",
        )
    return options.epochs


def _longer(setup: Setup, epochs: int, prepared: Prepared) -> Setup:
    """The setup for more epochs; what was planned by the length of the run stays as planned."""
    order = setup.rows_in_order(prepared.train.y)
    steps = Cursor(order, setup.rows, epochs, setup.seed).all_left(Place(), setup.batch)
    span = setup.span
    return replace(
        setup, epochs=epochs, steps=steps, planned_steps=span.steps, planned_epochs=span.epochs
    )


def _check_unfinished(kept: Kept, more: int) -> None:
    early = kept.status == "early_stopping"
    if not early and (more or kept.status != "completed" or kept.epochs < kept.asked_epochs):
        return
    epochs = count(kept.epochs, "epoch")
    new = "; or a new run with another --patience"
    hint = f"chainrule evaluate {kept.path} DATA"
    raise RunError(
        f"{kept.path}: this run is complete ({epochs}{', stopped early' if early else ''})",
        hint=hint + new if early else f"chainrule resume {kept.path} --epochs {2 * kept.epochs}",
    )


def _check_options(kept: Kept, options: TrainOptions, explicit: frozenset[str]) -> None:
    for name in sorted((explicit & kept.options.keys()) - FREE):
        asked, stored = plain(getattr(options, name)), kept.options[name]
        if asked != stored:
            option = spelled_option(name)
            raise RunError(
                f"{kept.path}: this run was begun with {option} {_shown(stored)}, not "
                f"{_shown(asked)}",
                hint=f"leave {option} out to continue it, or begin a new run with another --out",
            )


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value) or "none"
    return "auto" if value is None else str(value)


def _stored_options(
    stored: Mapping[str, Any], options: TrainOptions, explicit: frozenset[str]
) -> TrainOptions:
    """The run's own options; those that hold for one command, and free ones if given, are new."""
    new = _ONCE | (FREE & explicit)
    known = TrainOptions.__dataclass_fields__
    fixed: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in stored.items()
        if name in known and name not in new
    }
    for name in _PATHS:
        if fixed.get(name):
            fixed[name] = Path(fixed[name])
    return replace(options, **fixed)


def _check_same_table(kept: Kept, source: Source, prepared: Prepared) -> None:
    if source.sha256 != kept.data.get("sha256"):
        raise RunError(
            f"{source.path}: not the table that the run {kept.path} was begun with",
            hint=f"it was {kept.data.get('path')}",
        )
    if prepared.schema != Schema.from_json(kept.folder.read_json("schema.json")):
        raise RunError(
            f"{kept.path}: this version of Chainrule prepares the table in another way",
            hint="begin a new run with another --out",
        )
