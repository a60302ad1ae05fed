"""A small plot in the terminal: a line of braille dots, and points."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

LINE, POINT = "cyan", "yellow"
# The bit of each of a braille cell's dots, by row (4) and column (2): Unicode, block U+2800.
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def loss_plot(
    line: Sequence[float], points: Sequence[float | None], width: int, height: int = 8
) -> Text:
    """Losses per epoch: ``line`` drawn through, ``points`` as single marks.

    Args:
        line: one value per epoch, two or more.
        points: the same number of values, or none.
        width: of the whole plot, in characters.
        height: of the drawing without its axis, in characters.
    """
    shown = [v for v in (*line, *points) if v is not None]
    low, high = min(shown), max(shown)
    labels = _labels(low, high, height)
    margin = max(len(label) for label in labels)
    columns = max(width - margin - 2, 10)
    cells = _draw_line([_level(v, low, high, height) for v in line], columns, height)
    marks = _mark(points, low, high, columns, height)
    rows = (_row(labels[r], margin, cells[r], marks[r]) for r in range(height))
    return Text("\n").join([*rows, _axis(margin, columns, len(line))])


def _level(value: float, low: float, high: float, height: int) -> float:
    """The height of a value in dots from the top."""
    share = (high - value) / (high - low) if high > low else 0.5
    return share * (4 * height - 1)


def _draw_line(levels: Sequence[float], columns: int, height: int) -> list[list[int]]:
    """The braille bits of each cell for a line through ``levels``, evenly spread."""
    cells = [[0] * columns for _ in range(height)]
    dots, last = 2 * columns, None
    for x in range(dots):
        at = x / (dots - 1) * (len(levels) - 1)
        k = min(int(at), len(levels) - 2)
        y = round(levels[k] + (at - k) * (levels[k + 1] - levels[k]))
        for between in _steps(last, y):
            cells[between // 4][x // 2] |= DOTS[between % 4][x % 2]
        last = y
    return cells


def _steps(last: int | None, y: int) -> range:
    """Every height from the one after the last dot's to this one's, so that the line has no gap."""
    if last is None or last == y:
        return range(y, y + 1)
    return range(last + 1, y + 1) if y > last else range(y, last)


def _mark(
    points: Sequence[float | None], low: float, high: float, columns: int, height: int
) -> list[set[int]]:
    """The columns that hold a point, by row; not closer than every other column."""
    marks: list[set[int]] = [set() for _ in range(height)]
    free = 0
    for k, value in enumerate(points):
        column = round(k / max(len(points) - 1, 1) * (columns - 1))
        if value is not None and column >= free:
            marks[round(_level(value, low, high, height)) // 4].add(column)
            free = column + 2
    return marks


def _row(label: str, margin: int, cells: Sequence[int], marks: set[int]) -> Text:
    row = Text(f"{label:>{margin}} ┤" if label else " " * margin + " │", style="dim")
    for column, bits in enumerate(cells):
        if column in marks:
            row.append("●", style=f"{POINT} not dim")
        else:
            row.append(chr(0x2800 + bits) if bits else " ", style=f"{LINE} not dim")
    return row


def _axis(margin: int, columns: int, epochs: int) -> Text:
    ends = f"1{'epoch':^{columns - 1 - len(str(epochs))}}{epochs}"
    ticks = " " * margin + " └" + "─" * columns
    return Text(f"{ticks}\n{' ' * (margin + 2)}{ends}", style="dim")


def _labels(low: float, high: float, height: int) -> list[str]:
    """The scale's numbers at the top, the middle and the bottom row."""
    labels = [""] * height
    for row, value in ((0, high), (height // 2, (low + high) / 2), (height - 1, low)):
        labels[row] = f"{value:.4g}"
    return labels
