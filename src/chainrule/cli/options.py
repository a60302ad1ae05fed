"""The options of `chainrule train`, checked and in their own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.cli.outcome import OptionError
from chainrule.data.words import listed, nearest
from chainrule.losses import LOSSES
from chainrule.nn import ACTIVATIONS

TASKS = ("auto", "classification", "regression")
OPTIMIZERS = ("sgd",)
SCHEDULES = ("cosine", "constant")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What the user asked for. ``learning_rate`` None is auto; ``hidden`` () is a linear model."""

    data: str
    target: str | None
    task: str
    drop: tuple[str, ...]
    hidden: tuple[int, ...]
    activation: str
    loss: str
    optimizer: str
    learning_rate: float | None
    momentum: float
    schedule: str
    batch: int
    epochs: int
    seed: int
    threads: int | None
    out: Path | None
    resume: bool


def parse_options(given: Mapping[str, Any]) -> TrainOptions:
    """The options as typer gives them, checked.

    Raises:
        OptionError: a value is none of those that the option takes.
    """
    values = {name: given[name] for name in TrainOptions.__dataclass_fields__}
    values["hidden"] = _sizes(given["hidden"])
    values["drop"] = tuple(name.strip() for name in given["drop"].split(",") if name.strip())
    values["learning_rate"] = _rate(given["learning_rate"])
    for name, known in (
        ("task", TASKS),
        ("activation", tuple(ACTIVATIONS)),
        ("loss", ("auto", *LOSSES)),
        ("optimizer", OPTIMIZERS),
        ("schedule", SCHEDULES),
    ):
        _check_known(name, given[name], known)
    _check_range("momentum", given["momentum"], 0 <= given["momentum"] < 1, "from 0 to below 1")
    for name in ("batch", "epochs"):
        _check_range(name, given[name], given[name] >= 1, "1 or more")
    _check_range("seed", given["seed"], 0 <= given["seed"] < 2**32, "from 0 to 4294967295")
    if given["resume"] and given["out"] is None:
        raise OptionError("--resume: which run?", hint="name its folder with --out")
    return TrainOptions(**values)


def explicit_names(ctx: Any) -> frozenset[str]:
    """The options that the user typed, not those left at their defaults."""
    source = ctx.get_parameter_source
    return frozenset(n for n in ctx.params if getattr(source(n), "name", "") == "COMMANDLINE")


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


def _rate(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    _check_range("learning-rate", text, 0 < rate < float("inf"), "auto or a number above 0")
    return rate


def _check_known(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        near = nearest(value, known)
        hint = f"did you mean {near}?" if near else ""
        raise OptionError(f"--{name} {value}: expected {listed(known, 20)}", hint=hint)


def _check_range(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise OptionError(f"--{name} {value}: expected {expected}")
