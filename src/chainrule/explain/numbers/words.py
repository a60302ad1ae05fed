"""Numbers, shapes and sentences as they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.explain.drawing.numbers import short
from chainrule.explain.numbers.jacobians import SHOWN, Jacobian
from chainrule.explain.numbers.norms import norm

Array = Any
#: The widest line of a terminal.
WIDTH: Final = 100
#: What goes to an operand, by operation: J and what it does to δ. ``y`` is the result.
RULES: Final[dict[str, str]] = {
    "add": "δ as it is",
    "subtract": "δ, and −δ to what is subtracted",
    "multiply": "δ times the other factor",
    "divide": "δ / divisor; −δ y / divisor to the divisor",
    "negative": "−δ",
    "power": "δ · n xⁿ⁻¹",
    "maximum": "δ where this one is the larger",
    "minimum": "δ where this one is the smaller",
    "where": "δ where this one was chosen, 0 elsewhere",
    "exp": "δ y, as (eˣ)′ = eˣ",
    "log": "δ / x",
    "log1p": "δ / (1 + x)",
    "expm1": "δ (y + 1)",
    "sqrt": "δ / (2y)",
    "tanh": "δ (1 − y²)",
    "sigmoid": "δ y (1 − y)",
    "softplus": "δ σ(x)",
    "sin": "δ cos x",
    "cos": "−δ sin x",
    "absolute": "δ sign x",
    "erf": "δ · 2/√π · exp(−x²)",
    "dot": "the other factor times δ: Wᵀ δ to the input, δ aᵀ to W",
    "sum": "δ to each number of the sum",
    "max": "δ to the largest",
    "broadcast": "the sum of δ over the copies",
    "reshape": "δ in the old shape",
    "transpose": "δ turned back",
    "slice": "δ at its place, 0 elsewhere",
    "take": "δ at the places that were read, 0 elsewhere",
    "concatenate": "each operand its own part of δ",
    "cast": "δ in the operand's dtype",
    "custom_gradient": "what the user's own backward function gives",
    "scan": "δ through the steps of the loop, the last first",
}


def shown(x: Any, most: int = 3) -> str:
    """A number, a few numbers, or the length of many: ``‖17.9‖``.

    Example:
        >>> shown(np.float64(-0.5)), shown(np.array([1.0, 2.0])), shown(np.ones(100))
        ('−0.5', '[1, 2]', '‖10‖')
    """
    if isinstance(x, tuple | dict):
        return f"‖{short(norm(x))}‖"
    x = np.asarray(x)
    if x.ndim == 0:
        return short(float(x))
    if 0 < x.size <= most:
        return f"[{', '.join(short(float(v)) for v in np.ravel(x))}]"
    return f"‖{short(norm(x))}‖" if x.size else "empty"


def shape_text(shape: tuple[int, ...]) -> str:
    """10×128; "scalar" for none.

    Example:
        >>> shape_text((10, 128)), shape_text((3,)), shape_text(())
        ('10×128', '3', 'scalar')
    """
    return "×".join(map(str, shape)) or "scalar"


def jacobian_text(jacobian: Jacobian) -> str:
    """Its size, its structure and its norms."""
    found = jacobian.matrix
    if found is not None and found.size == 1:
        return f"J {short(float(found[0, 0]))}"
    parts = [f"J {jacobian}"]
    if jacobian.frobenius is not None:
        parts.append(f"‖J‖ {short(jacobian.frobenius)}")
    if jacobian.spectral is not None:
        parts.append(f"σ {short(jacobian.spectral)}")
    return ", ".join(parts)


def cut(text: str, width: int) -> str:
    """The text, or its beginning and an ellipsis.

    Example:
        >>> cut("layers.10.weight", 9)
        'layers.1…'
    """
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """Columns under one another, no line wider than a terminal: the widest columns are cut.

    ``right`` has a ``>`` for each column that stands on the right, any other letter else.
    """
    table = [list(head), *map(list, rows)]
    widths = [max(len(row[k]) for row in table) for k in range(len(head))]
    room = WIDTH - 2 * (len(head) - 1)
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in table:
        cells = [
            f"{cut(cell, n):{side if side == '>' else '<'}{n}}"
            for cell, n, side in zip(row, widths, right.ljust(len(head)), strict=False)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def wrapped(text: str, indent: str = "") -> str:
    """A sentence in lines of a terminal; a word that is wider than a line is cut."""
    lines: list[str] = []
    for word in text.split():
        word = cut(word, WIDTH - len(indent))
        if lines and len(lines[-1]) + 1 + len(word) <= WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append((indent if lines else "") + word)
    return "\n".join(lines)


def plain(x: Any) -> Any:
    """JSON's types: what is not finite as text, more than 64 numbers as their measures."""
    if isinstance(x, dict):
        return {str(key): plain(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [plain(value) for value in x]
    if isinstance(x, np.ndarray):
        return plain(x.tolist()) if x.size <= SHOWN else measures(x)
    if isinstance(x, np.generic):
        return plain(x.item())
    if isinstance(x, float) and not np.isfinite(x):
        return str(x)
    return x


def measures(x: Array) -> dict[str, Any]:
    """Norm, smallest, largest, mean, share of zeros of many numbers."""
    with np.errstate(all="ignore"):
        wide = np.asarray(x, np.float64)
        found = {
            "norm": norm(wide), "min": float(np.min(wide)), "max": float(np.max(wide)),
            "mean": float(np.mean(wide)), "zeros": float(np.mean(wide == 0)),
        }  # fmt: skip
    return {"shape": list(np.shape(x)), **{key: plain(value) for key, value in found.items()}}
