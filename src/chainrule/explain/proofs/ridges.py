"""A convex f as Σ c φ(A θ + b) + gᵀθ: how each part grows without end, and where it is flat."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from chainrule.explain.proofs.atoms import Block
from chainrule.explain.proofs.composition import Composition
from chainrule.explain.proofs.forms import Forms, constants, stacked
from chainrule.explain.proofs.program import Array

_MOST_ROWS: Final = 20_000
_MOST_NUMBERS: Final = 1_000_000

#: What a function of one affine z does far out along a direction d, by a = its row times d:
#: "both": grows faster than any line unless a = 0. "up": so for a > 0, goes to a limit for a < 0.
#: "ramp": grows like max(a, 0). "abs": like |a|. "log": slower than any line, only for a >= 0.
_GROWTH: Final[Mapping[str, str]] = {
    "exp": "up", "softplus": "ramp", "positive_part": "ramp", "huber": "abs", "cosh": "both",
    "log": "log", "log_sum_exp": "largest", "max": "largest", "x_log_x": "both",
}  # fmt: skip
#: Those that are strictly convex in z.
_STRICT: Final = ("exp", "softplus", "power", "cosh", "log", "x_log_x")


@dataclass(frozen=True, eq=False)
class Ridges:
    """The parts of f, each a convex function of some rows of A θ.

    Attributes:
        linear: (n,), g.
        rows: (rows, n), A; shifts: (rows,), b.
        growth: one per part, of the table above.
        weights: (parts,), c > 0.
        groups: the rows of each part: one, or all arguments of a log-sum-exp or a maximum.
        strict: whether each part is strictly convex in its row (log-sum-exp: in their
            differences).
        analytic: whether each has no corner and no straight piece.
        quadratic: whether each is a square.
    """

    linear: Array
    rows: Array
    shifts: Array
    growth: tuple[str, ...]
    weights: Array
    groups: tuple[Array, ...]
    strict: Array
    analytic: Array
    quadratic: Array

    @property
    def size(self) -> int:
        return len(self.linear)

    def evened(self) -> Ridges | None:
        """The same with the largest entry of each part 1, as far as f's growth goes.

        None where a number gets lost on the way.
        """
        sizes = np.abs(self.rows).max(axis=1, initial=0)
        longest = np.array([sizes[group].max() or 1.0 for group in self.groups])
        by = np.repeat(longest, [len(group) for group in self.groups])
        same = np.isin(self.growth, ("ramp", "abs", "largest"))
        weights = np.where(same, self.weights * longest, self.weights)
        if not np.isfinite(weights).all() or not weights.all():
            return None
        return replace(self, rows=self.rows / by[:, None], weights=weights)

    def bending(self) -> Array:
        """Rows along which f bends: f is strictly convex in a direction that one of them sees."""
        parts = [self.bends(int(k)) for k in np.flatnonzero(self.strict)]
        return np.concatenate(parts) if parts else np.zeros((0, self.size))

    def bends(self, k: int) -> Array:
        """The rows along which part k bends."""
        rows = self.rows[self.groups[k]]
        return rows[1:] - rows[:1] if self.growth[k] == "largest" else rows

    def moving(self) -> Array:
        """Rows such that f does not change along d if all of them are 0 on it."""
        parts = [np.atleast_2d(self.linear)]
        for k, group in enumerate(self.groups):
            rows = self.rows[group]
            if self.growth[k] == "largest":
                parts[0] = parts[0] + self.weights[k] * rows[:1]
                rows = rows[1:] - rows[:1]
            parts.append(rows)
        return np.concatenate(parts)


def ridges(c: Composition) -> Ridges | None:
    """f in that shape; None where it has a part of another kind, or is too large."""
    n, form = c.program.size, c.form
    if form.row.size > _MOST_ROWS or n * max(form.row.size, 1) > _MOST_NUMBERS:
        return None
    affine = c.atoms.convex[form.atom] & c.atoms.concave[form.atom]
    linear = _dense(c, _only(form, affine), n)[0]
    parts: list[tuple[str, float, bool, bool, bool, Forms]] = []
    for atom, value in zip(form.atom[~affine], form.value[~affine], strict=True):
        part = _part(c, int(atom), float(value))
        if part is None:
            return None
        parts.append(part)
    stack = stacked([p[-1] for p in parts]) if parts else constants(np.zeros(0))
    if n * max(stack.size, 1) > _MOST_NUMBERS:
        return None
    ends = np.cumsum([0, *(p[-1].size for p in parts)])
    groups = tuple(np.arange(a, b) for a, b in itertools.pairwise(ends.tolist()))
    flags = [np.array([p[k] for p in parts], bool) for k in (2, 3, 4)]
    weights = np.array([abs(p[1]) for p in parts])
    rows = _dense(c, stack, n)
    shifts = c.atoms.by_theta(stack).constant if stack.size else np.zeros(0)
    return Ridges(linear, rows, shifts, tuple(p[0] for p in parts), weights, groups, *flags)


def restricting(c: Composition) -> list[Forms]:
    """The arguments, by θ, of the parts of f that have no value where those are negative."""
    found = []
    for number in np.unique(c.atoms.block[c.form.atom]).tolist():
        block = c.atoms.blocks[number]
        p = block.parameter
        is_root = block.kind == "power" and (p < 0 or not float(p).is_integer())
        if is_root or block.kind in ("log", "x_log_x"):
            atoms = c.form.atom[c.atoms.block[c.form.atom] == number]
            found.append(c.atoms.by_theta(c.atoms.arguments_of(atoms)))
    return found


def _only(form: Forms, kept: Array) -> Forms:
    return Forms(form.constant, form.row[kept], form.atom[kept], form.value[kept], form.error[kept])


def _dense(c: Composition, forms: Forms, n: int) -> Array:
    opened = c.atoms.by_theta(forms)
    dense = np.zeros((forms.size, n))
    dense[opened.row, opened.atom] = opened.value
    return dense


def _part(c: Composition, atom: int, value: float) -> Any:
    """(growth, weight, strict, analytic, quadratic, rows) of one atom of f."""
    block, i = c.atoms.of(atom)
    if not block.arguments or len(block.arguments) > 1:
        return None
    rows = block.arguments[0].take(block.rows_of(i))
    inner = _inside_size(c, rows) if block.kind == "power" else None
    rows = rows if inner is None else inner
    if not c.atoms.affine(rows).all():
        return None
    growth = _power_growth(block) if block.kind == "power" else _GROWTH.get(block.kind)
    if growth is None or (growth == "log") != (value < 0 and block.kind == "log"):
        if not (growth == "log" and block.kind == "power"):
            return None
    strict = block.kind in _STRICT or block.kind == "log_sum_exp"
    analytic = block.kind in ("exp", "softplus", "log", "log_sum_exp", "power", "x_log_x", "cosh")
    square = block.kind == "power" and block.parameter == 2
    return growth, value, strict, analytic, square, rows


def _inside_size(c: Composition, rows: Forms) -> Forms | None:
    """z, where the argument of a power is |z| = 2 max(z, 0) - z."""
    part = c.atoms.is_kind(rows, "positive_part")
    if rows.size != 1 or part.sum() != 1 or rows.value[part][0] != 2:
        return None
    z = c.atoms.arguments_of(rows.atom[part])
    rest = _only(rows, ~part).plus(z)
    return z if not rest.count[0] and not rest.constant[0] else None


def _power_growth(block: Block) -> str | None:
    p = block.parameter
    if p > 1:
        return "both"
    return "log" if p < 0 else None
