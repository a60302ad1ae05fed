"""The parts of a report, and the report itself: text, HTML, JSON, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainrule import __version__
from chainrule.explain.page import (
    Section,
    document,
    escape,
    fragment,
    paragraph,
    save,
    section,
)
from chainrule.explain.shown import wrapped


@dataclass(frozen=True, eq=False)
class Part:
    """One section of a report.

    Attributes:
        name: short, always the same: "model", "curves".
        title: its heading.
        says: what is seen, in plain sentences.
        body: HTML below these sentences.
        pictures: SVG by name; they stand in the body.
        numbers: what it shows, as plain values.
        is_missing: whether it could not be made; ``says`` then tells why.
    """

    name: str
    title: str
    says: tuple[str, ...]
    body: str = ""
    pictures: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)
    is_missing: bool = False

    def html(self) -> str:
        """The sentences and the body."""
        return "".join(map(paragraph, self.says)) + self.body

    def __str__(self) -> str:
        says = [f"not shown: {said}" if self.is_missing else said for said in self.says]
        lines = [line for said in says for line in wrapped(f"  {said}", hang=0)]
        return "\n".join([self.title, *lines])


@dataclass(frozen=True, eq=False)
class Report:
    """What can be said of a run; ``save`` writes it as one offline page.

    Attributes:
        title: of the page.
        parts: its sections, in their order.
        seconds: that it took to make.
    """

    title: str
    parts: tuple[Part, ...]
    seconds: float

    def part(self, name: str) -> Part:
        """The section of this name.

        Raises:
            KeyError: there is none.
        """
        return {part.name: part for part in self.parts}[name]

    def pictures(self) -> dict[str, str]:
        """Every picture as SVG, by "section/name"."""
        return {
            f"{part.name}/{name}": svg for part in self.parts for name, svg in part.pictures.items()
        }

    def html(self) -> str:
        """The page: one file, nothing is loaded."""
        made = f"Made by Chainrule {escape(__version__)} in {self.seconds:.1f} s."
        sections = [
            section(part.title, part.html(), part.name)
            for part in self.parts
            if not part.is_missing
        ]
        sections += self._missing()
        return document(self.title, sections, foot=f"<p>{made}</p>")

    def _missing(self) -> list[Section]:
        """One section for all that could not be made, a line each."""
        lost = [part for part in self.parts if part.is_missing]
        items = "".join(f"<li>{escape(f'{p.title}: {p.says[0]}')}</li>" for p in lost)
        return [section("Not shown", f"<ul>{items}</ul>", "not-shown")] if lost else []

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all.

        Raises:
            RunError: it cannot be written.
        """
        return save(Path(path), self.html())

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers."""
        return {
            "kind": "report",
            "title": self.title,
            "sections": [
                {
                    "name": part.name, "title": part.title, "says": list(part.says),
                    "is_missing": part.is_missing, **dict(part.numbers),
                }
                for part in self.parts
            ],
        }  # fmt: skip

    def _repr_html_(self) -> str:
        shown = [(part.title, part.html()) for part in self.parts if not part.is_missing]
        shown += [(part.title, part.body) for part in self._missing()]
        body = "".join(f"<h2>{escape(title)}</h2>{html}" for title, html in shown)
        return fragment(f"<h1>{escape(self.title)}</h1>{body}")

    def __str__(self) -> str:
        return "\n\n".join([self.title, *map(str, self.parts)])

    __repr__ = __str__
