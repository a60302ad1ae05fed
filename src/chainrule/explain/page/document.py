"""A whole page in one file: nothing is loaded, so it opens from a disk without a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chainrule.explain.page.pieces import Section, escape
from chainrule.explain.page.style import SCOPED, WHOLE
from chainrule.runs.files import cannot, write_file

#: Nothing may be fetched and no script may run; styles and pictures are those in the page.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
    " form-action 'none'"
)
_OWN: Final = re.compile(r"\bcr[0-9a-f]{10}\b")


def document(
    title: str, sections: Sequence[Section | str], lead: str = "", foot: str = "", lang: str = "en"
) -> str:
    """The page: title, table of contents, sections.

    Args:
        title: of the page and of its first heading.
        sections: of ``section``; other HTML goes in as it is, outside the table of contents.
        lead: HTML between the title and the contents.
        foot: HTML at the end.
        lang: the language that the page is written in (BCP 47).

    Example:
        >>> from chainrule.explain.page import section
        >>> page = document("Run", [section("Model", "<p>Two layers.</p>")])
        >>> page.startswith("<!DOCTYPE html>"), "<script" in page
        (True, False)
    """
    named = _distinct(sections)
    body = _unique("".join(str(part) for part in named))
    below = f"<footer>{foot}</footer>" if foot else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(lang)}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{SCOPED}{WHOLE}</style></head>"
        f'<body class="cr-page"><a class="cr-skip" href="#content">Skip to the content</a>'
        f'<div class="cr-column"><header><h1>{escape(title)}</h1>{lead}</header>{_contents(named)}'
        f'<main id="content">{body}</main>{below}</div></body></html>\n'
    )


def save(path: Path, page: str) -> Path:
    """Write a page, whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    content = page.encode("utf-8")
    try:
        write_file(path, content)
    except OSError as error:
        raise cannot("be written", path, error, len(content)) from error
    return path


def _contents(sections: Sequence[Section | str]) -> str:
    known = [part for part in sections if isinstance(part, Section)]
    if len(known) < 2:
        return ""
    items = "".join(f'<li><a href="#{part.id}">{escape(part.title)}</a></li>' for part in known)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _distinct(sections: Sequence[Section | str]) -> list[Section | str]:
    """The sections, no two with one id."""
    found: list[Section | str] = []
    taken = {"content"}
    for part in sections:
        if isinstance(part, Section):
            part = Section(part.title, part.body, _free(part.id, taken))
            taken.add(part.id)
        found.append(part)
    return found


def _free(name: str, taken: set[str]) -> str:
    k = 2
    free = name
    while free in taken:
        free, k = f"{name}-{k}", k + 1
    return free


def _unique(html: str) -> str:
    """A picture that is there twice has two names: its ids are made of its content."""
    seen: dict[str, int] = {}
    parts = re.split(r"(?=<svg\b)", html)
    for k, part in enumerate(parts):
        if (own := _OWN.search(part)) is None or not part.startswith("<svg"):
            continue
        count = seen[own[0]] = seen.get(own[0], 0) + 1
        if count > 1:
            parts[k] = part.replace(own[0], f"{own[0]}-{count}")
    return "".join(parts)
