"""Many linear forms at once: each row is Σ value · atom + constant, kept sparse.

An atom is a number: a part of θ, or one nonlinear function of other forms. What cancels between two
rows cancels exactly: each value carries a bound of the rounding in it, which is 0 where the sums
and products were exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
EPS: Final = 2.0**-52
_SPLIT: Final = 134217729.0  # 2²⁷ + 1: Dekker's splitter


@dataclass(frozen=True, eq=False)
class Forms:
    """Rows of linear forms.

    Attributes:
        constant: (rows,).
        row, atom: (entries,), sorted by row, then atom, without repetition.
        value, error: (entries,); the coefficient lies within ``value`` ± ``error``.
        slack: (rows,), the same bound for ``constant``; None where nothing was rounded.
    """

    constant: Array
    row: Array
    atom: Array
    value: Array
    error: Array
    slack: Array | None = None

    @cached_property
    def doubt(self) -> Array:
        """(rows,), a bound of the rounding in the constants."""
        return np.zeros(self.size) if self.slack is None else self.slack

    @property
    def size(self) -> int:
        return len(self.constant)

    @cached_property
    def starts(self) -> Array:
        """Row r has the entries starts[r] ... starts[r + 1] - 1."""
        return np.searchsorted(self.row, np.arange(self.size + 1))

    @cached_property
    def count(self) -> Array:
        """How many atoms each row has."""
        return np.diff(self.starts)

    def take(self, index: Array) -> Forms:
        """The rows of these numbers; -1 is a row of zeros."""
        index = np.asarray(index, np.int64).ravel()
        known = np.maximum(index, 0)
        if not self.size:
            return constants(np.zeros(index.size))
        counts = np.where(index < 0, 0, self.count[known])
        row = np.repeat(np.arange(index.size), counts)
        offset = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts)
        entry = self.starts[known][row] + offset
        constant = np.where(index < 0, 0.0, self.constant[known])
        doubt = np.where(index < 0, 0.0, self.doubt[known])
        return Forms(constant, row, self.atom[entry], self.value[entry], self.error[entry], doubt)

    def scaled(self, factor: Array | float) -> Forms:
        """Each row times a number of its own."""
        factor = np.broadcast_to(np.asarray(factor, np.float64), (self.size,))
        value, error = product(self.value, factor[self.row])
        error = error + self.error * np.abs(factor[self.row]) * (1 + EPS)
        constant, doubt = product(self.constant, factor)
        doubt = doubt + self.doubt * np.abs(factor) * (1 + EPS)
        return _kept(constant, self.row, self.atom, value, error, doubt)

    def divided(self, divisor: Array | float) -> Forms:
        """Each row divided by a number of its own that is not 0."""
        whole = np.broadcast_to(np.asarray(divisor, np.float64), (self.size,))
        by = whole[self.row]
        value = self.value / by
        back, lost = product(value, by)
        error = np.where((back == self.value) & (lost == 0), 0.0, ulp(value))
        error = error + self.error / np.abs(by) * (1 + 4 * EPS)
        constant = self.constant / whole
        doubt = np.where(constant == 0, 0.0, ulp(constant)) + self.doubt / np.abs(whole) * 1.01
        return _kept(constant, self.row, self.atom, value, error, doubt)

    def plus(self, other: Forms, sign: float = 1.0) -> Forms:
        """The sum or the difference, row by row."""
        constant, doubt = two_sum(self.constant, sign * other.constant)
        doubt = (doubt + self.doubt + other.doubt) * (1 + EPS)
        if not other.row.size:
            return Forms(constant, self.row, self.atom, self.value, self.error, doubt)
        return collected(
            constant,
            np.concatenate([self.row, other.row]),
            np.concatenate([self.atom, other.atom]),
            np.concatenate([self.value, sign * other.value]),
            np.concatenate([self.error, other.error]),
            doubt,
        )

    def shifted(self, constant: Array | float) -> Forms:
        """Each row plus a number of its own."""
        total, doubt = two_sum(self.constant, np.broadcast_to(constant, (self.size,)))
        doubt = (doubt + self.doubt) * (1 + EPS)
        return Forms(total, self.row, self.atom, self.value, self.error, doubt)

    def summed(self, group: Array, size: int) -> Forms:
        """Row g of the result is the sum of all rows r with group[r] = g."""
        constant: Array = np.zeros(size)
        doubt: Array = np.zeros(size)
        if self.size:
            constant = np.bincount(group, self.constant, size)
            spread = np.bincount(group, np.abs(self.constant), size)
            exact = spread <= 2.0**52 * _least_unit(self.constant, group, size)
            count = np.bincount(group, minlength=size)
            doubt = np.bincount(group, self.doubt, size) * 1.01
            doubt = doubt + np.where(exact, 0.0, spread * count * EPS)
        return collected(constant, group[self.row], self.atom, self.value, self.error, doubt)

    def key(self, r: int) -> tuple[bytes, bytes, float]:
        """Equal for equal rows."""
        part = slice(self.starts[r], self.starts[r + 1])
        return self.atom[part].tobytes(), self.value[part].tobytes(), float(self.constant[r])

    def entries(self, r: int) -> tuple[Array, Array, Array]:
        """The atoms, values and errors of one row."""
        part = slice(self.starts[r], self.starts[r + 1])
        return self.atom[part], self.value[part], self.error[part]

    def all_entries(self, truth: Array) -> Array:
        """For each row whether it holds for all of its entries."""
        failed = np.bincount(self.row[~truth], minlength=self.size)
        return np.asarray(failed == 0)

    def sign(self) -> Array:
        """1, -1, or 0 where rounding hides the sign; one per entry."""
        return np.where(np.abs(self.value) > self.error, np.sign(self.value), 0.0)


def ulp(x: Array) -> Array:
    """The distance to the next number, a bound of the rounding of one operation."""
    return np.spacing(np.abs(x)) + 0.0


def product(a: Array, b: Array) -> tuple[Array, Array]:
    """a b as rounded, and a bound of the rounding, 0 where there was none (Dekker 1971)."""
    with np.errstate(all="ignore"):
        y = a * b
        a1, b1 = _head(a), _head(b)
        a2, b2 = a - a1, b - b1
        lost = a2 * b2 - (((y - a1 * b1) - a2 * b1) - a1 * b2)
        safe = (np.abs(y) > 1e-280) & (np.abs(a) < 1e290) & (np.abs(b) < 1e290)
        known = (a == 0) | (b == 0) | (safe & (lost == 0))
    return y, np.where(known, 0.0, ulp(y))


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b as rounded, and a bound of the rounding, 0 where there was none (Knuth's two-sum)."""
    with np.errstate(all="ignore"):
        total = a + b
        back = total - a
        lost = (a - (total - back)) + (b - back)
    return total, np.where(lost == 0, 0.0, ulp(total))


def _least_unit(x: Array, group: Array, size: int) -> Array:
    """For each group the largest power of two of which all of its numbers are multiples."""
    least = np.full(size, np.inf)
    np.minimum.at(least, group, _unit(x))
    return least


def _unit(x: Array) -> Array:
    """The largest power of two of which x is a multiple: sums below 2⁵³ of it are exact."""
    mantissa, exponent = np.frexp(np.where(np.isfinite(x), x, 1.0))
    whole = np.abs(mantissa * 2.0**53).astype(np.int64)
    lowest = (whole & -whole).astype(np.float64)
    with np.errstate(all="ignore"):
        return np.where(x == 0, np.inf, np.ldexp(lowest, exponent - 53))


def _head(x: Array) -> Array:
    c = _SPLIT * x
    return c - (c - x)


def constants(values: Array) -> Forms:
    """Rows without atoms."""
    none, empty = np.zeros(0, np.int64), np.zeros(0)
    return Forms(np.asarray(values, np.float64).ravel(), none, none, empty, empty)


def single(atoms: Array) -> Forms:
    """One row for each atom: the atom itself."""
    n = len(atoms)
    return Forms(np.zeros(n), np.arange(n), np.asarray(atoms), np.ones(n), np.zeros(n))


def stacked(parts: Sequence[Forms]) -> Forms:
    """The rows of all parts, one part behind another."""
    ends = np.cumsum([0, *(p.size for p in parts)])
    return Forms(
        np.concatenate([p.constant for p in parts]),
        np.concatenate([p.row + end for p, end in zip(parts, ends, strict=False)]),
        np.concatenate([p.atom for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.error for p in parts]),
        np.concatenate([p.doubt for p in parts]),
    )


def _kept(
    constant: Array, row: Array, atom: Array, value: Array, error: Array, doubt: Array | None
) -> Forms:
    """Without the entries that are 0 for certain."""
    kept = (value != 0) | (error != 0)
    if kept.all():
        return Forms(constant, row, atom, value, error, doubt)
    return Forms(constant, row[kept], atom[kept], value[kept], error[kept], doubt)


def collected(
    constant: Array,
    row: Array,
    atom: Array,
    value: Array,
    error: Array,
    doubt: Array | None = None,
) -> Forms:
    """Entries in any order, those of one row and one atom added up."""
    order = np.lexsort((atom, row))
    row, atom, value, error = row[order], atom[order], value[order], error[order]
    first = np.ones(row.size, bool)
    first[1:] = (row[1:] != row[:-1]) | (atom[1:] != atom[:-1])
    if first.all():
        return _kept(constant, row, atom, value, error, doubt)
    start = np.flatnonzero(first)
    terms = np.diff(np.append(start, row.size))
    total, rounding = _sums(value, start, terms)
    total_error = np.add.reduceat(error, start) * (1 + terms * EPS) + rounding
    return _kept(constant, row[first], atom[first], total, total_error, doubt)


def _sums(value: Array, start: Array, terms: Array) -> tuple[Array, Array]:
    """The sums of runs of values, rounded once, and a bound of that rounding, 0 where exact."""
    total = np.add.reduceat(value, start)
    rounding = np.zeros(total.size)
    two = terms == 2
    rounding[two] = two_sum(value[start[two]], value[start[two] + 1])[1]
    for k in np.flatnonzero(terms > 2):
        run = value[start[k] : start[k] + terms[k]].tolist()
        total[k] = _exact_sum(run)
        rounding[k] = 0.0 if _exact_sum([*run, -total[k]]) == 0 else ulp(total[k])
    return total, rounding


def _exact_sum(run: list[float]) -> float:
    """The sum, rounded once (Shewchuk 1997); NaN where an infinity is in it."""
    return math.fsum(run) if all(map(math.isfinite, run)) else math.nan


def choose(options: Sequence[Forms], which: Array) -> Forms:
    """For each row the row of the same number of one of several."""
    n = options[0].size
    if n == 0:
        return options[0]
    if (which == which[0]).all():
        return options[int(which[0])]
    return stacked(options).take(which * n + np.arange(n))
