"""Random scalar programs in NumPy, the same ones in every process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import chainrule as cr

Program = Callable[..., Any]

UNARY: list[Callable[[Any], Any]] = [
    np.sin, np.cos, np.tanh, np.exp, np.square, np.negative, np.abs, np.arctan, np.sinh,
    lambda v: np.log(1 + v * v),
    lambda v: np.sqrt(1 + v * v),
    lambda v: 1 / (1 + np.exp(-v)),
    lambda v: v**3,
    lambda v: 1 / (2 + v**2),
    lambda v: np.maximum(v, 0),
    lambda v: np.where(v > 0.2, v, 0.1 * v),
    lambda v: np.logaddexp(0, v),
    scipy.special.expit,
    scipy.special.erf,
    lambda v: np.log1p(v * v),
    lambda v: np.expm1(v / 2),
    lambda v: cr.stop_gradient(v) * v,
    lambda v: 0.5 * v,
    lambda v: 3 * v - 1,
    lambda v: 1 - v,
    lambda v: np.cbrt(2 + np.cos(v)),
]  # fmt: skip
BINARY: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a * b,
    lambda a, b: a / (1 + b * b),
    lambda a, b: (a - b) ** 2,
    np.maximum,
    np.minimum,
    lambda a, b: np.hypot(a, 1 + b * b),
    lambda a, b: np.arctan2(a, 2 + b * b),
    np.logaddexp,
    lambda a, b: (1 + a * a) ** np.tanh(b),
    lambda a, b: np.where(a < b, a * a, b),
]


def random_program(seed: int) -> tuple[Program, tuple[float, ...]]:
    """A function of two or three numbers, six operations deep at most, and a point."""
    rng = np.random.default_rng([seed, 7])
    count = int(rng.integers(2, 4))
    plan = [
        (bool(rng.random() < 0.45), *(float(x) for x in rng.random(3)))
        for _ in range(int(rng.integers(2, 7)))
    ]

    def program(*xs: Any) -> Any:
        values = list(xs)
        for is_unary, which, first, second in plan:
            a = values[-1] if first < 0.5 else values[int(first * len(values))]
            b = values[int(second * len(values))]
            if is_unary:
                values.append(UNARY[int(which * len(UNARY))](a))
            else:
                values.append(BINARY[int(which * len(BINARY))](a, b))
        return values[-1] + values[-2] * values[0]

    point = tuple(float(x) for x in np.round(rng.normal(0, 1, count), 3))
    return program, point
