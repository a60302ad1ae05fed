"""Words in a picture: placed where they neither meet each other nor leave it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chainrule.explain.drawing.canvas import element, escape, fill
from chainrule.explain.drawing.colours import light
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import shorten
from chainrule.explain.drawing.view import Box, Word

#: Around letters, in viewers that know no variables too.
RIM: Final[dict[str, object]] = {
    "stroke": light("ground"), "stroke_width": 3.0, "paint_order": "stroke",
    "stroke_linejoin": "round",
}  # fmt: skip
#: Where else a word may stand, in text sizes, nearest first.
_SHIFTS: Final = tuple(
    sorted(
        ((dx, dy) for dx in (-6, -4, -2, 0, 2, 4, 6) for dy in range(-14, 15)),
        key=lambda shift: abs(shift[0]) * 0.6 + abs(shift[1]),
    )
)


def place(words: list[Word], frame: Box) -> list[Word]:
    """The words, moved as little as needed; one that has no place anywhere is left out."""
    placed: list[Word] = []
    for word in words:
        taken = [other.box() for other in placed]
        spots = (_within(_moved(word, *shift), frame) for shift in _SHIFTS)
        free = (s for s in spots if not any(s.box().meets(other) for other in taken))
        if (found := next(free, None)) is not None:
            placed.append(found)
    return placed


def written(words: list[Word]) -> str:
    """The elements, each with a rim in the colour of the ground so that lines pass behind."""
    return "".join(label(w.text, w.x, w.y, w.anchor, w.colour, "r", **RIM) for w in words)


def label(
    text: str,
    x: float,
    y: float,
    anchor: str = "start",
    colour: int | str = "text",
    kind: str = "",
    **attributes: object,
) -> str:
    """One line of text with its base at (x, y)."""
    look = fill(colour)
    look["class_"] = f"{look['class_']} {kind}".strip()
    where = {"x": float(x), "y": float(y), "text_anchor": anchor if anchor != "start" else None}
    return element("text", escape(text), **where, **look, **attributes)


def _moved(word: Word, dx: float, dy: float) -> Word:
    return replace(word, x=word.x + 0.5 * dx * SIZE, y=word.y + 0.6 * dy * SIZE)


def _within(word: Word, frame: Box) -> Word:
    word = replace(word, text=shorten(word.text, frame.width, SIZE))
    box = word.box()
    dx = max(0.0, frame.left - box.left) - max(0.0, box.right - frame.right)
    dy = max(0.0, frame.top - box.top) - max(0.0, box.bottom - frame.bottom)
    return replace(word, x=word.x + dx, y=word.y + dy)
