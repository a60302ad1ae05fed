"""The proof by composition: every node of a program as a form of atoms with a curvature.

Source: Boyd & Vandenberghe 2004, Convex Optimization, 3.2; Grant, Boyd & Ye 2006, Disciplined
Convex Programming.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs import linear_rules, nonlinear_rules, product_rules
from chainrule.explain.proofs.atoms import Atoms, Block
from chainrule.explain.proofs.enclosure import enclosures
from chainrule.explain.proofs.forms import Forms
from chainrule.explain.proofs.liveness import live_elements
from chainrule.explain.proofs.program import Array, Program, size_of
from chainrule.explain.proofs.workspace import Domain, Value, Workspace
from chainrule.ir.graph import Node

_RULES: Final[Mapping[str, Callable[..., Forms | None]]] = {
    **linear_rules.RULES,
    **nonlinear_rules.RULES,
    **product_rules.RULES,
}
_ORDER: Final = ("a convex", "a concave", "an affine")


@dataclass(frozen=True, eq=False)
class Composition:
    """What composition says of f.

    Attributes:
        form: f as one form of atoms.
        convex, concave: whether that is proved, on the domain; affine is both.
        domains: where f has a value, beyond the box; a proof needs all of them convex.
        box: the box, cut to what the domains say of single numbers of θ.
        is_bounded: whether the box that was asked for has a bound.
        restricted: what is positive, or not negative, wherever f has a value: forms by θ; None
            for one that is not affine.
        steps: the proof, in an order to be read.
    """

    program: Program
    atoms: Atoms
    form: Forms
    convex: bool
    concave: bool
    domains: tuple[Domain, ...]
    box: tuple[Array, Array]
    is_bounded: bool
    restricted: tuple[Forms | None, ...]
    steps: tuple[str, ...]

    @property
    def domain_is_convex(self) -> bool:
        return all(domain.is_convex for domain in self.domains)

    def obstacles(self) -> list[str]:
        """Where composition stops: the first parts of f without a curvature."""
        sign = self.form.sign()
        up = self.atoms.convex[self.form.atom], self.atoms.concave[self.form.atom]
        bad = ~np.where(sign > 0, up[0], up[1]) & ~(up[0] & up[1])
        blocks = dict.fromkeys(int(b) for b in self.atoms.block[self.form.atom[bad]])
        return list(dict.fromkeys(_obstacle(self.atoms.blocks[b]) for b in blocks))[:4]


def _obstacle(block: Block) -> str:
    where = f" at {block.where}" if block.where else ""
    return f"{block.kind.replace('_', ' ')}{where}: {block.law}" if block.law else block.kind


def compose(program: Program, low: Array, high: Array) -> Composition:
    """Walk the program once; once more if a domain says more of single numbers of θ."""
    first = _walk(program, low, high, set())
    is_bounded = bool(np.isfinite(low).any() or np.isfinite(high).any())
    if not (first.floors or first.ceilings) or _chooses(program):
        return _result(program, first, low, high, is_bounded)
    narrow, wide = low.copy(), high.copy()
    for k, bound in first.floors.items():
        narrow[k] = max(low[k], bound)
    for k, bound in first.ceilings.items():
        wide[k] = min(high[k], bound)
    if (narrow > wide).any():
        return _result(program, first, low, high, is_bounded)
    above = {k for k in first.above if narrow[k] == 0}
    second = _walk(program, narrow, wide, above)
    second.domains[:0] = [domain for domain in first.domains if domain.is_convex]
    second.restricted[:0] = first.restricted
    return _result(program, second, narrow, wide, is_bounded)


def _chooses(program: Program) -> bool:
    """Whether a value may be dropped: then the domain of what is dropped is no domain of f."""
    choices = ("cond", "while_loop", "scan", "item", "sort")
    by_value = any(n.op == "where" and n.inputs[0] not in program.known for n in program.nodes)
    return by_value or any(node.op in choices for node in program.nodes)


def _walk(program: Program, low: Array, high: Array, above: set[int]) -> Workspace:
    strict = np.zeros(program.size, bool)
    strict[list(above)] = True
    parts = [program.split(v) for v in (low, high, strict)]
    box = {name: iv.between(*(part[name] for part in parts)) for name in program.variables}
    w = Workspace(program, enclosures(program, box), live_elements(program))
    yes = np.ones(program.size, bool)
    theta = w.atoms.new("theta", yes, yes)
    for name, node in program.variables.items():
        start = program.starts[name]
        size = size_of(node)
        forms = theta.take(np.arange(start, start + size))
        w.values[node] = Value(forms, box[name].each(np.ravel), node.type.shape)  # type: ignore[arg-type]
    for node in program.nodes:
        if node not in w.values:
            w.values[node] = _value(w, node)
    return w


def _value(w: Workspace, node: Node) -> Value:
    shape: tuple[int, ...] = node.type.shape  # type: ignore[assignment]
    size = int(np.prod(shape, dtype=np.int64))
    rule = _RULES.get(node.op)
    found = None
    if rule is not None and node.type.is_float:
        with np.errstate(all="ignore"):
            found = rule(w, node, *(w.value(x) for x in node.inputs))
    if found is None:
        found = w.unknown(node, size)
    return Value(found, w.ranges[node].each(np.ravel), shape)


def _result(
    program: Program, w: Workspace, low: Array, high: Array, is_bounded: bool
) -> Composition:
    form = w.value(program.output).forms
    convex, concave = w.atoms.curvature(form)
    domains = tuple(dict.fromkeys(w.domains))
    if _chooses(program):  # what leaves its domain may not be chosen: the domain is not known
        domains = tuple(replace(domain, is_convex=False) for domain in domains)
    fine = all(domain.is_convex for domain in domains)
    return Composition(
        program, w.atoms, form, bool(convex[0]) and fine, bool(concave[0]) and fine, domains,
        (low, high), is_bounded, tuple(w.restricted), tuple(_steps(w, form)),
    )  # fmt: skip


def _steps(w: Workspace, form: Forms) -> list[str]:
    """Each kind of atom that f is made of, with its law, in the order of the program."""
    steps = [_step(w, block) for block in w.atoms.reachable(form)]
    return [step for step in dict.fromkeys(steps) if step]


def _step(w: Workspace, block: Block) -> str:
    if block.kind == "theta":
        return ""
    where = f" at {block.where}" if block.where else ""
    if block.kind == "linear":
        return f"an affine map of θ{where}: convex and concave"
    of = _of(w, block)
    what = "unknown"
    if block.convex.all():
        what = "convex"
    elif block.concave.all():
        what = "concave"
    law = block.law
    return f"{law}; of {of}{where}: {what}" if of else f"{law}{where}: {what}"


def _of(w: Workspace, block: Block) -> str:
    """The curvature of the arguments, in words."""
    if not block.arguments:
        return ""
    flags = [w.atoms.curvature(argument) for argument in block.arguments]
    if all((convex & concave).all() for convex, concave in flags):
        return "affine functions"
    if all(convex.all() for convex, _ in flags):
        return "convex functions"
    if all(concave.all() for _, concave in flags):
        return "concave functions"
    return "other functions"
