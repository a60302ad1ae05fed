"""Formulas as MathML Core: what browsers draw without any script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from chainrule.explain.notation.layout import layout
from chainrule.explain.notation.letters import bold
from chainrule.explain.notation.nodes import Expr
from chainrule.explain.notation.style import Face, Spacing
from chainrule.explain.notation.unicode import unicode

_TIMES: Final = "<mo>&#x2062;</mo>"  # invisible
_APPLY: Final = "<mo>&#x2061;</mo>"
_GAPS: Final[dict[Spacing, str]] = {
    "tight": _TIMES,
    "thin": f'{_TIMES}<mspace width="0.17em"/>',
    "dot": "<mo>·</mo>",
}


class _MathML:
    flat = False

    def letter(self, name: str, face: Face) -> str:
        if len(name) == 1 and face == "bold":
            return f"<mi>{_text(bold(name))}</mi>"
        upright = ' mathvariant="normal"' if len(name) == 1 and face == "upright" else ""
        return f"<mi{upright}>{_text(name)}</mi>"

    def number(self, digits: str, exponent: str) -> str:
        if not exponent:
            return f"<mn>{digits}</mn>"
        power = f"<mn>{exponent}</mn>".replace("<mn>-", "<mo>−</mo><mn>")
        ten = f"<msup><mn>10</mn><mrow>{power}</mrow></msup>"
        return ten if digits == "1" else f"<mrow><mn>{digits}</mn><mo>·</mo>{ten}</mrow>"

    def words(self, text: str) -> str:
        spaced = text.replace(" ", "\u00a0")
        return f"<mtext>{_text(spaced)}</mtext>"

    def row(self, parts: Sequence[str]) -> str:
        return f"<mrow>{''.join(f'<mo>{p}</mo>' if p == ',' else p for p in parts)}</mrow>"

    def infix(self, sign: str) -> str:
        separator = ' separator="true"' if sign == "," else ""
        return f"<mo{separator}>{_text(sign)}</mo>"

    def prefix(self, sign: str, body: str) -> str:
        return f'<mrow><mo form="prefix">{_text(sign)}</mo>{body}</mrow>'

    def product(self, factors: Sequence[str], gaps: Sequence[Spacing]) -> str:
        spaces = [*(_GAPS[gap] for gap in gaps), ""]
        return self.row([f"{f}{space}" for f, space in zip(factors, spaces, strict=True)])

    def scripts(self, base: str, below: str, above: str) -> str:
        if below and above:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        name, script = ("msub", below) if below else ("msup", above)
        return f"<{name}>{base}{script}</{name}>"

    def fraction(self, top: str, bottom: str) -> str:
        return f"<mfrac>{top}{bottom}</mfrac>"

    def root(self, body: str, degree: int) -> str:
        return (
            f"<msqrt>{body}</msqrt>" if degree == 2 else f"<mroot>{body}<mn>{degree}</mn></mroot>"
        )

    def fence(self, left: str, body: str, right: str) -> str:
        opened = f'<mo form="prefix" stretchy="true">{left}</mo>'
        return f'<mrow>{opened}{body}<mo form="postfix" stretchy="true">{right}</mo></mrow>'

    def function(self, name: str) -> str:
        return f"{self.letter(name, 'upright')}"

    def total(self, below: str, above: str, body: str) -> str:
        sign = '<mo largeop="true">∑</mo>'
        limits = f"<munderover>{sign}{below}{above}</munderover>"
        return self.row([limits if above else f"<munder>{sign}{below}</munder>", body])

    def cases(self, rows: Sequence[tuple[str, str]]) -> str:
        opened = '<mo form="prefix" stretchy="true">{</mo>'
        return f"<mrow>{opened}{_table(rows)}</mrow>"

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        return self.fence("(", _table(rows), ")")


def mathml(e: Expr, display: bool = False) -> str:
    """The formula as one ``<math>`` element, read aloud by its text.

    Args:
        e: a formula.
        display: a block of its own instead of a part of a line.

    Example:
        >>> from chainrule.explain.notation import Symbol
        >>> mathml(Symbol("x")).endswith("<mi>x</mi></math>")
        True
    """
    shown = ' display="block"' if display else ""
    spoken = escape(_printable(unicode(e)), quote=True)
    namespace = 'xmlns="http://www.w3.org/1998/Math/MathML"'
    return f'<math {namespace}{shown} alttext="{spoken}">{layout(e, _MathML())}</math>'


def _table(rows: Sequence[Sequence[str]]) -> str:
    cells = ["".join(f"<mtd>{cell}</mtd>" for cell in row) for row in rows]
    return f"<mtable>{''.join(f'<mtr>{row}</mtr>' for row in cells)}</mtable>"


def _text(text: str) -> str:
    return escape(_printable(text), quote=False)


def _printable(text: str) -> str:
    """Without what XML does not allow."""
    return "".join(c if c.isprintable() or c == "\u00a0" else "\ufffd" for c in text)
