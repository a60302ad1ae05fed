"""Formulas as LaTeX (amsmath), for the mathematics mode."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from chainrule.explain.notation.layout import layout
from chainrule.explain.notation.letters import LATEX_LETTERS
from chainrule.explain.notation.nodes import Expr
from chainrule.explain.notation.style import Face, Spacing

_SIGNS: Final = {
    "−": "-", "⊙": "\\odot", "≈": "\\approx", "≠": "\\neq", "≤": "\\le", "≥": "\\ge",
    "<": "\\lt", ">": "\\gt", "∈": "\\in", "→": "\\to", "⇒": "\\Rightarrow", ":=": ":=",
}  # fmt: skip
_FENCES: Final = {"‖": ("\\left\\lVert ", "\\right\\rVert "), "|": ("\\left|", "\\right|")}
_ESCAPED: Final = {
    "_": "\\_", "&": "\\&", "%": "\\%", "#": "\\#", "$": "\\$", "{": "\\{", "}": "\\}",
    "\\": "\\backslash ", "~": "\\sim ", "^": "\\wedge ", "<": "\\lt ", ">": "\\gt ", " ": "\\ ",
}  # fmt: skip
_KNOWN: Final = frozenset(
    ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min", "det", "arg")
)
_GAPS: Final[dict[Spacing, str]] = {"tight": " ", "thin": " \\, ", "dot": " \\cdot "}


class _Latex:
    flat = False

    def letter(self, name: str, face: Face) -> str:
        escaped = _escape(name)
        if name == "∂":
            return f"{escaped} "
        if len(name) != 1:
            return f"\\mathrm{{{escaped}}}"
        if face == "bold":
            return f"\\{'mathbf' if name.isascii() else 'boldsymbol'}{{{escaped}}}"
        return f"\\mathrm{{{escaped}}}" if face == "upright" and name.isascii() else escaped

    def number(self, digits: str, exponent: str) -> str:
        ten = f"10^{{{exponent}}}"
        return digits if not exponent else ten if digits == "1" else f"{digits} \\cdot {ten}"

    def words(self, text: str) -> str:
        return _words(text)

    def row(self, parts: Sequence[str]) -> str:
        return "".join(parts)

    def infix(self, sign: str) -> str:
        return ", " if sign == "," else f" {_SIGNS.get(sign, sign)} "

    def prefix(self, sign: str, body: str) -> str:
        return f"{_SIGNS.get(sign, sign)}{body}"

    def product(self, factors: Sequence[str], gaps: Sequence[Spacing]) -> str:
        spaces = [*(_GAPS[gap] for gap in gaps), ""]
        return "".join(f"{f}{space}" for f, space in zip(factors, spaces, strict=True))

    def scripts(self, base: str, below: str, above: str) -> str:
        return f"{base}{_script('_', below)}{_script('^', above)}"

    def fraction(self, top: str, bottom: str) -> str:
        return f"\\frac{{{top}}}{{{bottom}}}"

    def root(self, body: str, degree: int) -> str:
        return f"\\sqrt{{{body}}}" if degree == 2 else f"\\sqrt[{degree}]{{{body}}}"

    def fence(self, left: str, body: str, right: str) -> str:
        opened, closed = _FENCES.get(left, (f"\\left{left}", f"\\right{right}"))
        return f"{opened}{body}{closed}"

    def function(self, name: str) -> str:
        return f"\\{name}" if name in _KNOWN else f"\\operatorname{{{_escape(name)}}}"

    def total(self, below: str, above: str, body: str) -> str:
        return f"\\sum_{{{below}}}" + (f"^{{{above}}}" if above else "") + f" {body}"

    def cases(self, rows: Sequence[tuple[str, str]]) -> str:
        body = " \\\\ ".join(f"{value} & {condition}" for value, condition in rows)
        return f"\\begin{{cases}} {body} \\end{{cases}}"

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        body = " \\\\ ".join(" & ".join(row) for row in rows)
        return f"\\begin{{pmatrix}} {body} \\end{{pmatrix}}"


def latex(e: Expr) -> str:
    r"""The formula as LaTeX for the mathematics mode; it needs amsmath alone.

    Example:
        >>> from chainrule.explain.notation import Fraction, Number, Symbol
        >>> latex(Fraction(Number(1), Symbol("n")))
        '\\frac{1}{n}'
    """
    return layout(e, _Latex())


def _script(mark: str, body: str) -> str:
    return f"{mark}{{{body}}}" if body else ""


def _escape(name: str) -> str:
    if len(name) == 1 and name in LATEX_LETTERS:
        return LATEX_LETTERS[name]
    return "".join(_ESCAPED.get(c) or _letter(c) for c in name).strip()


def _letter(c: str) -> str:
    return f"{LATEX_LETTERS[c]} " if c in LATEX_LETTERS else c if c.isprintable() else "\\ "


def _words(text: str) -> str:
    """Words in the text font; what has a meaning of its own there stands outside of it."""
    parts: list[str] = []
    printable = "".join(c if c.isprintable() else " " for c in text)
    for is_plain, run in groupby(printable, lambda c: c == " " or c not in _ESCAPED):
        letters = "".join(run)
        parts.append(f"\\text{{{letters}}}" if is_plain else _escape(letters))
    return "".join(parts)
