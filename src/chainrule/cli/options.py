"""The options of `chainrule train`, checked and in their own types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chainrule.cli import names
from chainrule.cli.outcome import OptionError
from chainrule.data.words import listed, nearest
from chainrule.machine.memory import parse_size
from chainrule.nn import ACTIVATIONS
from chainrule.orders.order import Remainder

#: Seconds of each unit that a time may end in.
UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
#: Bytes of the least bound: with less there is nothing to gain.
LEAST_MEMORY: Final = 16_000_000
_KNOWN: Final[Mapping[str, Sequence[str]]] = {
    "task": names.TASKS,
    "scale": names.SCALES,
    "activation": tuple(ACTIVATIONS),
    "loss": names.LOSSES,
    "optimizer": names.OPTIMIZERS,
    "schedule": names.SCHEDULES,
    "average": names.AVERAGES,
    "batch_schedule": names.BATCH_SCHEDULES,
    "order": names.ORDERS,
    "remainder": names.REMAINDERS,
    "on_nan": names.ON_NAN,
}


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What the user asked for.

    ``learning_rate`` None is auto, ``batch`` 0 all rows, ``hidden`` () a linear model; other
    options that are None leave it to what they are an option of. Times are in seconds.
    """

    data: str
    target: str | None
    task: str
    drop: tuple[str, ...]
    column: tuple[str, ...]
    scale: str
    memory: int | None
    spool: Path | None
    hidden: tuple[int, ...]
    activation: str
    loss: str
    quantile: float | None
    optimizer: str
    learning_rate: float | None
    schedule: str
    warmup: int
    momentum: float | None
    weight_decay: float | None
    clip_norm: float | None
    average: str
    batch: int
    batch_schedule: str
    order: str
    remainder: Remainder
    seed: int
    threads: int | None
    epochs: int
    patience: int | None
    max_time: float | None
    on_nan: str
    metric: tuple[str, ...]
    record: tuple[str, ...]
    tensorboard: Path | None
    diagnose: bool
    profile: bool
    out: Path | None
    resume: bool
    keep: int
    checkpoint_every: float

    @property
    def rules(self) -> dict[str, str]:
        """What some columns are to be taken for."""
        pairs = (text.rpartition("=") for text in self.column)
        return {name: rule for name, _, rule in pairs}


def parse_options(given: Mapping[str, Any]) -> TrainOptions:
    """The options as typer gives them, checked.

    Raises:
        OptionError: a value is none of those that the option takes, or two do not go together.
    """
    for name, known in _KNOWN.items():
        _check_known(name, given[name], known)
    values = {name: given[name] for name in TrainOptions.__dataclass_fields__}
    values["hidden"] = _sizes(given["hidden"])
    values["memory"] = checked_memory(given["memory"])
    values["drop"] = _parts(given["drop"])
    values["column"] = _rules(given["column"] or ())
    values["metric"] = tuple(
        dict.fromkeys(m for text in given["metric"] or () for m in _parts(text))
    )
    values["record"] = _measures(given["record"])
    values["learning_rate"] = _rate(given["learning_rate"])
    values["batch"] = _rows(given["batch"])
    for name in ("max_time", "checkpoint_every"):
        values[name] = None if given[name] is None else _seconds(name, given[name])
    options = TrainOptions(**values)
    _check_ranges(options)
    _check_together(options)
    return options


def default_options(ctx: Any) -> dict[str, Any]:
    """The options of `train` as typer gives them where none is typed; ``ctx`` is any command's."""
    return {p.name: p.default for p in train_params(ctx)}


def explicit_names(ctx: Any) -> frozenset[str]:
    """The options that the user gave, typed or in a file, not those left at their defaults."""
    source, given = ctx.get_parameter_source, ("COMMANDLINE", "DEFAULT_MAP")
    return frozenset(n for n in ctx.params if getattr(source(n), "name", "") in given)


def train_params(ctx: Any) -> list[Any]:
    """The parameters of `chainrule train` as typer knows them; ``ctx`` is any command's."""
    return list(ctx.parent.command.get_command(ctx, "train").params)


def spelled_option(name: str) -> str:
    """The option of a field, as it is typed."""
    return "--" + name.replace("_", "-")


# -- what one option may be ------------------------------------------------------------------------


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _sizes(text: str) -> tuple[int, ...]:
    if text.strip().lower() in ("", "none", "0"):
        return ()
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        hint = "for example --hidden 64,64, or --hidden none for a linear model"
        raise OptionError(f"--hidden {text}: expected sizes of 1 or more, with commas", hint=hint)
    return sizes


def _rules(asked: Sequence[str]) -> tuple[str, ...]:
    for text in asked:
        name, _, rule = text.rpartition("=")
        if not name or rule not in names.RULES:
            near = nearest(rule, names.RULES)
            raise OptionError(
                f"--column {text}: expected NAME=RULE with one of {', '.join(names.RULES)}",
                hint=f"did you mean --column {name}={near}?" if name and near else "",
            )
    return tuple(asked)


def _measures(text: str) -> tuple[str, ...]:
    if text.strip() == "all":
        return names.MEASURES
    asked = _parts(text)
    for name in asked:
        _check_known("record", name, ("all", *names.MEASURES))
    return tuple(dict.fromkeys(asked))


def _rate(text: str) -> float | None:
    if text == "auto":
        return None
    rate = _number(text)
    _check("learning_rate", text, 0 < rate < math.inf, "auto or a number above 0")
    return rate


def _rows(text: str) -> int:
    """Rows of a batch; 0 for all of them."""
    if text == "all":
        return 0
    rows = int(text) if text.isascii() and text.isdigit() else 0
    _check("batch", text, rows >= 1, "1 or more rows, or all")
    return rows


def _seconds(name: str, text: str) -> float:
    """A time such as 30, 30s, 1.5h.

    >>> _seconds("max_time", "1.5h"), _seconds("max_time", "250ms")
    (5400.0, 0.25)
    """
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text.strip()[len(number) :].strip() or "s"
    seconds = _number(number) * UNITS.get(unit, math.nan)
    least = "above 0" if name == "max_time" else "from 0"
    holds = 0 < seconds < math.inf or (seconds == 0 and name != "max_time")
    _check(name, text, holds, f"a time {least}, such as 30s, 5m, 2h or a number of seconds")
    return seconds


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def checked_memory(text: str | None) -> int | None:
    """The option --memory in bytes.

    Raises:
        OptionError: it is no size, or too small.
    """
    if text is None:
        return None
    size = parse_size(text) or 0
    _check("memory", text, size >= LEAST_MEMORY, "a size from 16MB, such as 500MB or 2GB")
    return size


def _check_known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        near = nearest(value, known)
        hint = f"did you mean {near}?" if near else ""
        raise OptionError(
            f"{spelled_option(name)} {value}: expected {listed(known, 20)}", hint=hint
        )


def _check(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise OptionError(f"{spelled_option(name)} {value}: expected {expected}")


def _check_ranges(o: TrainOptions) -> None:
    for name in ("epochs", "patience", "keep"):
        value = getattr(o, name)
        _check(name, value, value is None or value >= 1, "1 or more")
    _check("seed", o.seed, 0 <= o.seed < 2**32, "from 0 to 4294967295")
    _check("warmup", o.warmup, o.warmup >= 0, "a number of steps from 0")
    if o.momentum is not None:
        _check("momentum", o.momentum, 0 <= o.momentum < 1, "from 0 to below 1")
    if o.quantile is not None:
        _check("quantile", o.quantile, 0 < o.quantile < 1, "between 0 and 1")
    if o.weight_decay is not None:
        _check("weight_decay", o.weight_decay, 0 <= o.weight_decay < math.inf, "0 or more")
    if o.clip_norm is not None:
        _check("clip_norm", o.clip_norm, 0 < o.clip_norm < math.inf, "a length above 0")


# -- what goes together ----------------------------------------------------------------------------


def _check_together(o: TrainOptions) -> None:
    if o.resume and o.out is None:
        raise OptionError("--resume: which run?", hint="name its folder with --out")
    if o.quantile is not None and o.loss != "quantile":
        raise OptionError("--quantile is of --loss quantile", hint="add --loss quantile")
    if o.momentum is not None and o.optimizer not in names.WITH_MOMENTUM:
        raise OptionError(
            f"--momentum: {o.optimizer} takes none; {listed(names.WITH_MOMENTUM)} do",
            hint="leave --momentum out",
        )
    if o.warmup and o.schedule == "one-cycle":
        raise OptionError("--warmup: a one-cycle schedule has a climb of its own")
    if o.batch == 0 and o.batch_schedule != "constant":
        raise OptionError(
            f"--batch-schedule {o.batch_schedule}: --batch all has nowhere to grow",
            hint="begin with --batch 32",
        )
    if o.batch == 1 and o.batch_schedule in ("cabs", "noise"):
        raise OptionError(
            f"--batch-schedule {o.batch_schedule}: one row has no variance to act on",
            hint="begin with --batch 2 or more",
        )
    if o.average == "swa" and o.batch_schedule not in ("constant", "noise"):
        raise OptionError(
            f"--average swa: with --batch-schedule {o.batch_schedule} it is not known at which "
            "step to begin",
            hint="--average suffix averages the last half, whenever the run ends",
        )
