"""Pages: pieces of HTML, a fragment for a notebook, a whole document that needs no network."""

from chainrule.explain.page.document import document, save
from chainrule.explain.page.pieces import (
    Html,
    Section,
    escape,
    figure,
    formula,
    fragment,
    listing,
    paragraph,
    section,
    table,
    unwrapped,
)

__all__ = [
    "Html",
    "Section",
    "document",
    "escape",
    "figure",
    "formula",
    "fragment",
    "listing",
    "paragraph",
    "save",
    "section",
    "table",
    "unwrapped",
]
