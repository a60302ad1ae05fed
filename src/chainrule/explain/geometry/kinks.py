"""Whether a function has a kink at a point, by its values alone."""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.explain.geometry.field import Field, Vector
from chainrule.explain.geometry.plane import unit_vector

#: Relative change of slope across a point, to one side and the other, that is taken for a kink.
_KINK: Final = 1e-3
#: Entries of θ up to which kinks are looked for along each.
_FEW: Final = 24


def has_kink(field: Field, value: float, gradient: Vector, seed: int) -> bool:
    """Whether along some line f rises by another slope ahead than behind, however near.

    Where f is smooth the two slopes differ by the curvature times the distance, ten times less at
    a tenth of it; at a kink their difference stays.
    """
    rng = np.random.default_rng(seed)
    size = 1.0 + float(np.linalg.norm(field.theta))
    directions = [gradient, *rng.standard_normal((4, field.size))]
    if field.size <= _FEW:
        directions = [*directions, *np.eye(field.size)]
    return any(_jumps(field, value, unit_vector(u), size) for u in directions)


def _jumps(field: Field, value: float, u: Vector, size: float) -> bool:
    far, near = (_slopes(field, value, u, h * size) for h in (1e-4, 1e-5))
    jump, before = abs(near[0] - near[1]), abs(far[0] - far[1])
    noise = 1e-10 * abs(value) / size
    return bool(jump > 0.5 * before and jump > max(_KINK * np.max(np.abs(near)), noise))


def _slopes(field: Field, value: float, u: Vector, h: float) -> tuple[float, float]:
    ahead, behind = field.value(field.theta + h * u), field.value(field.theta - h * u)
    return (ahead - value) / h, (value - behind) / h
