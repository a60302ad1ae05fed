"""The column to be predicted: what kind of task it makes, and its values as the loss wants them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import ArrowColumn, need
from chainrule.data.statistics import mean_and_scale
from chainrule.data.values import codes, is_moment, is_number, is_text, numbers, spelled
from chainrule.data.words import count, listed
from chainrule.errors import DataError

Task: TypeAlias = Literal["regression", "classification"]
Label: TypeAlias = str | int | float | bool

MOST_CLASSES = 10  # whole numbers with more different values than this are quantities
LEAST_ROWS = 3  # one row of every class for each of training, validation and test


@dataclass(frozen=True, slots=True)
class Target:
    """The target and its preprocessing.

    Fields:
        task: "classification" or "regression".
        reason: the rule that chose the task, in words.
        classes: the labels in order; with two, the second is the positive one.
        rates: the share of each class among the training rows.
        mean, scale: of the training rows' targets, in their own unit; the network learns
            ``(y - mean) / scale``.
    """

    name: str
    task: Task
    reason: str
    classes: tuple[Label, ...] = ()
    rates: tuple[float, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def binary(self) -> bool:
        """Whether there are two classes."""
        return len(self.classes) == 2

    @property
    def positive(self) -> Label:
        """Of two classes, the one whose probability is given and scored."""
        return self.classes[1]

    @property
    def words(self) -> str:
        """The task, in words."""
        if self.task == "regression":
            return "regression"
        return "two classes" if self.binary else count(len(self.classes), "class", "classes")

    def values(self, column: ArrowColumn) -> NDArray[Any]:
        """The target of each row, none missing: class indices int64 (n,), or numbers float64 (n,).

        Raises:
            DataError: a value is no number, or none of the classes.
        """
        if self.task == "regression":
            return _all_numbers(self.name, column)
        indices, texts = codes(column)
        index = {spelled(label): i for i, label in enumerate(self.classes)}
        found = np.array([index.get(text, -1) for text in texts])[indices]
        if found.min(initial=0) < 0:
            row = int(np.flatnonzero(found < 0)[0])
            known = listed([spelled(label) for label in self.classes])
            raise DataError(
                f"target {self.name!r}, row {row + 1:,}: class {texts[indices[row]]!r} was not "
                f"there at training; the classes are {known}"
            )
        return found

    def fit(self, values: NDArray[Any]) -> Target:
        """This target with the statistics of the training rows' ``values``."""
        if self.task == "regression":
            mean, scale = mean_and_scale(values)
            return replace(self, mean=mean, scale=scale)
        rows = np.bincount(values, minlength=len(self.classes))
        return replace(self, rates=tuple((rows / rows.sum()).tolist()))


def find_target(name: str, column: ArrowColumn, task: str = "auto") -> Target:
    """What the target ``column`` (no value missing) asks for.

    Args:
        name: the column's name.
        column: its values.
        task: "auto", "classification" or "regression".

    Raises:
        DataError: the target is constant, of a kind that cannot be learned, or a class has fewer
            than three rows.
    """
    if is_moment(column.type):
        hint = "predict a number made from it, such as the days since a day"
        raise DataError(f"target {name!r} is a date or time, which cannot be learned", hint=hint)
    length = need("pyarrow").types.is_duration(column.type)
    if not (length or _is_known(column.type)):
        hint = "predict a number or a text made from it"
        raise DataError(f"target {name!r} is of type {column.type}, which is not learned", hint)
    if length and task == "classification":
        hint = "leave --task out: it is learned as a number of seconds"
        raise DataError(f"target {name!r} is a length of time, which has no classes", hint)
    distinct = column.unique().to_pylist()
    if len(distinct) < 2:
        raise DataError(
            f"target {name!r}: every row holds {distinct[0]!r}; there is nothing to learn",
            hint="choose another --target",
        )
    chosen, reason = _auto_task(column, distinct) if task == "auto" else (task, f"--task {task}")
    if chosen == "regression":
        return Target(name, "regression", reason)
    classes = tuple(sorted((_label(value) for value in distinct), key=_order))
    _check_classes(name, column, classes)
    return Target(name, "classification", reason, classes)


def _all_numbers(name: str, column: ArrowColumn) -> NDArray[np.float64]:
    values = numbers(name, column)
    blank = np.flatnonzero(np.isnan(values))
    if len(blank):  # text such as " ", which is not a missing value of its file
        value = column[int(blank[0])].as_py()
        raise DataError(
            f"target {name!r}, row {blank[0] + 1:,}: expected a number, got {value!r}",
            hint="leave the field empty for a missing value",
        )
    return values


def _is_known(kind: Any) -> bool:
    return is_text(kind) or is_number(kind) or bool(need("pyarrow").types.is_boolean(kind))


def _auto_task(column: ArrowColumn, distinct: list[Any]) -> tuple[str, str]:
    if need("pyarrow").types.is_duration(column.type):
        return "regression", "the target is a length of time, in seconds"
    if is_text(column.type):
        return "classification", "the target is text"
    if not is_number(column.type):
        return "classification", "the target is true or false"
    if len(distinct) == 2:
        return "classification", "the target has two values"
    whole = all(float(value).is_integer() for value in distinct)
    if whole and len(distinct) <= MOST_CLASSES:
        return "classification", f"the target has {len(distinct)} different whole numbers"
    what = f"more than {MOST_CLASSES} different" if whole else "fractional"
    return "regression", f"the target has {what} numbers"


def _label(value: Any) -> Label:
    if isinstance(value, bool | str | int):
        return value
    number = float(value)
    return int(number) if number.is_integer() else number


def _order(label: Label) -> tuple[bool, Any]:
    return isinstance(label, str), label


def _check_classes(name: str, column: ArrowColumn, classes: tuple[Label, ...]) -> None:
    rows = {spelled(item["values"]): item["counts"] for item in column.value_counts().to_pylist()}
    rare = [spelled(label) for label in classes if rows[spelled(label)] < LEAST_ROWS]
    if not rare:
        return
    message = (
        f"target {name!r}: {count(len(rare), 'class', 'classes')} of {len(classes):,} with fewer "
        f"than {LEAST_ROWS} rows: {listed(rare)}"
    )
    hint = "leave these rows out or join such classes"
    if not is_text(column.type):
        hint = "for a quantity use --task regression; else leave these rows out"
    raise DataError(message, hint=hint)
