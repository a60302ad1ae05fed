"""Letters: Greek by name, bold ones, those above and below the line."""

from __future__ import annotations

from typing import Final

#: Name of a letter in programs and in LaTeX, where it has one of its own.
GREEK: Final[dict[str, str]] = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "lam": "λ", "lambd": "λ",
    "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ",
    "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π",
    "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip

_LATEX_OF: Final = {
    "ε": "\\varepsilon",
    "φ": "\\varphi",
    "ℓ": "\\ell",
    "∞": "\\infty",
    "∂": "\\partial",
}
#: Letter: the LaTeX command that prints it.
LATEX_LETTERS: Final[dict[str, str]] = {
    **{letter: f"\\{name}" for name, letter in GREEK.items() if name not in ("lam", "lambd")},
    **_LATEX_OF,
}

_ABOVE_OF: Final = {
    "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷", "8": "⁸",
    "9": "⁹", "+": "⁺", "−": "⁻", "-": "⁻", "=": "⁼", "(": "⁽", ")": "⁾", "n": "ⁿ", "i": "ⁱ",
    "a": "ᵃ", "b": "ᵇ", "c": "ᶜ", "d": "ᵈ", "e": "ᵉ", "f": "ᶠ", "g": "ᵍ", "h": "ʰ", "j": "ʲ",
    "k": "ᵏ", "l": "ˡ", "m": "ᵐ", "o": "ᵒ", "p": "ᵖ", "r": "ʳ", "s": "ˢ", "t": "ᵗ", "u": "ᵘ",
    "v": "ᵛ", "w": "ʷ", "x": "ˣ", "y": "ʸ", "z": "ᶻ", "T": "ᵀ", "β": "ᵝ", "γ": "ᵞ", "δ": "ᵟ",
    "θ": "ᶿ", " ": " ",
}  # fmt: skip
_BELOW_OF: Final = {
    "0": "₀", "1": "₁", "2": "₂", "3": "₃", "4": "₄", "5": "₅", "6": "₆", "7": "₇", "8": "₈",
    "9": "₉", "+": "₊", "−": "₋", "-": "₋", "=": "₌", "(": "₍", ")": "₎", "a": "ₐ", "e": "ₑ",
    "h": "ₕ", "i": "ᵢ", "j": "ⱼ", "k": "ₖ", "l": "ₗ", "m": "ₘ", "n": "ₙ", "o": "ₒ", "p": "ₚ",
    "r": "ᵣ", "s": "ₛ", "t": "ₜ", "u": "ᵤ", "v": "ᵥ", "x": "ₓ", "β": "ᵦ", "γ": "ᵧ", "ρ": "ᵨ",
    "φ": "ᵩ", "χ": "ᵪ",
}  # fmt: skip


def above(text: str) -> str | None:
    """The text in letters above the line; None if one of them has no such form."""
    return _changed(text, _ABOVE_OF)


def below(text: str) -> str | None:
    """The text in letters below the line; None if one of them has no such form."""
    return _changed(text, _BELOW_OF)


def _changed(text: str, table: dict[str, str]) -> str | None:
    return "".join(table[c] for c in text) if all(c in table for c in text) else None


def bold(letter: str) -> str:
    """A Latin or Greek letter in the bold alphabet of mathematics; others as they are."""
    for first, last, start in (
        ("A", "Z", 0x1D400), ("a", "z", 0x1D41A), ("Α", "Ω", 0x1D6A8), ("α", "ω", 0x1D6C2),
        ("0", "9", 0x1D7CE),
    ):  # fmt: skip
        if first <= letter <= last and len(letter) == 1:
            return chr(start + ord(letter) - ord(first))
    return letter
