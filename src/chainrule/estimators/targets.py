"""Losses whose output is more than one number for a target: how many, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from scipy import stats

from chainrule.errors import TrainingError
from chainrule.losses import Loss
from chainrule.tracing.shaping import as_array

Array: TypeAlias = Any

#: Losses of two numbers for a target, and the option that fixes the second.
_SECOND: Final = {"gaussian": "variance", "gamma": "shape", "negative_binomial": "dispersion"}
#: Losses under which scaling the target changes nothing but its unit.
_SCALES: Final = ("squared_error", "absolute_error", "huber", "quantile")


@dataclass(frozen=True)
class Quantiles:
    """The pinball loss of several quantiles at once: an output for each target and level.

    Source:
        Koenker & Bassett 1978, Regression Quantiles.
    """

    levels: tuple[float, ...]

    def __call__(self, output: Array, y: Array) -> Array:
        """(batch, targets · levels) outputs, targets first; y (batch, targets) -> (batch, ...)."""
        n = len(self.levels)
        made = np.reshape(output, (output.shape[0], -1, n))
        distance = np.reshape(as_array(y), (output.shape[0], -1, 1)) - made
        levels = np.asarray(self.levels, output.dtype)
        return np.maximum(levels * distance, (levels - 1) * distance)


def outputs_per_target(loss: Any) -> int:
    """How many numbers the network gives for one target."""
    if isinstance(loss, Quantiles):
        return len(loss.levels)
    if isinstance(loss, Loss) and loss.name in _SECOND:
        return 1 if loss.options[_SECOND[loss.name]] is not None else 2
    return 1


def is_equivariant(loss: Any) -> bool:
    """Whether the target may be scaled and the prediction scaled back."""
    if isinstance(loss, Quantiles):
        return True
    if not isinstance(loss, Loss):
        return False
    return loss.name in _SCALES or (loss.name == "gaussian" and outputs_per_target(loss) == 2)


def has_log_mean(loss: Any) -> bool:
    """Whether the first output is the logarithm of the mean."""
    return isinstance(loss, Loss) and loss.name in ("poisson", "gamma", "negative_binomial")


def distribution(loss: Any, output: np.ndarray, center: Any, scale: Any) -> Any:
    """The frozen SciPy distribution of each target, (rows, targets).

    Args:
        loss: a likelihood.
        output: (rows, n_out).
        center: what a scaled target is brought back by,
        scale: (targets,) each.

    Raises:
        TrainingError: the loss is no likelihood.
    """
    if not isinstance(loss, Loss) or loss.name not in (*_SECOND, "poisson"):
        raise TrainingError(
            f"predict_dist: {getattr(loss, 'name', loss)} is no likelihood",
            'loss="gaussian", "poisson", "gamma" or "negative_binomial"; for quantiles alone '
            'loss="quantile", quantiles=[0.1, 0.5, 0.9]',
        )
    output = output.astype(np.float64)
    if loss.name == "poisson":
        return stats.poisson(np.exp(output))
    first, log_second = _both(loss, output)
    second = np.exp(np.clip(log_second, -50.0, 50.0))
    if loss.name == "gaussian":
        return stats.norm(first * scale + center, np.sqrt(np.exp(log_second)) * scale)
    mean = np.exp(first)
    if loss.name == "gamma":
        return stats.gamma(second, scale=mean / second)
    return stats.nbinom(1 / second, 1 / (1 + second * mean))


def _both(loss: Loss, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first numbers, and the logarithms of the second ones."""
    fixed = loss.options[_SECOND[loss.name]]
    if fixed is not None:
        return output, np.full(output.shape, np.log(fixed))
    n = output.shape[1] // 2
    return output[:, :n], output[:, n:]
