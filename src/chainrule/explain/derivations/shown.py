"""A derivation as text, as HTML and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chainrule.explain.notation import Constant, Expr, Negative, Number, latex, mathml, unicode
from chainrule.explain.page import Html, fragment, paragraph, table
from chainrule.explain.shown import WIDTH, plain_value, wrapped
from chainrule.explain.words import short

if TYPE_CHECKING:
    from chainrule.explain.derivations.derivation import Derivation, Gradient, Step

_TITLES: Final = {
    "forward": "Composition",
    "local": "Local derivatives",
    "backward": "Backwards, in the order in which backpropagation runs",
    "gradients": "Gradients",
    "brute_force": "Brute force: everything in one formula",
}
#: Where the words beside a formula begin.
_COLUMN: Final = 58
#: Arrays of more elements than this are left out of plain data; their shape is said.
_MOST_ELEMENTS: Final = 1000


def text(derivation: Derivation) -> str:
    """Unicode text for a terminal, in lines of at most 100 characters."""
    lines = wrapped(derivation.note, hang=0) if derivation.note else []
    lines += ["Symbols", *_symbols(derivation)]
    for title, steps in _parts(derivation):
        lines += ["", title]
        for step in steps:
            lines += _lines(step)
    return "\n".join([*lines, "", *wrapped(agreement(derivation), hang=0)])


def agreement(derivation: Derivation) -> str:
    """How well formulas and automatic differentiation agree, in words."""
    of = [step for step in derivation.steps if step.difference is not None]
    if any(np.isnan(np.asarray(x, float)).any() for s in of for x in (s.value, s.reference)):
        return "Some of the numbers are NaN here: how far formulas agree cannot be told."
    compared = len(of)
    return (
        f"{compared} formulas, evaluated as printed in float64, agree with automatic"
        f" differentiation to {_short(derivation.difference)}"
        " (largest difference, relative to the largest term)."
    )


def html(derivation: Derivation) -> str:
    """A fragment for a notebook: formulas in MathML, rules and agreement beside them."""
    note = paragraph(derivation.note) if derivation.note else ""
    rows = [(_math(n.symbol), n.meaning, _shown(n.value)) for n in derivation.symbols]
    parts = [table(("symbol", "meaning", "value"), rows, caption="Symbols")]
    parts += [_steps_table(title, steps) for title, steps in _parts(derivation)]
    return fragment(f"{note}{''.join(parts)}{paragraph(agreement(derivation))}")


def plain(derivation: Derivation) -> dict[str, Any]:
    """Plain data: every formula in all three ways of printing, with its numbers."""
    return {
        "kind": derivation.kind,
        "note": derivation.note,
        "difference": plain_value(derivation.difference),
        "symbols": [
            {**_printed(n.symbol), "meaning": n.meaning, "value": _number(n.value)}
            for n in derivation.symbols
        ],
        "forward": [_plain(step) for step in derivation.forward],
        "local": [_plain(step) for step in derivation.local],
        "backward": [_plain(step) for step in derivation.backward],
        "gradients": [_plain_gradient(g) for g in derivation.gradients],
        "brute_force": [_plain_gradient(g) for g in derivation.brute_force],
    }


def _parts(derivation: Derivation) -> Iterable[tuple[str, tuple[Step, ...]]]:
    for name, title in _TITLES.items():
        found = getattr(derivation, name)
        is_gradients = name in ("gradients", "brute_force")
        steps = tuple(s for g in found for s in g.steps) if is_gradients else found
        if steps:
            yield title, steps


def _symbols(derivation: Derivation) -> Iterable[str]:
    width = max((len(unicode(n.symbol)) for n in derivation.symbols), default=0)
    for n in derivation.symbols:
        value = f" = {_short(n.value)}" if np.ndim(n.value) == 0 else ""
        line = f"  {unicode(n.symbol).ljust(width)}  {n.meaning}{value}"
        yield from wrapped(line, hang=width + 2)


def _lines(step: Step) -> list[str]:
    """The formula, and to its right, or below it, what is said of it."""
    is_number = step.value is not None and np.ndim(step.value) == 0
    value = f" = {_short(step.value)}" if is_number and not _ends_in_number(step) else ""
    printed = f"{unicode(step.formula)}{value}"
    said = "; ".join(_remarks(step))
    start = max(_COLUMN, len(printed) + 6)
    if start + len(said) <= WIDTH:
        return [f"  {printed}".ljust(start) + said if said else f"  {printed}"]
    lines = wrapped(f"  {printed}", hang=4)
    return [*lines, *wrapped(f"      {said}", hang=0)]


def _ends_in_number(step: Step) -> bool:
    parts: tuple[Expr, ...] = getattr(step.formula, "parts", ())
    last = parts[-1] if parts else None
    last = last.body if isinstance(last, Negative) else last
    return isinstance(last, Number) or (isinstance(last, Constant) and last.name in ("NaN", "∞"))


def _remarks(step: Step) -> list[str]:
    found = [step.rule, step.note]
    if step.difference is not None and step.difference > 1e-10:
        found.append(f"differs by {_short(step.difference)}")
    return [remark for remark in found if remark]


def _steps_table(title: str, steps: Sequence[Step]) -> str:
    rows = [(_math(s.formula), _remark(s), _shown(s.value), _agrees(s)) for s in steps]
    head = ("formula", "rule", "value", "difference")
    return table(head, rows, caption=title)


def _remark(step: Step) -> str:
    return "; ".join(remark for remark in (step.rule, step.note) if remark)


def _agrees(step: Step) -> str:
    return "" if step.difference is None else _short(step.difference, 2)


def _math(e: Expr) -> Html:
    return Html(mathml(e).replace("<math ", '<math displaystyle="true" ', 1))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if np.ndim(value) == 0:
        return _short(value)
    shape = tuple(n for n in np.shape(value) if n != 1) or (1,)
    size = " × ".join(map(str, shape))
    return f"{size}, norm {_short(np.linalg.norm(np.ravel(value)), 4)}"


def _short(value: Any, digits: int = 6) -> str:
    return short(np.asarray(value).item(), digits)


def _printed(e: Expr) -> dict[str, str]:
    return {"text": unicode(e), "latex": latex(e), "mathml": mathml(e)}


def _plain(step: Step) -> dict[str, Any]:
    return {
        **_printed(step.formula),
        "rule": step.rule,
        "note": step.note,
        "value": _number(step.value),
        "difference": None if step.difference is None else plain_value(step.difference),
    }


def _plain_gradient(gradient: Gradient) -> dict[str, Any]:
    return {"variable": gradient.variable, "steps": [_plain(step) for step in gradient.steps]}


def _number(value: Any) -> Any:
    """As numbers and lists; a large array by its shape and norm; what is not finite as text."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.size > _MOST_ELEMENTS:
        return {"shape": list(array.shape), "norm": plain_value(np.linalg.norm(array))}
    return plain_value(array)
