"""Colours: a palette safe for colour blindness, a sequential and a diverging map, two schemes.

The palette is that of Okabe and Ito (2008, Color Universal Design), each hue made darker for the
light scheme and lighter for the dark one until it stands out from the ground at 3:1 or more
(WCAG 2.2, 1.4.11). The sequential map is viridis (van der Walt and Smith 2015), which rises evenly
in lightness; the diverging one is blue or orange, the more opaque the further from zero, so that
zero is the ground of either scheme.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: An index into the palette, or a name: "text", "muted", "accent".
Colour: TypeAlias = int | str

#: name: (on a light ground, on a dark one)
SCHEMES: Final[dict[str, tuple[str, str]]] = {
    "c0": ("#0072b2", "#56a9e8"),  # blue
    "c1": ("#c85200", "#f08a4b"),  # vermillion
    "c2": ("#00855f", "#3cc79b"),  # bluish green
    "c3": ("#b0558d", "#e09ac4"),  # reddish purple
    "c4": ("#9c6b00", "#edb120"),  # orange
    "c5": ("#3b8fb8", "#9bd9f5"),  # sky blue
    "c6": ("#7d7a00", "#f0e442"),  # yellow
    "text": ("#1b1f24", "#e8eaed"),
    "muted": ("#59636e", "#a3adb8"),
    "accent": ("#b3261e", "#ff8a80"),
    "grid": ("#dfe3e8", "#343a42"),
    "ground": ("#ffffff", "#14171c"),
}
PALETTE: Final = tuple(name for name in SCHEMES if name[0] == "c" and name[1:].isdigit())
_NAMED: Final = ("text", "muted", "accent", "grid", "ground")
#: Viridis at nine even steps.
_VIRIDIS: Final = np.array(
    [
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ],
    dtype=float,
)
_BELOW: Final = (0, 114, 178)
_ABOVE: Final = (213, 94, 0)


def name_of(colour: Colour) -> str:
    """The name of a colour in ``SCHEMES``; indices go round the palette.

    Raises:
        ValueError: no colour has this name.
    """
    if isinstance(colour, str):
        if colour not in SCHEMES:
            raise ValueError(f"color: expected an index or one of {_NAMED}; got {colour!r}")
        return colour
    return PALETTE[int(colour) % len(PALETTE)]


def light(colour: Colour) -> str:
    """The colour on a light ground, #rrggbb: for viewers that know no style sheet variables."""
    return SCHEMES[name_of(colour)][0]


def sequential(t: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Viridis at t in [0, 1]: t (...) -> red, green, blue, opacity (..., 4).

    Example:
        >>> sequential(np.array([0.0, 1.0]))[:, :3].tolist()
        [[68, 1, 84], [253, 231, 37]]
    """
    at = np.linspace(0.0, 1.0, len(_VIRIDIS))
    t = np.asarray(t, dtype=float)
    parts = [np.interp(t, at, _VIRIDIS[:, k]) for k in range(3)]
    return _bytes([*parts, np.where(np.isfinite(t), 255.0, 0.0)])


def diverging(t: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Blue below zero, orange above, clear at zero: t in [-1, 1] (...) -> (..., 4)."""
    t = np.clip(np.asarray(t, dtype=float), -1.0, 1.0)
    parts = [np.where(t < 0, _BELOW[k], _ABOVE[k]) for k in range(3)]
    return _bytes([*parts, 255.0 * np.abs(np.nan_to_num(t)) ** 0.8])


def css(colour: NDArray[np.uint8]) -> str:
    """#rrggbb of one colour; its opacity is not told."""
    r, g, b = (int(part) for part in colour[:3])
    return f"#{r:02x}{g:02x}{b:02x}"


def _bytes(parts: list[NDArray[np.floating]]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.rint(np.nan_to_num(np.stack(parts, axis=-1))).astype(np.uint8)
    return rounded


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours #rrggbb, 1 to 21 (WCAG 2.2, relative luminance)."""
    low, high = sorted((_luminance(a), _luminance(b)))
    ratio: float = (high + 0.05) / (low + 0.05)
    return ratio


def _luminance(colour: str) -> float:
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255.0
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))
