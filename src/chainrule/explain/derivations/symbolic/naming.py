"""Symbols for the numbers of a program: x₁ for x[0], θ for theta, W with a layer above it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from chainrule.explain.derivations.symbolic.scalars import Elements, Program, Scalar
from chainrule.explain.notation import Symbol, symbol

#: Operations in whose formulas, and derivatives, neither e nor π comes up.
_RATIONAL: Final = ("input", "add", "subtract", "multiply", "divide", "negative")


def mark(s: Symbol) -> tuple[str, str, str]:
    """What of a symbol is seen."""
    return s.name, s.subscript, s.superscript


def numbered(name: str, arrays: Sequence[Elements]) -> Iterable[tuple[Scalar, Symbol]]:
    """Each element with its symbol: of one alone the name itself."""
    if len(arrays) > 1:
        return [(x.item(), element(name, (k,))) for k, x in enumerate(arrays)]
    array = arrays[0]
    if array.size == 1:
        return [(array.item(), plain_symbol(name))]
    return [(array[at], element(name, at)) for at in np.ndindex(*array.shape)]


def element(name: str, at: tuple[int, ...]) -> Symbol:
    """x₁ for x[0]; W with two indices for W[1, 0]."""
    base = plain_symbol(name.rsplit(".", 1)[-1])
    count = ",".join(str(k + 1) for k in at) if max(at) > 8 else "".join(str(k + 1) for k in at)
    return Symbol(base.name, count, base.subscript, key=f"{name}[{', '.join(map(str, at))}]")


def plain_symbol(name: str) -> Symbol:
    """The symbol for a name; lambda_ is λ."""
    made = symbol(name.rstrip("_") or name)
    return dataclasses.replace(made, key=name)


def leaf_symbols(program: Program) -> dict[Scalar, Symbol]:
    """Every element of every argument; the short name of a leaf where it is the only one."""
    short = [name.rsplit(".", 1)[-1] for name in program.leaves]
    found: dict[Scalar, Symbol] = {}
    for name, last in zip(program.leaves, short, strict=True):
        shown = last if short.count(last) == 1 and not last.isdigit() else name.replace(".", "_")
        found.update(numbered(shown, [program.leaves[name]]))
    if all(scalar.op in _RATIONAL for scalar in program.order):
        return found
    return {scalar: _off_constants(symbol) for scalar, symbol in found.items()}


def _off_constants(s: Symbol) -> Symbol:
    """e₀ for a variable e, π₀ for pi, where a formula may hold the numbers of these names."""
    is_bare = s.name in ("e", "π") and not s.subscript and not s.superscript
    return dataclasses.replace(s, subscript="0") if is_bare else s
