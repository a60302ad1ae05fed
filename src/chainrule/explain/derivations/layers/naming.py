"""Which values get a letter, and which: z⁽ˡ⁾ before an activation, a⁽ˡ⁾ behind it, p, W⁽ˡ⁾."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from chainrule.explain.derivations.layers.pointwise import POINTWISE_RULES
from chainrule.explain.derivations.layers.values import Value
from chainrule.explain.notation import Symbol
from chainrule.explain.notation.nodes import Kind

_KINDS: Final[tuple[Kind, ...]] = ("scalar", "vector", "matrix", "tensor")
_OF_LOSSES: Final = frozenset(
    ("sum", "mean", "max", "prod", "pick", "logsumexp", "log_softmax", "softmax", "cross_entropy",
     "soft_cross_entropy")
)  # fmt: skip
_MOVING: Final = frozenset(("transpose", "broadcast", "reshape", "negative"))


@dataclass(frozen=True, eq=False)
class Plan:
    """Values in the order in which they run, and which of them are what.

    Attributes:
        order: operands before users.
        users: of each value, who reads it (once for each time).
        affine: values z = W x + b -> their number, from 1.
        active: activations of one z -> the number of that z.
    """

    order: tuple[Value, ...]
    users: Mapping[Value, tuple[Value, ...]]
    affine: Mapping[Value, int]
    active: Mapping[Value, int]


def plan(output: Value) -> Plan:
    """What is where."""
    order = _ordered(output)
    users: dict[Value, list[Value]] = {v: [] for v in order}
    for v in order:
        for x in v.inputs:
            users[x].append(v)
    frozen = {v: tuple(found) for v, found in users.items()}
    affine = {v: k for k, v in enumerate(_affine(order, frozen), 1)}
    return Plan(order, frozen, affine, _active(order, frozen, affine, output))


def _ordered(output: Value) -> tuple[Value, ...]:
    done: dict[Value, None] = {}
    stack = [(output, False)]
    while stack:
        v, ready = stack.pop()
        if ready:
            done[v] = None
        elif v not in done:
            stack.append((v, True))
            stack.extend((x, False) for x in reversed(v.inputs) if x not in done)
    return tuple(done)


def behind(v: Value) -> Value:
    """What a value is but for moving about."""
    while v.op in _MOVING and v.op != "negative":
        (v,) = v.inputs
    return v


def _affine(order: Iterable[Value], users: Mapping[Value, tuple[Value, ...]]) -> list[Value]:
    """Products with a parameter, with the parameter that is added to them, if there is one."""
    found: list[Value] = []
    for v in order:
        if v.op in ("dot", "conv") and v.live and any(_is_parameter(x) for x in v.inputs):
            moved = _moved(v, users)
            biased = [u for u in users[moved] if u.op == "add" and _adds_parameter(u, moved)]
            found.append(biased[0] if biased and len(users[moved]) == 1 else v)
    return list(dict.fromkeys(found))


def _moved(v: Value, users: Mapping[Value, tuple[Value, ...]]) -> Value:
    """Where a value has been moved to, if it is read there alone."""
    while len(users[v]) == 1 and users[v][0].op in ("transpose", "reshape", "rearrange"):
        (v,) = users[v]
    return v


def _is_parameter(x: Value) -> bool:
    inner = behind(x)
    return inner.op == "input" and inner.live


def _adds_parameter(u: Value, product: Value) -> bool:
    return any(x is not product and behind(x).op == "input" for x in u.inputs)


def _active(
    order: Iterable[Value],
    users: Mapping[Value, tuple[Value, ...]],
    affine: Mapping[Value, int],
    output: Value,
) -> dict[Value, int]:
    """The last of the elementwise values that are made of one z alone."""
    root: dict[Value, Value | None] = {z: z for z in affine}
    for v in order:
        if v in root or v.op not in POINTWISE_RULES or not v.live:
            continue
        roots = {root.get(x) for x in v.inputs if x.live}
        (only,) = roots if len(roots) == 1 else (None,)
        root[v] = only
    found: dict[Value, int] = {}
    for v, z in root.items():
        if z is None or v is z or v is output:
            continue
        readers = (user for user in users[v] if root.get(user) is not z)
        if v.op not in _MOVING and any(_passes_on(user, users) for user in readers):
            found[v] = affine[z]
    return found


def _passes_on(reader: Value, users: Mapping[Value, tuple[Value, ...]]) -> bool:
    """Whether a layer reads a value, and not the loss: a product, or an array of several axes."""
    if reader.op in _MOVING:
        return any(_passes_on(user, users) for user in users[reader])
    return reader.op not in POINTWISE_RULES and reader.op not in _OF_LOSSES


def kind_of(v: Value) -> Kind:
    """Vectors and matrices have letters of their own."""
    return _KINDS[min(v.rank, 3)]


def letter(v: Value, small: str, number: str, subscript: str = "", key: str = "") -> Symbol:
    """A letter: small for numbers and vectors, a capital for matrices and more."""
    is_large = v.rank >= 2
    capital = {"δ": "Δ"}.get(small, small.upper() if len(small) == 1 else small)
    name = capital if is_large else small
    return Symbol(name, subscript, number, kind_of(v), v.shape, key)
