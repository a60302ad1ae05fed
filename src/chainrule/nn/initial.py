"""Initial weights, by the name of who proposed them, and which suits which activation.

Each draws a matrix whose variance keeps the size of the signal about the same from layer to layer,
so that neither the activations nor their gradients vanish or explode before training begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import DTypeError, ShapeError, TrainingError

Array: TypeAlias = Any


def he(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """N(0, 2 / n_in): the 2 makes up for the half of the signal that a ReLU drops.

    Source:
        He, Zhang, Ren & Sun 2015, Delving Deep into Rectifiers, equation 10.
    """
    return rng.normal(0.0, (2.0 / n_in) ** 0.5, (n_out, n_in))


def lecun(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """N(0, 1 / n_in).

    Source:
        LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.6.
    """
    return rng.normal(0.0, (1.0 / n_in) ** 0.5, (n_out, n_in))


def glorot(rng: np.random.Generator, n_in: int, n_out: int) -> Array:
    """U(-a, a) with a² = 6 / (n_in + n_out), thus variance 2 / (n_in + n_out).

    Source:
        Glorot & Bengio 2010, Understanding the Difficulty of Training Deep Feedforward Neural
        Networks, equation 16.
    """
    bound = (6.0 / (n_in + n_out)) ** 0.5
    return rng.uniform(-bound, bound, (n_out, n_in))


SCALES: Final[dict[str, Callable[[np.random.Generator, int, int], Array]]] = {
    f.__name__: f for f in (he, lecun, glorot)
}

#: Those that are about the identity around 0, or never rectify; SELU's paper asks for LeCun's.
_NOT_HE: Final = {
    "tanh": "glorot",
    "sigmoid": "glorot",
    "softmax": "glorot",
    "identity": "glorot",
    "selu": "lecun",
}


def scale_for(activation: str) -> str:
    """The name of the scale that suits an activation: He's for ReLU and its kin.

    Example:
        >>> scale_for("gelu"), scale_for("tanh")
        ('he', 'glorot')
    """
    return _NOT_HE.get(activation, "he")


def draw(scale: str, n_in: int, n_out: int, rng: int | np.random.Generator, dtype: Any) -> Array:
    """A weight matrix (n_out, n_in) of ``dtype``, drawn in float64 and then rounded.

    So the float32 and the float64 model of one seed begin at the same point.

    Raises:
        TrainingError: no scale has this name.
        ShapeError: a size below 1.
        DTypeError: a dtype other than float32 and float64.
    """
    if scale not in SCALES:
        raise TrainingError(
            f"initial weights: scale={scale!r}; expected one of {', '.join(SCALES)}"
        )
    if n_in < 1 or n_out < 1:
        raise ShapeError(f"Linear({n_in} -> {n_out}): both sizes must be at least 1")
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise DTypeError(f"initial weights of {dtype}; expected float32 or float64")
    return SCALES[scale](np.random.default_rng(rng), n_in, n_out).astype(dtype)
