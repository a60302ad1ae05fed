"""The layers of any network as boxes: what each gives, what arrives at it, what it passes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chainrule.explain.drawing.canvas import element, escape, fill, stroke
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import shorten, width
from chainrule.explain.drawing.words import label
from chainrule.explain.numbers.layers import Layer
from chainrule.explain.numbers.norms import norm
from chainrule.explain.numbers.paper import BOLD, EDGE, LINE, Sheet, line, share
from chainrule.explain.numbers.pieces import is_data_name
from chainrule.explain.numbers.placing import Placed, placed
from chainrule.explain.numbers.words import shape_text, shown
from chainrule.explain.words import short

if TYPE_CHECKING:
    from chainrule.explain.numbers.backpropagation import Backpropagation

Array = Any
Edge = tuple[int, int]
#: No more boxes than this; neighbours are drawn together beyond.
MOST: Final = 32
#: Up to this many ranks are drawn side by side, more above one another.
ACROSS: Final = 5
#: A leaf that more layers read than this is told of in each of them.
READERS: Final = 3
_WIDEST: Final = 236.0
_GAP: Final = 30.0
_BETWEEN: Final = 50.0
#: A value's way and its gradient's are this far apart, twice.
_OFFSET: Final = 6.0


@dataclass(frozen=True)
class Box:
    """What is drawn as one: a leaf of data, a layer, or some layers in a row.

    Attributes:
        title: what stands in it first.
        path: of the layer; "" for none.
        lines: the numbers below.
        layers: numbers of the layers in it; none for a leaf.
    """

    title: str
    path: str
    lines: tuple[str, ...]
    layers: tuple[int, ...]

    @property
    def height(self) -> float:
        """With its title and lines."""
        return (1 + bool(self.path) + len(self.lines)) * LINE + 0.8 * SIZE

    @property
    def width(self) -> float:
        """As wide as its longest line, within limits."""
        longest = max(width(text, SIZE) for text in (self.path, *self.lines))
        longest = max(longest, width(self.title, BOLD))
        return min(_WIDEST, longest + SIZE)

    @property
    def name(self) -> str:
        """Path and title in one."""
        return " ".join(filter(None, (self.path, self.title)))


def box_drawing(found: Backpropagation) -> str:
    """The picture: values thin and grey one way, gradients wide and orange the other."""
    if not found.layers:
        sheet = Sheet(460.0, found.headline(), "No operation is visited.")
        return sheet.svg(sheet.top, found.notes())
    boxes, passed, note = _boxes_of(found)
    ranks = max(placed([1.0] * len(boxes), list(passed), 1.0).rank, default=0) + 1
    drawn = _Drawing(boxes, passed, is_flat=ranks <= ACROSS)
    return drawn.svg(found.headline(), note)


def _boxes_of(
    found: Backpropagation,
) -> tuple[list[Box], dict[Edge, list[Array]], str]:
    """Boxes, (from, to) -> what is passed back, and what is to be said."""
    layers = tuple(reversed(found.layers))
    groups = _grouped(layers)
    data = [x for x in found.subject.leaves if x in _data_leaves(found)]
    boxes = [Box(name, "", _leaf_lines(found, name), ()) for name in data]
    at = {}
    for group in groups:
        at.update({layer.number: len(boxes) for layer in group})
        boxes.append(_box(group, set(data)))
    passed: dict[Edge, list[Array]] = {}
    for layer in layers:
        for given in (*layer.passed, *layer.leaves):
            is_data = given.source is None and given.to in data
            if given.source is None and not is_data:
                continue
            a = data.index(given.to) if given.source is None else at[given.source]
            if a != at[layer.number]:
                passed.setdefault((a, at[layer.number]), []).append(given.gradient)
    note = ""
    if len(groups) < len(layers):
        note = f"{len(layers)} layers are drawn as {len(groups)} boxes: neighbours stand together."
    return boxes, passed, note


def _data_leaves(found: Backpropagation) -> set[str]:
    """Leaves with a box of their own: data, and numbers of a function that has no layers."""
    readers = Counter(given.to for layer in found.layers for given in layer.leaves)
    names = {name for name, count in readers.items() if count <= READERS}
    wanted = set(found.gradients)
    if found.subject.model is not None or any(np.ndim(g) >= 2 for g in found.gradients.values()):
        return (names - wanted) | {name for name in names if is_data_name(name)}
    return names if len(names) <= ACROSS + 3 else set()


def _grouped(layers: Sequence[Layer]) -> list[tuple[Layer, ...]]:
    """At most ``MOST`` stretches of the forward order; the loss stays by itself."""
    if len(layers) <= MOST:
        return [(layer,) for layer in layers]
    *others, last = layers
    cuts = np.linspace(0, len(others), MOST).round().astype(int)
    found = [tuple(others[a:b]) for a, b in pairwise(cuts) if b > a]
    return [*found, (last,)]


def _box(group: Sequence[Layer], data: set[str]) -> Box:
    last = group[-1]
    title = last.kind if len(group) == 1 else f"{group[0].kind} … {last.kind}"
    path = last.name if len(group) == 1 else f"{len(group)} layers, to {last.name or last.kind}"
    lines = [shape_text(last.shape), f"value {shown(last.value, 2)}", f"δ {shown(last.delta, 2)}"]
    leaves = [given for layer in group for given in layer.leaves if given.to not in data]
    for given in leaves[:3]:
        name = given.to.removeprefix(f"{last.name}.")
        lines.append(f"∂{name} {shown(given.gradient, 2)}")
    if len(leaves) > 3:
        rest = float(np.hypot.reduce([given.norm for given in leaves[3:]]))
        lines.append(f"∂{len(leaves) - 3} more ‖{short(rest, 3)}‖")
    if last.dead is not None and last.dead[0]:
        lines.append(f"{last.dead[0]} of {last.dead[1]} units 0")
    return Box(title, path, tuple(lines), tuple(layer.number for layer in group))


def _leaf_lines(found: Backpropagation, name: str) -> tuple[str, ...]:
    value = found.subject.leaves[name]
    total = found.total(name)
    lines = [shape_text(value.shape), f"value {shown(value)}"]
    return (*lines, f"∂L/∂{name} {shown(total)}") if total is not None else tuple(lines)


class _Drawing:
    """Boxes and arrows on a sheet; ``is_flat`` turns the ranks from lines into columns.

    Along is the way that the values flow, across the way along a rank.
    """

    def __init__(
        self, boxes: Sequence[Box], passed: Mapping[Edge, Sequence[Array]], is_flat: bool
    ) -> None:  # fmt: skip
        self.boxes, self.is_flat = boxes, is_flat
        self.passed = {edge: norm(tuple(found)) for edge, found in passed.items()}
        self.shown = {edge: _told(found) for edge, found in passed.items()}
        self.wide = max((box.width for box in boxes), default=_WIDEST)
        told = max((width(text, SIZE) for text in self.shown.values()), default=0.0)
        ends = Counter((k, edge[k]) for edge in passed for k in (0, 1))
        if not is_flat:  # a number stands beside each arrow
            self.wide = max(self.wide, max(ends.values(), default=0) * (told + 3 * _OFFSET + 16))
        self.across = [box.height if is_flat else self.wide for box in boxes]
        self.along = [self.wide if is_flat else box.height for box in boxes]
        self.places = placed(self.across, list(passed), _GAP)
        self.stub = told + 20 if is_flat else 1.7 * SIZE
        self.depth = self._depths()
        self.ports = _ports(self.places, list(passed), self.across)

    def _depths(self) -> list[tuple[float, float]]:
        """(begin, end) of each rank along."""
        found, at = [], 0.0
        for rank in range(max(self.places.rank, default=0) + 1):
            sizes = zip(self.along, self.places.rank, strict=True)
            end = at + max(size for size, own in sizes if own == rank)
            found.append((at, end))
            at = end + self.stub + _BETWEEN
        return found

    def svg(self, headline: str, note: str) -> str:
        """The picture with its legend."""
        length = self.depth[-1][1]
        inner, high = (length, self.places.extent) if self.is_flat else (self.places.extent, length)
        wide = max(460.0, inner + 2 * EDGE)
        sheet = Sheet(wide, headline, _described(self.boxes))
        self.origin = ((wide - inner) / 2, sheet.top + 8)
        top = max(self.passed.values(), default=0.0)
        for edge, size in self.passed.items():
            self._arrows(sheet, edge, size, top)
        for k, box in enumerate(self.boxes):
            self._box(sheet, k, box)
        way = "to the right" if self.is_flat else "downwards"
        legend = (
            f"Grey: values, {way}. Orange: the gradient passed back and its length, the wider the"
            " longer. ‖·‖ is the root of the sum of squares; δ = ∂L/∂value."
        )
        return sheet.svg(self.origin[1] + high + 10, [legend, *filter(None, [note])])

    def _at(self, across: float, along: float) -> tuple[float, float]:
        x, y = self.origin
        return (x + along, y + across) if self.is_flat else (x + across, y + along)

    def _arrows(self, sheet: Sheet, edge: Edge, size: float, top: float) -> None:
        """The value's way forwards and the gradient's way back, side by side."""
        a, b = edge
        leaves, arrives = self.ports[edge]
        rank_a, rank_b = self.places.rank[a], self.places.rank[b]
        begin = self.depth[rank_a][0] + self.along[a]
        end = self.depth[rank_a][1] + self.stub
        ways = [(leaves, begin), (leaves, end)]
        for rank, across in self.places.ways[edge]:
            ways += [(across, self.depth[rank][0]), (across, self.depth[rank][1])]
        ways.append((arrives, self.depth[rank_b][0]))
        forward, back = (
            [self._at(across + offset, along) for across, along in ways]
            for offset in (-_OFFSET, _OFFSET)
        )
        upright = not self.is_flat
        wide = 1.5 + 7.0 * share(size, top) ** 0.5
        sheet.group(line(forward, "muted", 1.5, 8, upright), self.boxes[b].layers)
        gradient = line(back[::-1], 1, wide, 7 + wide, upright)
        sheet.group(gradient, self.boxes[b].layers, is_back=True)
        x, y = self._at(leaves + _OFFSET, begin)
        dx, dy = (14, 1.15 * SIZE) if self.is_flat else (11, 1.3 * SIZE)
        sheet.text(self.shown[edge], x + dx, y + dy, "start", 1)

    def _box(self, sheet: Sheet, k: int, box: Box) -> None:
        across = self.places.across[k] - self.across[k] / 2
        x, y = self._at(across, self.depth[self.places.rank[k]][0])
        frame = {"x": x, "y": y, "width": self.wide, "height": box.height, "rx": 8}
        colour = "text" if box.layers else "muted"
        parts = [
            element("title", escape(f"{box.name}: {', '.join(box.lines)}")),
            element("rect", **frame, **fill("ground")),
            element("rect", **frame, stroke_width=1.5, **stroke(colour)),
        ]
        room, at = self.wide - SIZE, y + 0.2 * SIZE + LINE
        parts.append(label(shorten(box.title, room, BOLD), x + SIZE / 2, at, kind="h"))
        if box.path:
            at += LINE
            parts.append(label(_last_part(box.path, room), x + SIZE / 2, at, colour="muted"))
        for told in box.lines:
            at += LINE
            parts.append(label(shorten(told, room, SIZE), x + SIZE / 2, at, kind="n"))
        sheet.group("".join(parts), box.layers)


def _told(passed: Sequence[Array]) -> str:
    """A single number with its sign, the length of more."""
    is_number = (
        len(passed) == 1 and not isinstance(passed[0], tuple | dict) and np.size(passed[0]) == 1
    )
    return short(float(np.ravel(passed[0])[0]) if is_number else norm(tuple(passed)), 3)


def _ports(
    places: Placed, edges: Sequence[Edge], sizes: Sequence[float]
) -> dict[Edge, tuple[float, float]]:
    """Where each edge leaves its first box and meets its second, none at another's place."""
    leaves = _sides(places, edges, sizes, 0)
    arrives = _sides(places, edges, sizes, 1)
    return {edge: (leaves[edge], arrives[edge]) for edge in edges}


def _sides(
    places: Placed, edges: Sequence[Edge], sizes: Sequence[float], side: int
) -> dict[Edge, float]:
    """Along one side of each box, in the order of where the edges come from or go to."""
    found = {}
    for k, size in enumerate(sizes):
        own = [edge for edge in edges if edge[side] == k]
        nearest = 0 if side == 0 else -1
        towards = {
            edge: places.ways[edge][nearest][1]
            if places.ways[edge]
            else places.across[edge[1 - side]]
            for edge in own
        }
        for i, edge in enumerate(sorted(own, key=towards.__getitem__)):
            found[edge] = places.across[k] + size * ((i + 1) / (len(own) + 1) - 0.5)
    return found


def _last_part(path: str, room: float) -> str:
    """As much of a path's end as fits."""
    cut = path
    while len(cut) > 1 and width(f"…{cut}" if cut != path else path, SIZE) > room:
        cut = cut[1:]
    return path if cut == path else f"…{cut}"


def _described(boxes: Sequence[Box]) -> str:
    """For a reader of the screen: the boxes from the loss backwards."""
    said = [f"{box.name}: {', '.join(box.lines)}" for box in reversed(boxes)]
    some = said[:12] + ([f"and {len(said) - 12} more"] if len(said) > 12 else [])
    return "Layers from the loss backwards. " + "; ".join(some) + "."
