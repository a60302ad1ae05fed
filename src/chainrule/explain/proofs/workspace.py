"""What the rules of composition work with: values as linear forms, and how atoms are made of them.

Equal atoms are one: every function of an affine argument is brought into one shape first
(softplus(-z) is softplus(z) - z, |z| is 2 max(z, 0) - z), so that the stable spellings of a loss
and its plain one become the same form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs import laws
from chainrule.explain.proofs.atoms import Atoms
from chainrule.explain.proofs.forms import Forms, choose, constants, stacked
from chainrule.explain.proofs.intervals import Interval
from chainrule.explain.proofs.program import Program
from chainrule.ir.graph import Node

Array: TypeAlias = np.ndarray[Any, Any]
#: Rows that are looked at one by one in Python; beyond, equal atoms are not looked for.
FEW: Final = 60_000


@dataclass(frozen=True, eq=False)
class Value:
    """An array in the program, flat: a linear form and an enclosure for each element."""

    forms: Forms
    range: Interval
    shape: tuple[int, ...]
    known: Array | None = None

    @property
    def size(self) -> int:
        return self.forms.size

    def numbers(self) -> Array:
        """Each element by its number, in the value's shape: what tells where elements go."""
        return np.arange(self.size).reshape(self.shape)


@dataclass(frozen=True)
class Domain:
    """f has no value where some affine or other argument leaves its domain."""

    text: str
    where: str
    is_convex: bool


@dataclass(eq=False)
class Workspace:
    """A proof under way: the program, the enclosures of its nodes, forms and atoms so far."""

    program: Program
    ranges: Mapping[Node, Interval]
    live: Mapping[Node, Array]
    atoms: Atoms = field(default_factory=Atoms)
    values: dict[Node, Value] = field(default_factory=dict)
    domains: list[Domain] = field(default_factory=list)
    #: What has to be positive, or not negative, by θ: forms, or None where one is not affine.
    restricted: list[Forms | None] = field(default_factory=list)
    #: (number of θ's element, its least value): what a domain says of one number of θ.
    floors: dict[int, float] = field(default_factory=dict)
    ceilings: dict[int, float] = field(default_factory=dict)
    #: Numbers of θ that are positive: 0 is not among their values.
    above: set[int] = field(default_factory=set)

    def value(self, node: Node) -> Value:
        """A value of the program, known numbers too."""
        if node not in self.values:
            known: Any = self.program.known[node]
            is_loop = isinstance(known, tuple) or known.dtype == object
            array = np.zeros(()) if is_loop else np.asarray(known)
            number = array.astype(np.float64)
            flat = iv.point(number.ravel())
            self.values[node] = Value(constants(number), flat, array.shape, array)
        return self.values[node]

    def unknown(self, node: Node, size: int, *arguments: Forms, kind: str = "unknown") -> Forms:
        """Atoms of which no curvature is known."""
        no = np.zeros(size, bool)
        law = f"{node.op} has no rule of composition here"
        return self.atoms.new(kind, no, no, *arguments, where=node.where, law=law)

    def restrict(self, u: Forms) -> None:
        """f has no value where a row of u is negative."""
        is_affine = bool(self.atoms.affine(u).all())
        self.restricted.append(self.atoms.by_theta(u) if is_affine else None)

    # -- one function of one form --------------------------------------------------------------

    def unary(self, kind: str, u: Forms, x: Interval, law: laws.Law, node: Node,
              parameter: float = 0.0) -> Forms:  # fmt: skip
        """φ(u) by the rule of composition: φ convex and rising of convex, φ convex of affine..."""
        first, place = self._shared((kind, parameter), u)
        some = u.take(first)
        at = x.each(lambda v: v.ravel()[first])
        convex, concave = composed(law, at, *self.atoms.curvature(some))
        made = self.atoms.new(
            kind, convex, concave, some, parameter=parameter, range=at, where=node.where,
            law=law.text,
        )  # fmt: skip
        return self._found((kind, parameter), some, made).take(place)

    def _shared(self, head: Any, u: Forms) -> tuple[Array, Array]:
        """(rows that are different from one another, for each row which of those it is)."""
        if u.size > FEW:
            return np.arange(u.size), np.arange(u.size)
        place: dict[Any, int] = {}
        number = np.array([place.setdefault(u.key(r), r) for r in range(u.size)], np.int64)
        if not number.size:
            return number, number
        first, inverse = np.unique(number, return_inverse=True)
        return first, inverse

    def _found(self, head: Any, u: Forms, made: Forms) -> Forms:
        """Atoms that were there before take the place of new ones that are the same."""
        if u.size > FEW:
            return made
        atom = [
            self.atoms.seen.setdefault((head, u.key(r)), int(made.atom[r])) for r in range(u.size)
        ]
        return Forms(made.constant, made.row, np.array(atom, np.int64), made.value, made.error)

    def exp(self, u: Forms, x: Interval, node: Node) -> Forms:
        return self._but_constant(
            u, np.exp, lambda w, at: self.unary("exp", w, at, laws.UNARY["exp"], node), x
        )

    def softplus(self, u: Forms, x: Interval, node: Node) -> Forms:
        """log(1 + eᵘ), for an affine u in the direction in which its first coefficient is > 0."""
        u, extra = self._opened_size(u, node)
        flip = self._is_downward(u)
        sign = np.where(flip, -1.0, 1.0)
        turned = Interval(np.where(flip, -x.high, x.low), np.where(flip, -x.low, x.high), x.above)
        base = self._but_constant(
            u.scaled(sign), lambda c: np.logaddexp(0, c),
            lambda w, at: self.unary("softplus", w, at, laws.UNARY["softplus"], node), turned,
        )  # fmt: skip
        return base.plus(u.scaled(np.where(flip, 1.0, 0.0))).plus(extra)

    def _opened_size(self, u: Forms, node: Node) -> tuple[Forms, Forms]:
        """softplus(-k |z|) is softplus(k z) - k max(z, 0): (k z where so, -k max(z, 0)).

        |z| stands here as 2 max(z, 0) - z.
        """
        nothing = constants(np.zeros(u.size))
        part = self.atoms.is_kind(u, "positive_part")
        rows = np.flatnonzero(np.bincount(u.row[part], minlength=u.size) == 1)
        rows = rows[u.constant[rows] == 0]
        if not rows.size:
            return u, nothing
        picked = u.take(rows)
        chosen = self.atoms.is_kind(picked, "positive_part")
        k = picked.value[chosen] / -2
        z = self.atoms.arguments_of(picked.atom[chosen]).scaled(k)
        rest = Forms(picked.constant, picked.row, picked.atom,
                     np.where(chosen, 0.0, picked.value), picked.error).plus(z, -1.0)  # fmt: skip
        rest = rest.plus(constants(np.zeros(rows.size)))
        same = (np.bincount(rest.row[(rest.value != 0) | (rest.error != 0)],
                            minlength=rows.size) == 0)  # fmt: skip
        same &= (np.abs(rest.constant) == 0) & (k > 0)
        place = np.full(u.size, -1)
        place[rows[same]] = np.flatnonzero(same)
        whole = Forms(picked.constant, np.arange(rows.size), picked.atom[chosen], -k,
                      picked.error[chosen])  # fmt: skip
        mixed = stacked([u, z]).take(np.where(place < 0, np.arange(u.size), u.size + place))
        return mixed, whole.take(place)

    def _is_downward(self, u: Forms) -> Array:
        """Where an affine row's first coefficient is negative."""
        has = u.count > 0
        lead = np.zeros(u.size)
        lead[has] = u.value[u.starts[:-1][has]]
        return (lead < 0) & self.atoms.affine(u)

    def positive_part(self, u: Forms, x: Interval, node: Node) -> Forms:
        """max(u, 0); of an affine u in the direction in which its first coefficient is > 0."""
        flip = self._is_downward(u)
        sign = np.where(flip, -1.0, 1.0)
        turned = Interval(np.where(flip, -x.high, x.low), np.where(flip, -x.low, x.high), x.above)
        law = laws.Law(laws.always, laws.never, laws.always, laws.never,
                       laws.SEVERAL["positive_part"])  # fmt: skip
        base = self._but_constant(
            u.scaled(sign), lambda c: np.maximum(c, 0),
            lambda w, at: self.unary("positive_part", w, at, law, node), turned,
        )  # fmt: skip
        found = base.plus(u.scaled(np.where(flip, 1.0, 0.0)))
        sure = np.where(x.low >= 0, 1, np.where(x.high <= 0, 2, 0))
        return choose([found, u, constants(np.zeros(u.size))], sure)

    def size(self, u: Forms, x: Interval, node: Node) -> Forms:
        """|u|."""
        sure = np.where(x.low >= 0, 1, np.where(x.high <= 0, 2, 0))
        if sure.all():
            return choose([u, u, u.scaled(-1.0)], sure)
        affine = self.atoms.affine(u)
        both = self.positive_part(u, x, node).scaled(2.0).plus(u, -1.0)
        if affine.all():
            return choose([both, u, u.scaled(-1.0)], sure)
        law = laws.Law(laws.always, laws.never, laws.from_zero, laws.to_zero, "|z| is convex")
        other = self.unary("absolute", u, x, law, node)
        place = np.where(sure > 0, sure, np.where(affine, 0, 3))
        return choose([both, u, u.scaled(-1.0), other], place)

    def power(self, u: Forms, x: Interval, p: float, node: Node) -> Forms:
        """uᵖ; powers of powers and of exponentials are brought together."""
        if p == 1:
            return u
        if p == 0:
            return constants(np.ones(u.size))
        merged = self._merged_power(u, p)
        if merged is not None:
            q, factor, inner, at = merged
            return self.power(inner, at, q, node).scaled(factor)
        return self._but_constant(
            u, lambda c: np.power(c, p),
            lambda w, at: self.unary("power", w, at, laws.power(p), node, p), x,
        )  # fmt: skip

    def _merged_power(self, u: Forms, p: float) -> tuple[float, Array, Forms, Interval] | None:
        """(c vᵠ)ᵖ as cᵖ vᵠᵖ for whole p and q >= 1, where all rows are so."""
        whole = float(p).is_integer() and p >= 1
        if not (whole and u.size and (u.count == 1).all() and (u.constant == 0).all()):
            return None
        blocks = {int(b) for b in self.atoms.block[u.atom]}
        found = [self.atoms.blocks[b] for b in blocks]
        exponents = {b.parameter for b in found}
        if any(b.kind != "power" for b in found) or len(exponents) != 1 or u.error.any():
            return None
        q = exponents.pop()
        if not (float(q).is_integer() and q >= 1):
            return None
        return q * p, u.value**p, self.atoms.arguments_of(u.atom), self.range_of_arguments(u.atom)

    def range_of_arguments(self, atoms: Array) -> Interval:
        """The enclosure of the first argument of each atom."""
        parts = []
        for atom in atoms:
            block, i = self.atoms.of(atom)
            assert block.range is not None
            parts.append((block.range.low[i], block.range.high[i], block.range.above[i]))
        low, high, above = (np.array(column) for column in zip(*parts, strict=True))
        return Interval(low, high, above.astype(bool))

    def _but_constant(self, u: Forms, of_number: Any, rule: Any, x: Interval) -> Forms:
        """The rule where a row depends on θ; the number where it does not."""
        plain = u.count == 0
        flat = x.each(np.ravel)
        if not plain.any():
            found: Forms = rule(u, flat)
            return found
        with np.errstate(all="ignore"):
            numbers = constants(np.where(plain, of_number(u.constant), 0.0))
        rows = np.flatnonzero(~plain)
        if not rows.size:
            return numbers
        made = rule(u.take(rows), flat.each(lambda v: v[rows]))
        place = np.full(u.size, -1)
        place[rows] = np.arange(rows.size)
        moved = made.take(place)
        return choose([numbers, moved], (~plain).astype(int))

    def least(self, row: Forms) -> float:
        """A lower bound of one affine row over the box."""
        opened = self.atoms.by_theta(row)
        total = iv.point(opened.constant[0])
        theta = [self.ranges[node].each(np.ravel) for node in self.program.variables.values()]
        low = np.concatenate([x.low for x in theta])[opened.atom]
        high = np.concatenate([x.high for x in theta])[opened.atom]
        by = iv.between(opened.value - opened.error, opened.value + opened.error)
        terms = iv.multiply(iv.between(low, high), by)
        return float(iv.add(total, iv.total(terms, (0,))).low)

    # -- functions of groups of forms ----------------------------------------------------------

    def log_sum_exp(self, u: Forms, groups: Array, node: Node) -> Forms:
        """log Σ exp over each group of rows; what is common to a group is taken out in front."""
        count = len(groups) - 1
        of_row = np.repeat(np.arange(count), np.diff(groups))
        common, rest = self._common(u, of_row, np.diff(groups))
        sizes = np.diff(groups)
        parts = [common]
        if (sizes == 1).any():
            parts.append(rest.take(np.where(sizes == 1, groups[:-1], -1)))
        pairs = np.flatnonzero(sizes == 2)
        if pairs.size:
            parts.append(self._pair(rest, groups[:-1][pairs], node, count, pairs))
        more = np.flatnonzero(sizes > 2)
        if more.size:
            parts.append(self._group("log_sum_exp", rest, groups, more, node, count))
        total = parts[0]
        for part in parts[1:]:
            total = total.plus(part)
        return total

    def _pair(self, u: Forms, first: Array, node: Node, count: int, at: Array) -> Forms:
        """log(eᵃ + eᵇ) is b + softplus(a - b), where a - b is affine."""
        a, b = u.take(first), u.take(first + 1)
        difference = a.plus(b, -1.0)
        affine = self.atoms.affine(difference)
        place = np.full(count, -1)
        place[at] = np.arange(at.size)
        if affine.all():
            found = b.plus(self.softplus(difference, iv.everything((at.size,)), node))
            return found.take(place)
        # A nonlinear one that is more than log(1 + e^convex): as a group.
        plain_b = (b.count == 0) & (b.constant == 0)
        if plain_b.all():
            return self.softplus(difference, iv.everything((at.size,)), node).take(place)
        plain_a = (a.count == 0) & (a.constant == 0)
        if plain_a.all():
            return self.softplus(b, iv.everything((at.size,)), node).take(place)
        pairs = stacked([a, b]).take(
            np.stack([np.arange(at.size), at.size + np.arange(at.size)], 1)
        )
        groups = np.arange(at.size + 1) * 2
        every = np.arange(at.size)
        return self._group("log_sum_exp", pairs, groups, every, node, at.size).take(place)

    def _common(self, u: Forms, of_row: Array, sizes: Array) -> tuple[Forms, Forms]:
        """(what every row of a group holds with the same coefficient, the rows without it)."""
        exact = u.error == 0
        keys = np.stack([of_row[u.row], u.atom, u.value.view(np.int64)], 1)
        keys[~exact] = -1
        _, inverse, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        inverse = inverse.ravel()
        shared = exact & (count[inverse] == sizes[of_row[u.row]])
        if not shared.any():
            return constants(np.zeros(len(sizes))), u
        kept = ~shared
        rest = Forms(u.constant, u.row[kept], u.atom[kept], u.value[kept], u.error[kept])
        first = np.flatnonzero(shared)[np.unique(inverse[shared], return_index=True)[1]]
        order = np.lexsort((u.atom[first], of_row[u.row[first]]))
        first = first[order]
        zero = np.zeros(len(sizes))
        common = Forms(zero, of_row[u.row[first]], u.atom[first], u.value[first], u.error[first])
        return common, rest

    def _group(self, kind: str, u: Forms, groups: Array, at: Array, node: Node,
               count: int) -> Forms:  # fmt: skip
        """Atoms of groups of rows: convex (min: concave) if all rows of the group are."""
        sizes = np.diff(groups)[at]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        rows = np.concatenate([np.arange(groups[i], groups[i + 1]) for i in at])
        some = u.take(rows)
        convex, concave = self.atoms.curvature(some)
        up = np.logical_and.reduceat(convex, starts[:-1])
        low = np.logical_and.reduceat(concave, starts[:-1])
        no = np.zeros(at.size, bool)
        made = self.atoms.new(
            kind, no if kind == "min" else up, low if kind == "min" else no, some, groups=starts,
            where=node.where, law=laws.SEVERAL[kind],
        )  # fmt: skip
        place = np.full(count, -1)
        place[at] = np.arange(at.size)
        return made.take(place)

    def largest(self, u: Forms, x: Interval, groups: Array, node: Node) -> Forms:
        """The largest of each group of rows."""
        sizes = np.diff(groups)
        if (sizes == 1).all():
            return u.take(groups[:-1])
        if (sizes == 2).all():
            at = x.each(np.ravel)
            first, second = groups[:-1], groups[:-1] + 1
            a, b = u.take(first), u.take(second)
            ranges = at.each(lambda v: v[first]), at.each(lambda v: v[second])
            return self.larger(a, b, *ranges, node)
        every = np.arange(len(sizes))
        return self._group("max", u, groups, every, node, len(sizes))

    def larger(self, a: Forms, b: Forms, x: Interval, y: Interval, node: Node,
               kind: str = "max") -> Forms:  # fmt: skip
        """max(a, b), or min(a, b): b + max(a - b, 0) where a - b is affine."""
        sign = 1.0 if kind == "max" else -1.0
        difference = a.plus(b, -1.0).scaled(sign)
        bounds = iv.subtract(x, y) if kind == "max" else iv.subtract(y, x)
        sure = np.where(bounds.low >= 0, 1, np.where(bounds.high <= 0, 2, 0))
        plain = self.atoms.affine(difference)
        found = b.plus(self.positive_part(difference, bounds, node), sign)
        place = np.where(sure > 0, sure, np.where(plain, 0, 3))
        if not (place == 3).any():
            return choose([found, a, b], place)
        n = a.size
        pairs = stacked([a, b]).take(np.stack([np.arange(n), n + np.arange(n)], 1))
        groups = np.arange(n + 1) * 2
        other = self._group(kind, pairs, groups, np.arange(n), node, n)
        return choose([found, a, b, other], place)


def composed(law: laws.Law, at: Interval, convex: Array, concave: Array) -> tuple[Array, Array]:
    """The rule of composition, B&V 3.2.4: (convex, concave) of φ(u)."""
    affine = convex & concave
    rising, falling = law.rising(at), law.falling(at)
    carried = affine | (rising & convex) | (falling & concave)
    turned = affine | (rising & concave) | (falling & convex)
    return law.convex(at) & carried, law.concave(at) & turned
