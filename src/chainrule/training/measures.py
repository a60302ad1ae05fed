"""Numbers of a step beside its loss: how long the gradient is, how far it moves, how noisy it is.

They are part of the step's graph, so that recording them costs no Python at any step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.gradients.contributions import example_squares
from chainrule.tracing.trees import flatten, paths

#: What can be recorded of a step, and the sums that it is made of.
MEASURES: Final[Mapping[str, tuple[str, ...]]] = {
    "gradient_norm": ("gradient",),
    "parameter_gradient_norms": ("gradients",),
    "update_ratio": ("update", "parameters"),
    "gradient_variance": ("gradient", "examples"),
    "noise_scale": ("gradient", "examples"),
}
#: Before the name of a parameter: the length of its gradient.
NORM_OF: Final = "gradient_norm/"
_SQUARE_OF: Final = "gradients/"
#: How much of the averages behind the noise scale is kept from step to step.
SMOOTHING: Final = 0.99
_BLOCK: Final = 256


def check_record(record: Any) -> tuple[str, ...]:
    """The measures asked for.

    Raises:
        TrainingError: a name that is none of them.
    """
    if record is None or record is False:
        return ()
    if record is True or record == "all":
        return tuple(MEASURES)
    names = isinstance(record, Iterable)
    asked = (record,) if isinstance(record, str) or not names else tuple(record)
    for name in asked:
        if name not in MEASURES:
            raise TrainingError(
                f'record: {name!r} is not measured; expected of {", ".join(MEASURES)}, or "all"',
                "the loss, the learning rate and the batch are always recorded",
            )
    return asked


def sums_for(measures: Iterable[str]) -> tuple[str, ...]:
    """The sums that a step works out for these measures, each once."""
    return tuple(dict.fromkeys(part for name in measures for part in MEASURES[name]))


def outputs_of(sums: Iterable[str], parameters: Iterable[str]) -> tuple[str, ...]:
    """The names of what ``measure`` gives for these sums: of "gradients" one per parameter.

    Example:
        >>> outputs_of(("gradient", "gradients"), ["w", "b"])
        ('gradient', 'gradients/w', 'gradients/b')
    """
    each = [_SQUARE_OF + name for name in parameters]
    return tuple(name for part in sums for name in (each if part == "gradients" else [part]))


def squares(tree: Any) -> Any:
    """Σ x² over all leaves of a tree: of dtype float32 or float64, shape ()."""
    return sum(np.sum(x * x) for x in flatten(tree)[0])


def measure(sums: Iterable[str], batch: int, grads: Any, before: Any, after: Any) -> list[Any]:
    """The sums of one step, of traced trees: gradients, parameters before and after."""
    found = {
        "gradient": lambda: [squares(grads)],
        "gradients": lambda: [np.sum(g * g) for g in flatten(grads)[0]],
        "parameters": lambda: [squares(before)],
        "update": lambda: [squares(_difference(before, after))],
        "examples": lambda: [_example_squares(grads, batch)],
    }
    return [value for name in sums for value in found[name]()]


def _difference(before: Any, after: Any) -> list[Any]:
    return [b - a for a, b in zip(flatten(before)[0], flatten(after)[0], strict=True)]


def _example_squares(grads: Any, batch: int) -> Any:
    """Σᵢ |gᵢ|² over the batch, gᵢ the gradient of the i-th example's own loss."""
    gradients = dict(zip(paths(grads), flatten(grads)[0], strict=True))
    total = sum(np.sum(x) for x in example_squares(gradients, batch))
    return total * float(batch) * float(batch)


def columns(sums: Mapping[str, np.ndarray], batch: int) -> dict[str, np.ndarray]:
    """What is recorded, from a chunk's sums: float64[steps] each.

    ``gradient_variance`` is tr Σ, the variance of one example's gradient summed over all
    parameters, as it is estimated from one batch: (Σ |gᵢ|² - b |g|²) / (b - 1); NaN for b = 1.
    """
    wide = {name: np.asarray(x, np.float64) for name, x in sums.items()}
    made = {}
    with np.errstate(all="ignore"):
        if "gradient" in wide:
            made["gradient_norm"] = np.sqrt(wide["gradient"])
        for name in (name for name in wide if name.startswith(_SQUARE_OF)):
            made[NORM_OF + name.removeprefix(_SQUARE_OF)] = np.sqrt(wide[name])
        if "update" in wide:
            made["update_ratio"] = np.sqrt(wide["update"] / wide["parameters"])
        if "examples" in wide:
            spread = wide["examples"] - batch * wide["gradient"]
            made["gradient_variance"] = np.where(batch > 1, spread / (batch - 1.0), np.nan)
    return made


def noise_scale(gradient_norm: np.ndarray, variance: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """B̂ = tr Σ / |G|², both smoothed apart over the steps: float64[steps].

    |G|² is |g|² - tr Σ / b, since the noise of a batch adds that much to the square of its
    gradient's length. Infinite where no gradient is left but noise.

    Source:
        McCandlish, Kaplan, Amodei et al. 2018, An Empirical Model of Large-Batch Training,
        appendix A.1.
    """
    signal = gradient_norm**2 - variance / batch
    top, bottom = _smoothed(variance), _smoothed(signal)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, np.inf)


def _smoothed(values: np.ndarray) -> np.ndarray:
    """The exponential moving average, corrected for having begun at 0; what is NaN is left out."""
    known = np.isfinite(values)
    top, weight = _average(np.where(known, values, 0.0)), _average(known.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(top / weight)


def _average(values: np.ndarray) -> np.ndarray:
    """aₖ = keep aₖ₋₁ + (1 - keep) xₖ, a block of steps at a time as one matrix product."""
    blocks = np.pad(values, (0, -len(values) % _BLOCK)).reshape(-1, _BLOCK)
    age = np.arange(_BLOCK)[:, None] - np.arange(_BLOCK)
    made = blocks @ np.where(age >= 0, (1 - SMOOTHING) * SMOOTHING ** np.abs(age), 0.0).T
    fading = SMOOTHING ** np.arange(1, _BLOCK + 1)
    for k in range(1, len(made)):
        made[k] += fading * made[k - 1, -1]
    return np.asarray(made.ravel()[: len(values)])
