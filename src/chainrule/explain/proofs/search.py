"""The search for a chord below f.

Where the Hessian has a negative eigenvalue, along random lines, between equivalent networks (hidden
units exchanged), and by ascent of the gap itself.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.explain.proofs.chord import Candidate, Chord, confirmed, measured
from chainrule.explain.proofs.program import Array, Program, shape_of, size_of
from chainrule.explain.subject import Subject
from chainrule.gradients.jacobian import hessian, hvp
from chainrule.gradients.reverse import grad

_SCALES: Final = (1.0, 0.1, 10.0, 0.01, 100.0)
_STEPS: Final = tuple(10.0**k for k in (0, -1, 1, -2, -3, -4, 2, -5, -6, 3, -7))
#: A relative gap in float64 that is worth a check in high precision.
_WORTH: Final = 1e-15
_DENSE: Final = 60
#: Gaps that are gathered, and for how many seconds, before the clearest is looked at first.
_FIRST: Final = 60
_GATHERED: Final = 0.25


@dataclass(eq=False)
class Search:
    """A search under way.

    Attributes:
        low, high: the box, as vectors.
        directions: directions in which f is known to bend down.
        tried: what was done, for the verdict.
    """

    subject: Subject
    program: Program
    low: Array
    high: Array
    deadline: float
    directions: tuple[Array, ...] = ()
    coordinates: Array | None = None
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    tried: dict[str, int] = field(default_factory=dict)
    failed: int = 0

    def run(self) -> Chord | None:
        """The first chord that is confirmed, rounded to few digits where that holds too."""
        for candidate in self._best_first():
            if candidate is None or candidate.relative < _WORTH:
                if time.monotonic() > self.deadline:
                    return None
                continue
            found = self._confirmed(candidate)
            if found is not None:
                return found
            if time.monotonic() > self.deadline or self.failed > 200:
                return None
        return None

    def _best_first(self) -> Iterator[Candidate | None]:
        """The clearest gaps of a first part of the search, then the rest as it comes."""
        begun, stream, first = time.monotonic(), self._candidates(), []
        for candidate in stream:
            if candidate is not None and candidate.relative >= _WORTH:
                first.append(candidate)
            now = time.monotonic()
            if len(first) >= _FIRST or (first and now - begun > _GATHERED) or now > self.deadline:
                break
        yield from sorted(first, key=lambda c: c.rank)[:20]
        yield from stream

    def _confirmed(self, candidate: Candidate) -> Chord | None:
        for short in self._shortened(candidate):
            found = confirmed(self.program, short)
            if found is not None:
                return found
        self.failed += 1
        return None

    def _shortened(self, c: Candidate) -> Iterator[Candidate]:
        """With as few digits as keep half of the gap; at last the numbers themselves."""
        size = float(np.max(np.abs([c.theta1, c.theta2]), initial=1e-300))
        exponent = int(np.floor(np.log10(size))) if size > 0 else 0
        for digits in (1, 2, 3, 5, 8):
            ends = [
                np.round(end * 1.0, digits - 1 - exponent) + 0.0 for end in (c.theta1, c.theta2)
            ]
            if not all(self._inside(end) for end in ends):
                continue
            found = measured(self.program, ends[0], ends[1], c.t)
            if found is not None and found.relative > max(0.3 * c.relative, _WORTH):
                yield found
        yield c

    def _inside(self, theta: Array) -> bool:
        return bool((theta >= self.low).all() and (theta <= self.high).all())

    def _clipped(self, theta: Array) -> Array:
        return np.clip(theta, self.low, self.high)

    def _chord(self, a: Array, b: Array, t: float = 0.5) -> Candidate | None:
        a, b = self._clipped(a), self._clipped(b)
        return measured(self.program, a, b, t)

    # -- where to look -------------------------------------------------------------------------

    def _candidates(self) -> Iterator[Candidate | None]:
        for v in self.directions:
            yield from self._along(self._clipped(self.program.start), v)
            yield from self._along(self._clipped(np.zeros(self.program.size)), v)
        given = [] if self.coordinates is not None else [self.program.start]
        for theta in (np.zeros(self.program.size), *given):
            yield from self._bends(self._clipped(theta))
        if self.program.size == 1:
            yield from self._on_a_line()
        yield from self._exchanged()
        rounds = 0
        while time.monotonic() < self.deadline and rounds < 400:
            for scale in _SCALES:
                yield from self._random_chords(scale)
                yield from self._bends(self._point(scale))
            rounds += 1
            if rounds == 2:
                yield from self._ascents()

    def _point(self, scale: float) -> Array:
        """A random point about the start or 0, in the box."""
        n = self.program.size
        at_start = self.coordinates is None and self.rng.random() < 0.3
        centre = self.program.start if at_start else np.zeros(n)
        found = centre + scale * self._noise()
        bounded = np.isfinite(self.low) & np.isfinite(self.high)
        if bounded.any() and self.rng.random() < 0.7:
            uniform = self.rng.random(n)
            low, high = np.where(bounded, self.low, 0), np.where(bounded, self.high, 0)
            found = np.where(bounded, low + uniform * (high - low), found)
        half = np.isfinite(self.low) & ~np.isfinite(self.high)
        found = np.where(half, self.low + np.abs(found), found)
        return self._clipped(found)

    def _noise(self) -> Array:
        noise = self.rng.normal(size=self.program.size)
        if self.coordinates is not None:
            mask = np.zeros(self.program.size)
            mask[self.coordinates] = 1
            noise = noise * mask
        return noise

    def _random_chords(self, scale: float) -> Iterator[Candidate | None]:
        self._count("random chords", 8)
        for t in (0.5, 0.5, 0.25, 0.75, 0.1, 0.9):
            yield self._chord(self._point(scale), self._point(scale), t)
        a = self._point(scale)
        sparse = a.copy()
        k = int(self.rng.integers(self.program.size))
        sparse[k] = self._point(scale)[k]
        yield self._chord(a, sparse)
        yield self._chord(a, self._clipped(-a))

    def _along(self, centre: Array, v: Array) -> Iterator[Candidate | None]:
        """Chords about a point in one direction, of many lengths."""
        found = [self._chord(centre - h * v, centre + h * v) for h in _STEPS]
        good = [c for c in found if c is not None]
        yield from sorted(good, key=lambda c: -c.relative)[:3]

    def _on_a_line(self) -> Iterator[Candidate | None]:
        """One number: second differences on grids of several sizes."""
        for scale in _SCALES:
            x = self._grid(scale)
            self._count("points of a grid", x.size)
            f = np.array([self.program.run(np.array([v])) for v in x])
            with np.errstate(all="ignore"):
                for step in (1, 8):
                    a, m, b = f[: -2 * step], f[step:-step], f[2 * step :]
                    gap = (m - 0.5 * (a + b)) / (np.abs(m) + np.abs(a) + np.abs(b))
                    gap = np.where(np.isfinite(a) & np.isfinite(b) & ~np.isfinite(m), 1.0, gap)
                    k = int(np.argmax(np.nan_to_num(gap, nan=-1.0)))
                    yield self._chord(x[k : k + 1], x[k + 2 * step : k + 2 * step + 1])

    def _grid(self, scale: float) -> Array:
        low = self.low[0] if np.isfinite(self.low[0]) else -scale
        high = self.high[0] if np.isfinite(self.high[0]) else scale
        if np.isfinite(self.low[0]) and not np.isfinite(self.high[0]):
            high = low + scale
        if np.isfinite(self.high[0]) and not np.isfinite(self.low[0]):
            low = high - scale
        return np.linspace(low, high, 161)

    def _bends(self, theta: Array) -> Iterator[Candidate | None]:
        """Along the eigenvectors of the Hessian at a point with negative eigenvalues."""
        try:
            with np.errstate(all="ignore"):
                vectors = self._negative_directions(theta)
        except (ChainruleError, np.linalg.LinAlgError, ValueError, IndexError, NotImplementedError):
            return
        self._count("Hessians", 1)
        for v in vectors:
            yield from self._along(theta, v)

    def _negative_directions(self, theta: Array) -> list[Array]:
        places = np.arange(theta.size) if self.coordinates is None else self.coordinates
        if places.size > _DENSE:
            return self._by_products(theta)
        H = self._hessian(theta, places)
        if not np.isfinite(H).all():
            return []
        values, vectors = np.linalg.eigh(0.5 * (H + H.T))
        found = []
        for k in np.flatnonzero(values < 0)[:2]:
            v = np.zeros(theta.size)
            v[places] = vectors[:, k]
            found.append(v)
        return found

    def _function(self, base: Array, places: Array) -> Any:
        """f of some numbers of θ, in float64; the others stay."""

        def f(z: Any) -> Any:
            whole = np.zeros(base.size)
            whole[places] = -base[places]
            spread = np.zeros((base.size, places.size))
            spread[places, np.arange(places.size)] = 1
            theta = (base + whole) + spread @ z if places.size < base.size else z
            return self.subject.call(self._leaves(theta))

        return f

    def _leaves(self, theta: Any) -> dict[str, Any]:
        found = {}
        for name, node in self.program.variables.items():
            start = self.program.starts[name]
            size = size_of(node)
            found[name] = np.reshape(theta[start : start + size], shape_of(node))
        return found

    def _hessian(self, theta: Array, places: Array) -> Array:
        return np.asarray(hessian(self._function(theta, places))(theta[places]), np.float64)

    def _by_products(self, theta: Array) -> list[Array]:
        """The least eigenvector by a few Lanczos steps on Hessian-vector products."""
        f = self._function(theta, np.arange(theta.size))
        q = self.rng.normal(size=theta.size)
        basis, columns = [q / np.linalg.norm(q)], []
        for _ in range(8):
            w = np.asarray(hvp(f, theta, basis[-1]), np.float64)
            columns.append(w)
            w = w - np.stack(basis).T @ (np.stack(basis) @ w)
            size = float(np.linalg.norm(w))
            if not np.isfinite(size) or size < 1e-12 or time.monotonic() > self.deadline:
                break
            basis.append(w / size)
        Q = np.stack(basis[: len(columns)])
        values, vectors = np.linalg.eigh(Q @ np.stack(columns).T)
        return [vectors[:, 0] @ Q] if values[0] < 0 else []

    # -- networks --------------------------------------------------------------------------------

    def _exchanged(self) -> Iterator[Candidate | None]:
        """Two hidden units exchanged: the same loss at both ends, another half-way."""
        for swap in hidden_pairs(self.program):
            self._count("exchanges of hidden units", 1)
            for scale in (1.0, 2.0, 0.5):
                theta = self._descended(self._point(scale))
                yield self._chord(theta, theta[swap])

    def _descended(self, theta: Array) -> Array:
        """Some steps of gradient descent, none of which climbs."""
        if theta.size > 2000:
            return theta
        step, value = 0.5, self.program.run(theta)
        f = grad(self._function(theta, np.arange(theta.size)))
        for _ in range(40):
            try:
                slope = np.asarray(f(theta), np.float64)
            except ChainruleError:
                return theta
            if self.coordinates is not None:
                mask = np.zeros(theta.size)
                mask[self.coordinates] = 1
                slope = slope * mask
            new = self._clipped(theta - step * slope)
            reached = self.program.run(new)
            if np.isfinite(reached) and reached < value:
                theta, value, step = new, reached, step * 1.3
            else:
                step *= 0.4
            if time.monotonic() > self.deadline:
                break
        return theta

    def _ascents(self) -> Iterator[Candidate | None]:
        """The gap itself climbed from random chords, by small random changes that help."""
        if self.program.size > 200:
            return
        for scale in _SCALES[:3]:
            self._count("ascents of the gap", 1)
            best = self._chord(self._point(scale), self._point(scale))
            if best is None:
                continue
            reach = scale
            for _ in range(60):
                new = self._chord(best.theta1 + reach * self._noise(),
                                  best.theta2 + reach * self._noise())  # fmt: skip
                better = new is not None and new.relative > best.relative
                best, reach = (new, reach) if better and new else (best, reach * 0.9)
                if time.monotonic() > self.deadline:
                    break
            yield best

    def _count(self, what: str, by: int) -> None:
        self.tried[what] = self.tried.get(what, 0) + by


def hidden_pairs(program: Program) -> Iterator[Array]:
    """For weights (h, a), bias (h,) and the next weights (k, h): θ with units 0 and 1 exchanged."""
    leaves = list(program.variables.items())
    shapes = {name: node.type.shape for name, node in leaves}
    matrices = [name for name, shape in shapes.items() if len(shape) == 2]
    for first, second in itertools.pairwise(matrices):
        for own, other in ((0, 1), (1, 0)):
            h = shapes[first][own]
            if isinstance(h, int) and h > 1 and shapes[second][other] == h:
                yield _swap(program, first, own, second, other)
                break


def _swap(program: Program, first: str, own: int, second: str, other: int) -> Array:
    parts = program.split(np.arange(program.size))
    h = parts[first].shape[own]
    order = np.arange(h)
    order[:2] = order[1::-1]
    names = list(parts)
    between = names[names.index(first) + 1 : names.index(second)]
    for name in [first, *(b for b in between if parts[b].shape == (h,))]:
        axis = own if name == first else 0
        parts[name] = np.take(parts[name], order, axis=axis)
    parts[second] = np.take(parts[second], order, axis=other)
    return np.concatenate([part.ravel() for part in parts.values()]).astype(np.int64)


def hidden_coordinates(
    subject: Subject, program: Program, rng: np.random.Generator
) -> Array | None:
    """Of a large network a few weights on the way through two hidden units; None if it is none."""
    leaves = {name: node.type.shape for name, node in program.variables.items()}
    matrices = [name for name, shape in leaves.items() if len(shape) == 2]
    for first, second in itertools.pairwise(matrices):
        h: Any = leaves[first][0]
        if leaves[second][1] == h and h > 1:
            return _chosen(subject, program, first, second, rng)
    return None


def _chosen(subject: Subject, program: Program, first: str, second: str,
            rng: np.random.Generator) -> Array:  # fmt: skip
    """The weights of units 0 and 1: from the inputs that matter most, and to some outputs."""
    numbers = program.split(np.arange(program.size, dtype=np.float64))
    theta = np.zeros(program.size)
    for part in numbers.values():
        size = part.shape[-1] if part.ndim else 1
        theta[part.astype(np.int64).ravel()] = rng.normal(size=part.size) / np.sqrt(size)
    leaves = program.split(theta)
    slope = np.asarray(grad(lambda w: subject.call({**leaves, first: w}))(leaves[first]))
    top = int(np.argmax(np.abs(slope[:2]).sum(axis=0)))
    own, others = numbers[first].astype(np.int64), numbers[second].astype(np.int64)
    outputs = min(2, others.shape[0])
    return np.concatenate([own[:2, top], others[:outputs, :2].ravel()])
