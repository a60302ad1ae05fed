"""Formulas as one line of text: x², W⁽²⁾, ∂L/∂w, Σᵢ, √, ⊙, ᵀ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chainrule.explain.notation import letters
from chainrule.explain.notation.layout import layout
from chainrule.explain.notation.nodes import Expr
from chainrule.explain.notation.style import Face, Spacing

_GAPS: Final[dict[Spacing, str]] = {"tight": "", "thin": " ", "dot": "·"}
_DEGREES: Final = {2: "√", 3: "∛", 4: "∜"}


class _Unicode:
    flat = True

    def letter(self, name: str, face: Face) -> str:
        if name == "1" and face == "bold":
            return "𝟏"
        return "".join(c if c.isprintable() else "\ufffd" for c in name)

    def number(self, digits: str, exponent: str) -> str:
        ten = f"10{letters.above(exponent)}"
        return digits if not exponent else ten if digits == "1" else f"{digits}·{ten}"

    def words(self, text: str) -> str:
        return self.letter(text, "upright")

    def row(self, parts: Sequence[str]) -> str:
        return "".join(parts)

    def infix(self, sign: str) -> str:
        return ", " if sign == "," else f" {sign} "

    def prefix(self, sign: str, body: str) -> str:
        return f"{sign}{body}"

    def product(self, factors: Sequence[str], gaps: Sequence[Spacing]) -> str:
        spaces = [*(_GAPS[gap] for gap in gaps), ""]
        return "".join(f"{f}{space}" for f, space in zip(factors, spaces, strict=True))

    def scripts(self, base: str, below: str, above: str) -> str:
        return f"{base}{_script(below, '_')}{_script(above, '^')}"

    def fraction(self, top: str, bottom: str) -> str:
        return f"{top}/{bottom}"

    def root(self, body: str, degree: int) -> str:
        sign = _DEGREES.get(degree) or f"{letters.above(str(degree))}√"
        return f"{sign}{body if len(body) == 1 or body.isdecimal() else f'({body})'}"

    def fence(self, left: str, body: str, right: str) -> str:
        return f"{left}{body}{right}"

    def function(self, name: str) -> str:
        return self.letter(name, "upright")

    def total(self, below: str, above: str, body: str) -> str:
        limits = below.replace(" ", "")
        raised = f"^({above})" if len(above) > 1 else above
        return f"Σ{_script(limits, '_')}{_script(raised, '^') if above else ''} {body}"

    def cases(self, rows: Sequence[tuple[str, str]]) -> str:
        return "{ " + "; ".join(f"{value} {condition}" for value, condition in rows) + " }"

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        return "[" + "; ".join(", ".join(row) for row in rows) + "]"


def unicode(e: Expr) -> str:
    """The formula as one line of text for a terminal.

    Example:
        >>> from chainrule.explain.notation import Number, Power, Symbol
        >>> unicode(Power(Symbol("x"), Number(2)))
        'x²'
    """
    return layout(e, _Unicode())


def _script(text: str, mark: str) -> str:
    if not text:
        return ""
    small = letters.above(text) if mark == "^" else letters.below(text)
    if len(text) > 2 and text.isalpha():
        small = None  # a word is easier to read in its own letters
    return small or f"{mark}{text if _is_simple(text, mark) else f'({text})'}"


def _is_simple(text: str, mark: str) -> bool:
    """Whether it is seen where it ends: what follows an exponent must not be taken for a part."""
    if text[0] == "(" and text.find(")") == len(text) - 1:
        return True
    return mark == "_" and (text.isalnum() or len(text) == 1)
