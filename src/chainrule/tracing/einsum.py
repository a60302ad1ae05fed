"""``np.einsum`` on tracers: diagonals, then one contraction after another."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np

from chainrule.errors import ShapeError
from chainrule.tracing.contraction import (
    Labels,
    broadcast_labels,
    common,
    contract,
    ordered,
    summed,
)
from chainrule.tracing.lines import user_line
from chainrule.tracing.products import refuse_out
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.tracer import cast, register_function

Array = Any
Term = tuple[Array, Labels]

_DOTS: Final = "..."
#: Up to so many operands every order of contraction is tried, beyond it the greedy one is taken.
_FEW: Final = 5
#: Sizes beyond this one cost alike: the order does not turn with the number of examples.
_LARGE: Final = 1000


def einsum(*operands: Any, out: None = None, optimize: Any = True, **others: Any) -> Array:
    """The sums of products that the subscripts say, in the order that costs least.

    Raises:
        ShapeError: subscripts that do not fit the operands, or sizes that differ under one label.
    """
    refuse_out("einsum", out)
    inputs, result, arrays, text = _read(operands)
    terms = [_term(labels, x, text) for labels, x in zip(inputs, common(*arrays), strict=True)]
    wanted = _output(inputs, result, terms, text)
    sizes = _sizes(terms, text, arrays)
    if missing := [k for k in wanted if k not in sizes]:
        raise ShapeError(f"{_at(text)}: no operand has {missing[0]!r}, which the result asks for")
    terms = [_diagonal(x, labels) for x, labels in terms]
    value = _contracted(terms, wanted, _path(terms, wanted, optimize))
    return cast(value, np.dtype(others["dtype"])) if others.get("dtype") else value


def _at(text: str) -> str:
    return f"einsum({text!r}) at {user_line()}"


def _read(operands: tuple[Any, ...]) -> tuple[list[Any], Any, list[Array], str]:
    """(labels of each operand, labels of the result or None, operands, subscripts as text)."""
    if isinstance(operands[0], str):
        text, arrays = operands[0].replace(" ", ""), [as_array(x) for x in operands[1:]]
        left, arrow, right = text.partition("->")
        inputs = [_split(part, text) for part in left.split(",")]
        result = _split(right, text) if arrow else None
    else:  # array, labels, array, labels, ..., and the labels of the result
        pairs = len(operands) // 2
        arrays = [as_array(x) for x in operands[: 2 * pairs : 2]]
        inputs = [_plain(labels) for labels in operands[1 : 2 * pairs : 2]]
        result = _plain(operands[-1]) if len(operands) % 2 else None
        text = ", ".join(map(str, operands[1 : 2 * pairs : 2]))
    if len(inputs) != len(arrays):
        raise ShapeError(f"{_at(text)}: {len(inputs)} terms for {len(arrays)} operands")
    return inputs, result, arrays, text


def _split(part: str, text: str) -> list[str]:
    before, dots, after = part.partition(_DOTS)
    labels = [*before, *([_DOTS] if dots else []), *after]
    if not all(k == _DOTS or (k.isascii() and k.isalpha()) for k in labels):
        raise ShapeError(f"{_at(text)}: {part!r} is not made of letters and at most one '...'")
    return labels


def _plain(labels: Any) -> list[Any]:
    return [_DOTS if k is Ellipsis else int(k) for k in labels]


def _term(labels: list[Any], x: Array, text: str) -> Term:
    """The operand with one label per axis: an ellipsis stands for the axes without a letter."""
    rest = x.ndim - sum(k != _DOTS for k in labels)
    if rest < 0 or (rest and _DOTS not in labels):
        raise ShapeError(
            f"{_at(text)}: {''.join(map(str, labels))!r} for an operand of {x.ndim} axes",
            "'...' stands for any axes that have no letter",
        )
    return x, _filled(labels, rest)


def _filled(labels: list[Any], rank: int) -> Labels:
    stack = [("...", k) for k in broadcast_labels(rank)]
    return tuple(s for k in labels for s in (stack if k == _DOTS else [k]))


def _output(inputs: list[Any], result: Any, terms: list[Term], text: str) -> Labels:
    """As written, or: the ellipsis, then the labels that occur once, in order."""
    ranks = [len(labels) - sum(k != _DOTS for k in written)
             for written, (_, labels) in zip(inputs, terms, strict=True)]  # fmt: skip
    widest = max(ranks, default=0)
    if result is None:
        every = [k for labels in inputs for k in labels if k != _DOTS]
        result = [_DOTS, *sorted(k for k in set(every) if every.count(k) == 1)]
    elif _DOTS not in result and widest:
        raise ShapeError(
            f"{_at(text)}: the operands have axes under '...', the result has no '...'",
            "write '...' behind the arrow too; np.sum drops those axes afterwards",
        )
    if len(set(result)) != len(result):
        raise ShapeError(f"{_at(text)}: the result names an axis twice")
    return _filled(result, widest)


def _sizes(terms: list[Term], text: str, arrays: list[Array]) -> dict[Any, int]:
    """The size under each label, with 1 giving way to any other."""
    sizes: dict[Any, int] = {}
    for x, labels in terms:
        for label, n in zip(labels, x.shape, strict=True):
            if sizes.get(label, 1) != n and n != 1 and sizes.get(label, 1) != 1:
                shapes = " and ".join(map(described, arrays))
                raise ShapeError(
                    f"{_at(text)}: sizes differ under {label!r}: {sizes[label]} and {n} in {shapes}"
                )
            sizes[label] = max(sizes.get(label, 1), n) if n else 0
    return sizes


def _diagonal(x: Array, labels: Labels) -> Term:
    """Each label once: where it occurs twice, the diagonal of its axes."""
    while len(set(labels)) != len(labels):
        twice = next(k for k in labels if labels.count(k) > 1)
        i = labels.index(twice)
        j = labels.index(twice, i + 1)
        if x.shape[i] != x.shape[j]:  # one of them is 1: it repeats
            narrow = i if x.shape[i] == 1 else j
            x, labels = np.squeeze(x, narrow), labels[:narrow] + labels[narrow + 1 :]
            continue
        x = np.diagonal(x, 0, i, j)
        labels = (*(k for n, k in enumerate(labels) if n not in (i, j)), twice)
    return x, labels


def _path(terms: list[Term], wanted: Labels, optimize: Any) -> list[tuple[int, ...]]:
    """Which operands to contract at each step, from NumPy's own planner."""
    if len(terms) <= 2:
        return [tuple(range(len(terms)))]
    if not isinstance(optimize, bool | str):
        return [tuple(step) for step in optimize[1:]]  # a path of np.einsum_path
    plan = optimize if isinstance(optimize, str) else "optimal" if len(terms) <= _FEW else "greedy"
    numbers = {k: n for n, k in enumerate(dict.fromkeys(k for _, s in terms for k in s))}
    inputs = tuple(tuple(numbers[k] for k in labels) for _, labels in terms)
    shapes = tuple(tuple(min(n, _LARGE) for n in x.shape) for x, _ in terms)
    return _planned(inputs, shapes, tuple(numbers[k] for k in wanted), plan)


@lru_cache(maxsize=256)
def _planned(inputs: Any, shapes: Any, wanted: Any, plan: str) -> list[tuple[int, ...]]:
    operands: list[Any] = []
    for labels, shape in zip(inputs, shapes, strict=True):
        operands += [np.broadcast_to(0.0, shape), list(labels)]
    return np.einsum_path(*operands, list(wanted), optimize=plan)[0][1:]


def _contracted(terms: list[Term], wanted: Labels, path: list[tuple[int, ...]]) -> Array:
    for step in path:
        chosen = [terms[k] for k in step]
        terms = [term for k, term in enumerate(terms) if k not in step]
        rest = {label for _, labels in terms for label in labels}
        terms.append(_together(chosen, rest, wanted))
    ((value, labels),) = terms
    value = summed(value, tuple(k for k, label in enumerate(labels) if label not in wanted))
    return ordered(value, tuple(k for k in labels if k in wanted), wanted)


def _together(chosen: list[Term], rest: set[Any], wanted: Labels) -> Term:
    """The operands of one step as one, with the labels that are still needed."""
    x, labels = chosen[0]
    for k, (y, other) in enumerate(chosen[1:], 2):
        later = rest.union(*(s for _, s in chosen[k:]))
        every = (*labels, *(s for s in other if s not in labels))
        kept = tuple(s for s in every if s in later or s in wanted)
        is_last = not later
        kept = wanted if is_last and set(kept) == set(wanted) else kept
        x, labels = contract(x, labels, y, other, kept), kept
    return x, labels


register_function(np.einsum, einsum)
