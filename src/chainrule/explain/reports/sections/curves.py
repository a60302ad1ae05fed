"""Learning curves: the loss of each step, smoothed, of each epoch, and on rows held out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.explain.drawing import Figure, Kind
from chainrule.explain.page import figure, table
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.reports.sections.short import best_epoch
from chainrule.explain.reports.sections.words import value_with
from chainrule.explain.reports.told import Told
from chainrule.explain.shown import plain_value

#: A loss that spans more than this is drawn on a logarithmic axis.
_SPAN: Final = 20.0
#: Parts of the record that the smoothed line is a mean over.
_PARTS: Final = 100
#: Epochs that the table lists.
_LISTED: Final = 12
#: A rise of the validation loss of more than this part is more than chance from epoch to epoch.
_RIPPLE: Final = 0.05


def curves(context: Context) -> Part:
    """The loss over the run.

    Raises:
        TrainingError: nothing was recorded.
    """
    told = context.told
    losses = told.history.steps.get("loss", np.zeros(0))
    if not len(losses):
        raise TrainingError("no step was recorded")
    pictures = {"loss": _loss_picture(context), **_metric_pictures(told)}
    captions = {"loss": "The loss over the run: lower is better."}
    body = "".join(figure(svg, captions.get(name, "")) for name, svg in pictures.items())
    return Part(
        "curves", "Learning curves", tuple(_says(told)), body + _epoch_table(told), pictures,
        {"epochs": plain_value(told.history.epochs)},
    )  # fmt: skip


def smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """Means over the last ``window`` values, fewer at the beginning; (n,); NaN is left out.

    Example:
        >>> smoothed(np.array([1.0, 3.0, 5.0]), 2)
        array([1., 2., 4.])
    """
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    number = np.concatenate([[0], np.cumsum(known)])
    end = np.arange(1, len(values) + 1)
    first = np.maximum(0, end - window)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((total[end] - total[first]) / (number[end] - number[first]))


def mean(values: np.ndarray) -> float:
    """The mean of what is finite; NaN of nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _loss_picture(context: Context) -> str:
    told, history = context.told, context.told.history
    losses, x = np.asarray(history.loss, float), context.epochs
    window = max(1, len(losses) // _PARTS)
    held = _of_epochs(told, "validation_loss")
    made = Figure(title=f"{told.loss_name} over the run", description=" ".join(_says(told)))
    scale: Kind = "log" if _spans(losses) else "linear"
    unit = f" ({told.loss_unit})" if told.loss_unit else ""  # the title has the loss's name
    axes = made.axes(x=context.axis, y=f"loss{unit}", y_scale=scale)
    if window > 1:
        axes.line(x, losses, label="each update", color="muted", width=1, opacity=0.45)
    axes.line(x, smoothed(losses, window), label="training" + (", smoothed" * (window > 1)))
    if len(held):
        marks = np.arange(1, len(held) + 1)
        axes.line(marks, held, label="validation", color=1, dash=True)
        if (best := best_epoch(told)) is not None:
            axes.points([best[0]], [best[1]], label="lowest", color=1, size=5, marker="star")
    return made.svg()


def _metric_pictures(told: Told) -> dict[str, str]:
    names = dict.fromkeys(name for e in told.history.epochs for name in e)
    found = {}
    for name in names:
        if not name.startswith("validation_") or name == "validation_loss":
            continue
        values, said = _of_epochs(told, name), name.replace("_", " ")
        if np.isfinite(values).any():
            made = Figure(height=300, title=f"{said} by epoch", description=f"{said} by epoch")
            made.axes(x="epoch", y=said).line(np.arange(1, len(values) + 1), values, color=2)
            found[name] = made.svg()
    return found


def _of_epochs(told: Told, name: str) -> np.ndarray:
    values = [e.get(name) for e in told.history.epochs]
    known = np.array([np.nan if v is None else float(v) for v in values])
    return known if np.isfinite(known).any() else np.zeros(0)


def _spans(losses: np.ndarray) -> bool:
    good = losses[np.isfinite(losses)]
    return bool(good.size and good.min() > 0 and good.max() > _SPAN * good.min())


def _says(told: Told) -> Iterator[str]:
    losses, unit = np.asarray(told.history.loss, float), told.loss_unit
    tenth = max(1, len(losses) // 10)
    first, last = mean(losses[:tenth]), mean(losses[-tenth:])
    if not (np.isfinite(first) and np.isfinite(last)):
        yield "The training loss did not stay finite: the descent diverged."
        return
    way = "fell" if last < first else "rose" if last > first else "stayed"
    yield (
        f"The training loss {way} from {value_with(first, unit)} (mean of the first tenth of the"
        f" updates) to {value_with(last, unit)} (of the last tenth)."
    )
    held = _of_epochs(told, "validation_loss")
    best = best_epoch(told)
    if best is None or not len(held):
        return
    epoch, lowest = best
    rise = (held[-1] - lowest) / max(abs(lowest), 1e-300)
    if epoch < len(held) and rise > 0.02:
        yield (
            f"The validation loss was lowest after epoch {epoch} and then rose by"
            f" {100 * rise:.0f} %{_overfits(told, epoch, rise)}."
        )
    else:
        yield (f"The validation loss was lowest, {value_with(lowest, unit)}, after epoch {epoch}.")


def _overfits(told: Told, best: int, rise: float) -> str:
    """What it means, if it is more than a ripple and the training loss went on falling."""
    losses = {int(e.get("epoch", k)): e.get("loss") for k, e in enumerate(told.history.epochs, 1)}
    then, last = losses.get(best), losses[max(losses)]
    is_falling = then is not None and last is not None and last < then
    is_much = is_falling and rise > _RIPPLE
    return " while the training loss fell: overfitting" if is_much else ""


def _epoch_table(told: Told) -> str:
    epochs = told.history.epochs
    if not epochs:
        return ""
    names = [n for n in dict.fromkeys(n for e in epochs for n in e) if _is_told(n, epochs)]
    kept = sorted({round(k) for k in np.linspace(0, len(epochs) - 1, min(_LISTED, len(epochs)))})
    rows = [[_cell(epochs[k].get(name)) for name in names] for k in kept]
    said = "Epochs" if len(kept) == len(epochs) else f"{len(kept)} of {len(epochs)} epochs"
    return table([name.replace("_", " ") for name in names], rows, said)


def _is_told(name: str, epochs: Any) -> bool:
    return any(e.get(name) is not None for e in epochs)


def _cell(value: Any) -> Any:
    return value_with(value, "") if isinstance(value, float) else value
