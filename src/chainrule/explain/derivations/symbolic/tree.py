"""Walking a formula: its parts, its symbols, and a part put in the place of another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chainrule.explain.notation import Derivative, Expr, Symbol

#: The fields of each kind of node that may hold formulas.
_FIELDS: dict[type[Expr], tuple[str, ...]] = {}
_WORDS = ("int", "float", "str", "bool", "Size", "Norms", "Kind", "Callable")


def _fields(kind: type[Expr]) -> tuple[str, ...]:
    if kind not in _FIELDS:
        found = [f.name for f in dataclasses.fields(kind) if not str(f.type).startswith(_WORDS)]
        _FIELDS[kind] = tuple(found)
    return _FIELDS[kind]


def parts(e: Expr) -> list[Expr]:
    """The formulas that stand directly in this one, as they are written."""
    found: list[Expr] = []
    for name in _fields(type(e)):
        _inside(getattr(e, name), found)
    return found


def _inside(value: Any, found: list[Expr]) -> None:
    if isinstance(value, Expr):
        found.append(value)
    elif isinstance(value, tuple):
        for x in value:
            _inside(x, found)


def every(e: Expr) -> Iterator[Expr]:
    """The formula and all its parts, outermost first."""
    stack = [e]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(reversed(parts(part)))


def size(e: Expr) -> int:
    """The number of nodes."""
    return sum(1 for _ in every(e))


def symbols_of(e: Expr) -> list[Symbol]:
    """The symbols of a formula, each once, in the order in which they are written."""
    return list(dict.fromkeys(x for x in every(e) if isinstance(x, Symbol)))


def depends(e: Expr, x: Symbol) -> bool:
    """Whether x is written somewhere in e."""
    return any(part == x for part in every(e))


def rebuilt(e: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """The formula with every direct part changed; the very same one where nothing changes."""
    new: dict[str, Any] = {}
    for name in _fields(type(e)):
        old = getattr(e, name)
        made = _changed(old, change)
        if made is not old:
            new[name] = made
    return dataclasses.replace(e, **new) if new else e


def _changed(value: Any, change: Callable[[Expr], Expr]) -> Any:
    if isinstance(value, Expr):
        return change(value)
    if isinstance(value, tuple):
        made = tuple(_changed(x, change) for x in value)
        return value if all(a is b for a, b in zip(made, value, strict=True)) else made
    return value


def substituted(e: Expr, by: Mapping[Expr, Expr]) -> Expr:
    """The formula with others in the place of some of its symbols; not those below a d."""
    if e in by:
        return by[e]
    if isinstance(e, Derivative):
        return e
    return rebuilt(e, lambda part: substituted(part, by))
