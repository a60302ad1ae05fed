"""Negative log-likelihoods of quantities and counts, whole and in nats: -log p(y | output).

Where a distribution has a second parameter beside its mean, the model gives two numbers for each
target, all first ones in front: (batch, 2 n) for n targets. Or the second is fixed by the option
of its name, and the model gives one.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.losses.record import loss
from chainrule.losses.targets import (
    check_counts,
    check_finite,
    check_positive,
    fit_numbers,
    fit_two,
)
from chainrule.losses.weights import positive_or_none
from chainrule.ops.scipy_special import special

Array: TypeAlias = Any
_LOG_2_PI: Final = math.log(2 * math.pi)
#: Logarithms of parameters count as this at most in size; e⁵⁰ = 5·10²¹ is infinity for a sum.
_LARGEST: Final = 50.0
#: From here on Stirling's series is exact to the last digits of float64.
_STIRLING: Final = 16.0


def _mean(output: Array, variance: float | None) -> Array:
    return _halves(output, variance)[0]


def _mean_of_log(output: Array, **options: Any) -> Array:
    return np.exp(_halves(output, *options.values())[0] if options else output)


def _fit_variance(output: Array, y: Array, variance: float | None) -> Array:
    return fit_two(output, y, variance)


def _fit_shape(output: Array, y: Array, shape: float | None) -> Array:
    return fit_two(output, y, shape)


def _fit_dispersion(output: Array, y: Array, dispersion: float | None) -> Array:
    return fit_two(output, y, dispersion)


def _halves(output: Array, fixed: float | None) -> tuple[Array, Array]:
    """The first numbers and the second ones, these logarithms: learned or that of the fixed one."""
    if fixed is not None:
        return output, np.full((1,) * output.ndim, math.log(fixed), output.dtype)
    n = output.shape[-1] // 2
    return output[..., :n], output[..., n:]


@loss(
    unit="nats", link=_mean, fit=_fit_variance, check=check_finite, variance=positive_or_none
)  # fmt: skip
def gaussian(output: Array, y: Array, variance: float | None = None) -> Array:
    """The mean of ½ (log 2π + s + (y - μ)² e⁻ˢ), a Gaussian of mean μ and log variance s.

    Args:
        output: (μ, s) for each target, (batch, 2 n) with the n means in front; (batch, n), the
            means alone, with ``variance=``. A log variance is that: e^s is the variance. Below
            -80 in float32 and -700 in float64 it counts as that.
        y: (batch, n), or (batch,) for one target.
        variance: > 0 fixes the variance; None lets the model learn it.

    Raises:
        ShapeError: not two outputs per target (one with ``variance=``). DTypeError: no numbers.
        DataError: a target that is not finite.

    Source:
        Nix & Weigend 1994, Estimating the Mean and Variance of the Target Probability
        Distribution. With the constant ½ log 2π, which ``torch.nn.GaussianNLLLoss`` leaves out.

    Example:
        >>> gaussian(np.array([[1.0, 0.0]]), [2.0])  # ½ log 2π + ½
        np.float64(1.418938533204...)
        >>> gaussian(np.array([1.0]), [2.0], variance=1.0)
        np.float64(1.418938533204...)
    """
    mean, s = _halves(output, variance)
    s = np.maximum(s, -80.0 if output.dtype == np.float32 else -700.0)
    distance = (y - mean) * np.exp(-0.5 * s)
    return 0.5 * (_LOG_2_PI + s + distance * distance)


@loss(unit="nats", link=_mean_of_log, fit=fit_numbers, check=check_counts)
def poisson(output: Array, y: Array) -> Array:
    """The mean of e^o - y o + log y!, counts of which the output o is the log of the mean.

    Shapes:
        output: (batch,) or (batch, n_out), logarithms. y: the same. What is no whole number is
        taken too, as in a regression of rates: log y! is then log Γ(y + 1).

    Raises:
        ShapeError: not one target per output. DTypeError: no numbers. DataError: one below 0.

    Source:
        Nelder & Wedderburn 1972, Generalized Linear Models. With log y!, which
        ``torch.nn.PoissonNLLLoss`` leaves out.

    Example:
        >>> poisson(np.log([2.0]), [3])  # -log(2³ e⁻² / 3!)
        np.float64(1.7123179275...)
    """
    return np.exp(output) - y * output + special.gammaln(y + 1)


@loss(
    unit="nats", link=_mean_of_log, fit=_fit_shape, check=check_positive, shape=positive_or_none
)  # fmt: skip
def gamma(output: Array, y: Array, shape: float | None = None) -> Array:
    """The negative log-likelihood of a gamma distribution by the logs of its mean μ and shape k.

    k (y/μ - log(y/μ)) + log y + log Γ(k) - k log k; the variance is μ² / k.

    Args:
        output: (log μ, log k) for each target, (batch, 2 n) with the n log means in front;
            (batch, n), the log means alone, with ``shape=``. Beyond ±50 a log k counts as that.
        y: (batch, n), or (batch,) for one target, positive.
        shape: > 0 fixes k: 1 is the exponential distribution. None lets the model learn it.

    Raises:
        ShapeError: not two outputs per target (one with ``shape=``). DTypeError: no numbers.
        DataError: a target that is not positive.

    Source:
        McCullagh & Nelder 1989, Generalized Linear Models, chapter 8.

    Example:
        >>> gamma(np.log([2.0]), [3.0], shape=1.0)  # log 2 + 3/2
        np.float64(2.1931471805...)
    """
    log_mean, log_k = _halves(output, shape)
    log_k = np.clip(log_k, -_LARGEST, _LARGEST)
    u, k = np.log(y) - log_mean, np.exp(log_k)
    return k * (np.expm1(u) - u) + np.log(y) + _log_gamma_less(k, log_k)


@loss(
    unit="nats", link=_mean_of_log, fit=_fit_dispersion, check=check_counts,
    dispersion=positive_or_none,
)  # fmt: skip
def negative_binomial(output: Array, y: Array, dispersion: float | None = None) -> Array:
    """The negative log-likelihood of counts that vary more than Poisson's: variance μ + α μ².

    With r = 1 / α it is -log [ Γ(y + r) / (Γ(r) y!) · (r / (r + μ))ʳ (μ / (r + μ))ʸ ]. For
    α -> 0 it becomes Poisson's, to the last digit: nothing large is taken from another.

    Args:
        output: (log μ, log α) for each target, (batch, 2 n) with the n log means in front;
            (batch, n), the log means alone, with ``dispersion=``. Beyond ±50 a log α counts as
            that.
        y: (batch, n), or (batch,) for one target; counts.
        dispersion: > 0 fixes α. None lets the model learn it.

    Raises:
        ShapeError: not two outputs per target (one with ``dispersion=``). DTypeError: no numbers.
        DataError: a target below 0.

    Source:
        Hilbe 2011, Negative Binomial Regression, chapter 8 (NB2).

    Example:
        >>> negative_binomial(np.log([2.0]), [3], dispersion=1.0)  # -log((1/3) (2/3)³)
        np.float64(2.3150076129...)
    """
    log_mean, log_alpha = _halves(output, dispersion)
    log_alpha = np.clip(log_alpha, -_LARGEST, _LARGEST)
    r = np.exp(-log_alpha)
    more = (r + y) * np.logaddexp(0, log_mean + log_alpha)  # (r + y) log(1 + μ / r)
    return more - y * log_mean - _log_rising_less(r, y) + special.gammaln(y + 1)


def _log_gamma_less(k: Array, log_k: Array) -> Array:
    """log Γ(k) - k log k + k."""
    small = np.minimum(k, _STIRLING)
    direct = special.gammaln(small) - small * np.log(small) + small
    series = 0.5 * (_LOG_2_PI - log_k) + _correction(np.maximum(k, _STIRLING))
    return np.where(k < _STIRLING, direct, series)


def _log_rising_less(r: Array, y: Array) -> Array:
    """log(Γ(r + y) / Γ(r)) - y log r, which goes to 0 for large r."""
    small, large = np.minimum(r, _STIRLING), np.maximum(r, _STIRLING)
    direct = special.gammaln(small + y) - special.gammaln(small) - y * np.log(small)
    grown = (large + y - 0.5) * np.log1p(y / large) - y
    series = grown + _correction(large + y) - _correction(large)
    return np.where(r < _STIRLING, direct, series)


def _correction(x: Array) -> Array:
    """What Stirling's formula for log Γ(x) leaves out, for x from 16 on (DLMF 5.11.1)."""
    v = 1 / x
    w = v * v
    return v * (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188))))
