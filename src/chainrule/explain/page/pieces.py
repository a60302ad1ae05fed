"""Pieces of HTML: text made safe, tables, sections, boxes that scroll, fragments."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chainrule.explain.page.style import SCOPED
from chainrule.explain.words import short, signed

#: What reads as a number: a sign, digits with commas or a point, a power of ten, a unit sign.
_NUMBER: Final = re.compile(
    r"[+−–-]?(\d[\d,]*\.?\d*|\.\d+)([eE][+−-]?\d+)?([×·]10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?\s?%?|[+−-]?∞|NaN|nan|—|"
    r"[+−-]?10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+"
)
#: Letters from which on a cell is not squeezed into a narrow column.
_LONG: Final = 32
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Html(str):
    """Text that is HTML already: cells of a ``table`` that are this are not escaped."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a document: its heading, its body (HTML) and its id."""

    title: str
    body: str
    id: str

    def __str__(self) -> str:
        return (
            f'<section aria-labelledby="{self.id}">'
            f'<h2 id="{self.id}">{escape(self.title)}</h2>{self.body}</section>'
        )


def escape(text: object) -> str:
    """Text that can stand anywhere in HTML; control characters and lone surrogates fall out.

    Example:
        >>> escape("<b> & 'c'")
        '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    return html.escape(_FORBIDDEN.sub("", str(text)), quote=True)


def paragraph(text: object, kind: str = "") -> str:
    """A paragraph of plain text."""
    shown = f' class="{escape(kind)}"' if kind else ""
    return f"<p{shown}>{escape(text)}</p>"


def section(title: str, body: str, id: str = "") -> Section:
    """A section; without an id, one is made of its title. ``str()`` of it is HTML.

    Example:
        >>> print(section("The model", "<p>Two layers.</p>"))
        <section aria-labelledby="the-model"><h2 id="the-model">The model</h2><p>Two layers.</p>...
    """
    return Section(title, str(body), _identifier(id or title))


def table(
    head: Sequence[object], rows: Iterable[Sequence[object]], caption: str = "", label: str = ""
) -> str:
    """A table in a box that scrolls; columns of numbers stand on the right, digits below digits.

    Cells are escaped, but those that are ``Html``. The first cell of a row names the row.

    Args:
        head: the names of the columns.
        rows: a cell for each column.
        caption: stands above the table.
        label: what the box is called by a reader of the screen; the caption, if there is one.

    Example:
        >>> '<td class="cr-number">0.5</td>' in table(["epoch", "loss"], [[1, 0.5], [2, 0.25]])
        True
    """
    shown = [[_cell(cell) for cell in row] for row in rows]
    texts = [[_plain(cell) for cell in row] for row in shown]
    kinds = [_kind([row[k] for row in texts if k < len(row)]) for k in range(len(head))]
    top = "".join(_tag("th", _cell(h), kind, "col") for h, kind in zip(head, kinds, strict=True))
    body = "".join(f"<tr>{_row(row, kinds)}</tr>" for row in shown)
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    name = caption or label or "Table: " + ", ".join(_plain(_cell(h)) for h in head)
    return _box(f"<table>{above}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>", name)


def listing(text: object, label: str = "Listing") -> str:
    """Text of fixed width, in a box that scrolls."""
    return _box(f'<pre class="cr-code">{escape(text)}</pre>', label)


def figure(svg: str, caption: str = "") -> str:
    """A picture with the sentence that says what is seen."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{svg}{below}</figure>"


def formula(mathml: str, label: str = "Formula") -> str:
    """A formula in a box that scrolls where it is wider than the page."""
    name = f'role="group" aria-label="{escape(label)}"'
    return f'<div class="cr-formula" tabindex="0" {name}>{mathml}</div>'


def fragment(html: str) -> str:
    """A piece for a notebook: its own style sheet, which reaches nothing outside."""
    return f'<div class="cr-page"><style>{SCOPED}</style>{html}</div>'


def unwrapped(html: str) -> str:
    """What ``fragment`` was given: a piece that stands in a page has no style sheet of its own."""
    before, after = fragment("|").split("|")
    return html.removeprefix(before).removesuffix(after) if html.startswith(before) else html


def _box(content: str, label: str) -> str:
    name = f'role="region" aria-label="{escape(label)}"'
    return f'<div class="cr-wide" tabindex="0" {name}>{content}</div>'


def _cell(value: Any) -> Html:
    if isinstance(value, Html):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Html(escape("" if value is None else value))
    return Html(signed(f"{abs(value):,}", value) if isinstance(value, int) else short(value))


def _row(row: Sequence[Html], kinds: Sequence[str]) -> str:
    first = [_tag("th", row[0], kinds[0], "row")] if row else []
    rest = [_tag("td", cell, kind) for cell, kind in zip(row[1:], kinds[1:], strict=False)]
    return "".join([*first, *rest])


def _tag(tag: str, content: str, kind: str, scope: str = "") -> str:
    shown = f' class="{kind}"' if kind else ""
    names = f' scope="{scope}"' if scope else ""
    return f"<{tag}{names}{shown}>{content}</{tag}>"


def _kind(texts: list[str]) -> str:
    """The class of a column's cells: numbers, or texts so long that they want some width."""
    told = [text for text in texts if text]
    if told and all(_NUMBER.fullmatch(text) for text in told):
        return "cr-number"
    return "cr-long" if any(len(text) > _LONG for text in told) else ""


def _plain(content: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", content)).strip()


def _identifier(title: str) -> str:
    """A name for links: letters and digits of the title, else a number of it."""
    made = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return made or "s" + hashlib.sha256(title.encode("utf-8", "replace")).hexdigest()[:8]
