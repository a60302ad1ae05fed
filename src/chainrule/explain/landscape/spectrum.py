"""The Hessian's eigenvalues at a point: all of a small one, both ends of a large one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.diagnosis.curvature import lanczos
from chainrule.errors import GradientError, TrainingError
from chainrule.explain.landscape.field import EXACT, Field

_EPS: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a Hessian, in units of loss / parameter².

    Attributes:
        smallest, largest: the extreme ones.
        smallest_direction, largest_direction: their eigenvectors, of length 1: float64[size].
        zero: what lies within this of 0 cannot be told from it.
        values: all of them, ascending; None where only the ends are known (``vectors`` too).
        vectors: eigenvectors as columns, float64[size, size].
        products: Hessian-vector products that it took.
    """

    smallest: float
    largest: float
    smallest_direction: np.ndarray
    largest_direction: np.ndarray
    zero: float
    values: np.ndarray | None
    vectors: np.ndarray | None
    products: int

    @property
    def steepest(self) -> float:
        """The largest |eigenvalue|."""
        return max(abs(self.smallest), abs(self.largest))

    @property
    def counts(self) -> tuple[int, int, int] | None:
        """How many are negative, 0 to the error, positive; None where not all are known."""
        if self.values is None:
            return None
        low, high = int(np.sum(self.values < -self.zero)), int(np.sum(self.values > self.zero))
        return low, len(self.values) - low - high, high

    @property
    def has_negative(self) -> bool:
        """Whether some direction bends down, beyond the error."""
        return self.smallest < -self.zero

    @property
    def has_positive(self) -> bool:
        """Whether some direction bends up, beyond the error."""
        return self.largest > self.zero

    @property
    def may_be_flat(self) -> bool:
        """Whether an eigenvalue is 0 to the error; of a large Hessian, whether an end is."""
        if self.counts is not None:
            return self.counts[1] > 0
        return not (self.has_negative or self.smallest > self.zero) or not (
            self.has_positive or self.largest < -self.zero
        )

    def flat(self) -> np.ndarray:
        """Directions that do not bend, as rows; of a large Hessian none are known."""
        if self.values is None or self.vectors is None:
            return np.zeros((0, len(self.smallest_direction)))
        return np.asarray(self.vectors[:, np.abs(self.values) <= self.zero].T)


def spectrum(field: Field, v: np.ndarray, seconds: float, seed: int = 0) -> Spectrum:
    """The eigenvalues at v: all by the whole Hessian, or both ends by Lanczos.

    Args:
        field: the function.
        v: where.
        seconds: after which Lanczos ends, as far as it then is.
        seed: of Lanczos's first vector.

    Raises:
        TrainingError: the Hessian is not finite, or the function has none.
    """
    try:
        if field.size <= EXACT:
            return _whole(field.hessian(v))
        found = lanczos(lambda d: field.product(v, d), field.size, seconds=seconds, seed=seed)
    except GradientError as error:
        raise TrainingError(f"no second derivative: {error.message}", error.hint) from error
    return Spectrum(
        found.smallest, found.largest, found.smallest_direction, found.largest_direction,
        max(found.smallest_error, found.largest_error), None, None, found.products,
    )  # fmt: skip


def _whole(hessian: np.ndarray) -> Spectrum:
    if not np.isfinite(hessian).all():
        raise TrainingError(
            "the Hessian is not finite here: the loss has no curvature",
            "look at a point at a small distance",
        )
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    size = float(np.max(np.abs(values)))
    # What the two halves differ by is rounding of the products; eigh adds its own.
    zero = 2 * float(np.max(np.abs(hessian - hessian.T))) + 16 * len(values) * _EPS * size
    return Spectrum(
        float(values[0]), float(values[-1]), vectors[:, 0], vectors[:, -1], zero, values, vectors,
        len(values),
    )  # fmt: skip
