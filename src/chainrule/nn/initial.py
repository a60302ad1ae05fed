"""Initial weights, by the name of who proposed them, and which suits which activation.

Each draws an array whose variance keeps the size of the signal about the same from layer to layer,
so that neither the activations nor their gradients vanish or explode before training begins. The
fan-in is how many numbers enter one output, the fan-out how many outputs one input reaches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import DTypeError, ShapeError, TrainingError

Array: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Fan:
    """What is drawn: the shape of the weights, (n_out, ...), their fan-in and fan-out."""

    shape: tuple[int, ...]
    n_in: int
    n_out: int


def he(rng: np.random.Generator, fan: Fan) -> Array:
    """N(0, 2 / n_in): the 2 makes up for the half of the signal that a ReLU drops.

    Source:
        He, Zhang, Ren & Sun 2015, Delving Deep into Rectifiers, equation 10.
    """
    return rng.normal(0.0, (2.0 / fan.n_in) ** 0.5, fan.shape)


def he_uniform(rng: np.random.Generator, fan: Fan) -> Array:
    """U(-a, a) with a² = 6 / n_in: the variance of ``he``."""
    return _uniform(rng, fan, 6.0 / fan.n_in)


def lecun(rng: np.random.Generator, fan: Fan) -> Array:
    """N(0, 1 / n_in).

    Source:
        LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.6.
    """
    return rng.normal(0.0, (1.0 / fan.n_in) ** 0.5, fan.shape)


def lecun_uniform(rng: np.random.Generator, fan: Fan) -> Array:
    """U(-a, a) with a² = 3 / n_in: the variance of ``lecun``."""
    return _uniform(rng, fan, 3.0 / fan.n_in)


def glorot(rng: np.random.Generator, fan: Fan) -> Array:
    """U(-a, a) with a² = 6 / (n_in + n_out), thus variance 2 / (n_in + n_out).

    Source:
        Glorot & Bengio 2010, Understanding the Difficulty of Training Deep Feedforward Neural
        Networks, equation 16.
    """
    return _uniform(rng, fan, 6.0 / (fan.n_in + fan.n_out))


def glorot_normal(rng: np.random.Generator, fan: Fan) -> Array:
    """N(0, 2 / (n_in + n_out)): the variance of ``glorot``."""
    return rng.normal(0.0, (2.0 / (fan.n_in + fan.n_out)) ** 0.5, fan.shape)


def orthogonal(rng: np.random.Generator, fan: Fan) -> Array:
    """Rows, or columns where they are fewer, that are orthonormal: no direction is stretched.

    Source:
        Saxe, McClelland & Ganguli 2014, Exact Solutions to the Nonlinear Dynamics of Learning in
        Deep Linear Neural Networks, section 3.
    """
    rows, columns = fan.shape[0], int(np.prod(fan.shape[1:]))
    tall = rng.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # uniform among all such: Mezzadri 2007
    return (q if rows >= columns else q.T).reshape(fan.shape)


def truncated_normal(rng: np.random.Generator, fan: Fan) -> Array:
    """N(0, 0.02²), drawn again where it is beyond two standard deviations; for transformers.

    Source:
        Devlin, Chang, Lee & Toutanova 2019, BERT; its code.
    """
    drawn = rng.normal(size=fan.shape)
    while (far := np.abs(drawn) > 2).any():
        drawn[far] = rng.normal(size=int(far.sum()))
    return 0.02 * drawn


def torch(rng: np.random.Generator, fan: Fan) -> Array:
    """U(-a, a) with a² = 1 / n_in: what ``torch.nn.Linear`` and its convolutions begin with."""
    return _uniform(rng, fan, 1.0 / fan.n_in)


def zeros(rng: np.random.Generator, fan: Fan) -> Array:
    """Zeros: for the last layer of a residual branch, which then begins as the identity.

    Source:
        Goyal et al. 2017, Accurate, Large Minibatch SGD, section 5.1; Zhang, Dauphin & Ma 2019,
        Fixup Initialization.
    """
    return np.zeros(fan.shape)


def _uniform(rng: np.random.Generator, fan: Fan, squared_bound: float) -> Array:
    return rng.uniform(-(squared_bound**0.5), squared_bound**0.5, fan.shape)


#: Initial weights by name: what ``scale=`` may be.
SCALES: Final[dict[str, Callable[[np.random.Generator, Fan], Array]]] = {
    f.__name__: f
    for f in (
        he, lecun, glorot, he_uniform, lecun_uniform, glorot_normal, orthogonal, truncated_normal,
        torch, zeros,
    )
}  # fmt: skip

#: Those that are about the identity around 0, or never rectify; SELU's paper asks for LeCun's.
_NOT_HE: Final = {
    "tanh": "glorot",
    "sigmoid": "glorot",
    "softmax": "glorot",
    "log_softmax": "glorot",
    "hard_tanh": "glorot",
    "hard_sigmoid": "glorot",
    "softsign": "glorot",
    "log_sigmoid": "glorot",
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
    if n_in < 1 or n_out < 1:
        raise ShapeError(f"Linear({n_in} -> {n_out}): both sizes must be at least 1")
    return draw_array(scale, Fan((n_out, n_in), n_in, n_out), rng, dtype)


def draw_array(scale: str, fan: Fan, rng: int | np.random.Generator, dtype: Any) -> Array:
    """An array of ``fan.shape``, as ``draw``."""
    if scale not in SCALES:
        raise TrainingError(
            f"initial weights: scale={scale!r}; expected one of {', '.join(SCALES)}"
        )
    dtype = floating_dtype(dtype)
    return SCALES[scale](np.random.default_rng(rng), fan).astype(dtype)


def floating_dtype(dtype: Any) -> np.dtype:
    """float32 or float64.

    Raises:
        DTypeError: another one.
    """
    wanted: np.dtype = np.dtype(dtype)
    if wanted not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise DTypeError(f"initial weights of {wanted}; expected float32 or float64")
    return wanted


def at_least_one(layer: str, **sizes: Any) -> None:
    """Sizes of a layer.

    Raises:
        ShapeError: one is no whole number from 1.
    """
    for name, n in sizes.items():
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
            raise ShapeError(f"{layer}: {name}={n!r}; expected a whole number from 1")
