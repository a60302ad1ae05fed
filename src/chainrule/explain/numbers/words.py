"""Numbers, shapes and sentences as they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.explain.numbers.jacobians import SHOWN, Jacobian
from chainrule.explain.numbers.norms import norm
from chainrule.explain.shown import WIDTH
from chainrule.explain.words import several, short

Array = Any
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
        return f"‖{short(norm(x), 3)}‖"
    x = np.asarray(x)
    if x.ndim == 0:
        return short(float(x), 3)
    if 0 < x.size <= most:
        return f"[{several(np.ravel(x), 3)}]"
    return f"‖{short(norm(x), 3)}‖" if x.size else "empty"


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
        return f"J {short(float(found[0, 0]), 3)}"
    parts = [f"J {jacobian}"]
    if jacobian.frobenius is not None:
        parts.append(f"‖J‖ {short(jacobian.frobenius, 3)}")
    if jacobian.spectral is not None:
        parts.append(f"σ {short(jacobian.spectral, 3)}")
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


def in_brief(x: Array) -> Any:
    """All numbers of a small array; norm, smallest, largest, mean, share of zeros of many."""
    if x.size <= SHOWN:
        return x.tolist()
    with np.errstate(all="ignore"):
        wide = np.asarray(x, np.float64)
        found = {
            "norm": norm(wide), "min": float(np.min(wide)), "max": float(np.max(wide)),
            "mean": float(np.mean(wide)), "zeros": float(np.mean(wide == 0)),
        }  # fmt: skip
    return {"shape": list(np.shape(x)), **found}
