"""Activations: plain NumPy functions from an array to an array of the same shape and dtype.

All but ``softmax`` and ``log_softmax`` work element by element. A NaN goes in as a NaN and comes
out as one, so that a descent which has gone wrong is seen in its loss and not hidden by a ReLU.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.ops.scipy_special import special
from chainrule.tracing.functions import log_softmax, softmax

Array: TypeAlias = Any
Activation: TypeAlias = Callable[[Array], Array]

_ROOT_HALF: Final = 0.5**0.5
_ROOT_TWO_OVER_PI: Final = (2 / math.pi) ** 0.5
# Klambauer et al. 2017, appendix A1: the pair for which mean 0 and variance 1 are a fixed point.
_SELU_ALPHA: Final = 1.6732632423543772
_SELU_SCALE: Final = 1.0507009873554805


def identity(x: Array) -> Array:
    """x itself."""
    return x


def relu(x: Array) -> Array:
    """max(x, 0), the rectified linear unit; its derivative at 0 is taken as 0.

    Source:
        Glorot, Bordes & Bengio 2011, Deep Sparse Rectifier Neural Networks.

    Example:
        >>> relu(np.array([-2.0, 0.0, 3.0]))
        array([0., 0., 3.])
    """
    return np.where(x <= 0, 0, x)  # and not `x > 0`, which would turn a NaN into 0


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """x where x > 0, else slope · x; its derivative at 0 is ``slope``.

    Source:
        Maas, Hannun & Ng 2013, Rectifier Nonlinearities Improve Neural Network Acoustic Models.

    Example:
        >>> leaky_relu(np.array([-2.0, 3.0]))
        array([-0.02,  3.  ])
    """
    return np.where(x > 0, x, slope * x)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x where x > 0, else alpha · (eˣ - 1); its derivative at 0 is ``alpha``.

    Source:
        Clevert, Unterthiner & Hochreiter 2016, Fast and Accurate Deep Network Learning by
        Exponential Linear Units.

    Example:
        >>> elu(np.array([-1.0, 3.0])).round(4)
        array([-0.6321,  3.    ])
    """
    positive = x > 0
    below = np.where(positive, 0, x)  # eˣ is taken where it is used and nowhere else: no overflow
    return np.where(positive, x, alpha * np.expm1(below))


def selu(x: Array) -> Array:
    """An ELU scaled so that activations keep mean 0 and variance 1 from layer to layer.

    Source:
        Klambauer, Unterthiner, Mayr & Hochreiter 2017, Self-Normalizing Neural Networks.

    Example:
        >>> selu(np.array([-1.0, 1.0])).round(4)
        array([-1.1113,  1.0507])
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


def gelu(x: Array) -> Array:
    """x · Φ(x), with Φ the standard normal distribution function (no approximation of it).

    Source:
        Hendrycks & Gimpel 2016, Gaussian Error Linear Units.

    Example:
        >>> gelu(np.array([-1.0, 0.0, 1.0])).round(4)
        array([-0.1587,  0.    ,  0.8413])
    """
    return 0.5 * x * (1 + special.erf(_ROOT_HALF * x))


def gelu_tanh(x: Array) -> Array:
    """½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), within 5·10⁻⁴ of ``gelu``; BERT's and GPT-2's.

    Source:
        Hendrycks & Gimpel 2016, Gaussian Error Linear Units, section 2.

    Example:
        >>> gelu_tanh(np.array([-1.0, 0.0, 1.0])).round(4)
        array([-0.1588,  0.    ,  0.8412])
    """
    # The tanh is 1 in size long before |x| = 10⁶, where x³ is still a float32.
    u = np.clip(x, -1e6, 1e6)
    return 0.5 * x * (1 + np.tanh(_ROOT_TWO_OVER_PI * (u + 0.044715 * u * u * u)))


def silu(x: Array) -> Array:
    """x · sigmoid(x), also called swish.

    Source:
        Elfwing, Uchibe & Doya 2018, Sigmoid-Weighted Linear Units for Neural Network Function
        Approximation in Reinforcement Learning.

    Example:
        >>> silu(np.array([-1.0, 0.0, 1.0])).round(4)
        array([-0.2689,  0.    ,  0.7311])
    """
    return x * special.expit(x)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent, between -1 and 1.

    Example:
        >>> tanh(np.array([0.0, 1.0])).round(4)
        array([0.    , 0.7616])
    """
    return np.tanh(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), between 0 and 1: a probability from its log-odds.

    Example:
        >>> sigmoid(np.array([0.0, 2.0])).round(4)
        array([0.5   , 0.8808])
    """
    return special.expit(x)


def softplus(x: Array) -> Array:
    """log(1 + eˣ), a smooth ReLU; nothing overflows.

    Source:
        Dugas, Bengio, Bélisle, Nadeau & Garcia 2001, Incorporating Second-Order Functional
        Knowledge for Better Option Pricing.

    Example:
        >>> softplus(np.array([0.0, 1000.0])).round(4)
        array([6.931e-01, 1.000e+03])
    """
    return np.logaddexp(0, x)


def mish(x: Array) -> Array:
    """x · tanh(log(1 + eˣ)).

    Source:
        Misra 2020, Mish: A Self Regularized Non-Monotonic Activation Function.

    Example:
        >>> mish(np.array([-1.0, 0.0, 1.0])).round(4)
        array([-0.3034,  0.    ,  0.8651])
    """
    return x * np.tanh(np.logaddexp(0, x))


def celu(x: Array, alpha: float = 1.0) -> Array:
    """x where x > 0, else alpha · (e^(x / alpha) - 1): an ELU with slope 1 at 0 for any alpha.

    Source:
        Barron 2017, Continuously Differentiable Exponential Linear Units.

    Example:
        >>> celu(np.array([-1.0, 3.0]), alpha=2.0).round(4)
        array([-0.7869,  3.    ])
    """
    return alpha * elu(x / alpha)


def log_sigmoid(x: Array) -> Array:
    """log(sigmoid(x)) = -softplus(-x): a log-probability from its log-odds.

    Example:
        >>> log_sigmoid(np.array([0.0, -1000.0])).round(4)
        array([-6.931e-01, -1.000e+03])
    """
    return -np.logaddexp(0, -x)


def softsign(x: Array) -> Array:
    """x / (1 + |x|), between -1 and 1.

    Source:
        Bergstra, Desjardins, Lamblin & Bengio 2009, Quadratic Polynomials Learn Better Image
        Features.

    Example:
        >>> softsign(np.array([-3.0, 1.0]))
        array([-0.75,  0.5 ])
    """
    return x / (1 + np.abs(x))


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6); its derivative is 0 from either end on.

    Source:
        Krizhevsky 2010, Convolutional Deep Belief Networks on CIFAR-10.

    Example:
        >>> relu6(np.array([-2.0, 3.0, 9.0]))
        array([0., 3., 6.])
    """
    return np.where(x <= 0, 0, np.where(x >= 6, 6, x))


def hard_sigmoid(x: Array) -> Array:
    """The line x / 6 + ½ between its ends 0 and 1; its derivative is 0 from x = ±3 on.

    Source:
        Howard et al. 2019, Searching for MobileNetV3, 5.2. Definition:
        ``torch.nn.Hardsigmoid``.

    Example:
        >>> hard_sigmoid(np.array([-4.0, 0.0, 1.5]))
        array([0.  , 0.5 , 0.75])
    """
    return relu6(x + 3) / 6


def hard_silu(x: Array) -> Array:
    """x · hard_sigmoid(x), also called hard swish.

    Source:
        Howard et al. 2019, Searching for MobileNetV3, 5.2.

    Example:
        >>> hard_silu(np.array([-4.0, 1.5, 4.0]))
        array([-0.   ,  1.125,  4.   ])
    """
    return x * hard_sigmoid(x)


def hard_tanh(x: Array) -> Array:
    """x between its ends -1 and 1; its derivative is 0 from x = ±1 on.

    Source:
        Collobert 2004, Large Scale Machine Learning, 2.4.

    Example:
        >>> hard_tanh(np.array([-4.0, 0.25, 1.5]))
        array([-1.  ,  0.25,  1.  ])
    """
    return np.where(x <= -1, -1, np.where(x >= 1, 1, x))


#: Activations by name: what a command line or a saved configuration may say.
ACTIVATIONS: Final[dict[str, Activation]] = {
    f.__name__: f
    for f in (
        relu, leaky_relu, relu6, elu, celu, selu, gelu, gelu_tanh, silu, mish, tanh, sigmoid,
        softplus, softsign, log_sigmoid, hard_tanh, hard_sigmoid, hard_silu, softmax, log_softmax,
        identity,
    )
}  # fmt: skip


def activation(which: str | Activation) -> Activation:
    """The activation of this name; a function is returned as it is.

    Raises:
        TrainingError: no activation has this name.

    Example:
        >>> activation("gelu") is gelu
        True
    """
    if callable(which):
        return which
    if which in ACTIVATIONS:
        return ACTIVATIONS[which]
    near = difflib.get_close_matches(str(which).lower(), ACTIVATIONS, n=1)
    raise TrainingError(
        f"no activation is called {which!r}; expected {', '.join(ACTIVATIONS)} or a function",
        f"did you mean {near[0]!r}?" if near else "any NumPy function of one array will do",
    )
