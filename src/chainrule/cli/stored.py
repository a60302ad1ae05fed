"""Whether the values of a stored setup can be values of it: a file may be damaged and be JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chainrule.cli import names
from chainrule.training.faults import POLICIES

#: Fields that are one of several names.
_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "activation": names.ACTIVATIONS,
    "loss": names.LOSSES,
    "optimizer": names.OPTIMIZERS,
    "average": names.AVERAGES,
    "schedule": names.SCHEDULES,
    "batch_schedule": names.BATCH_SCHEDULES,
    "order": names.ORDERS,
    "remainder": names.REMAINDERS,
    "on_nan": POLICIES,
}
#: Fields that are whole numbers, with the least that they can be.
_WHOLE: Final[Mapping[str, int]] = {
    "warmup": 0, "batch": 1, "rows": 1, "steps": 0, "epochs": 0, "seed": 0,
    "planned_steps": 0, "planned_epochs": 0, "patience": 0, "threads": 1,
}  # fmt: skip
_NUMBERS: Final = ("learning_rate", "momentum", "weight_decay", "clip_norm")
#: Fields that are null where the optimiser, the machine or the run does without them.
_OPTIONAL: Final = ("momentum", "weight_decay", "clip_norm", "patience", "threads")


def faults(stored: Mapping[str, Any]) -> list[str]:
    """The fields that hold what they cannot hold, each with its value, in words."""
    return [
        f"{name} is {_short(value)}" for name, value in stored.items() if not _fits(name, value)
    ]


def whole(value: object) -> int:
    """A stored whole number that is only shown; 0 for anything else."""
    return value if _is_whole(value, 0) else 0  # type: ignore[return-value]


def _fits(name: str, value: Any) -> bool:
    if value is None and name in _OPTIONAL:
        return True
    if name in _NAMES:
        return value in _NAMES[name]
    if name in _WHOLE:
        return _is_whole(value, _WHOLE[name])
    if name in _NUMBERS:
        return _is_number(value)
    match name:
        case "sizes":
            return _is_list(value) and len(value) > 1 and all(_is_whole(x, 1) for x in value)
        case "tables":
            return _is_list(value) and all(_is_pair(x) for x in value)
        case "metrics" | "record":
            return _is_list(value) and all(isinstance(x, str) for x in value)
        case "constant":
            return _is_list(value) and all(_is_number(x) for x in value)
        case "loss_options":
            return isinstance(value, dict) and all(_is_number(x) for x in value.values())
    return True


def _is_pair(value: Any) -> bool:
    return _is_list(value) and len(value) == 2 and all(_is_whole(x, 1) for x in value)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 40 else f"{said[:37]}..."
