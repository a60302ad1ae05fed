"""The style sheet inside each picture: variables for two schemes, text sizes for two widths.

Every coloured element also carries its light colour as an attribute, for viewers that know no
variables (librsvg, Inkscape). On a narrow screen a picture shrinks, so its text is laid out for
the larger size and set smaller where there is room.
"""

from __future__ import annotations

from typing import Final

from chainrule.explain.drawing.colours import SCHEMES

#: Text size in units of the picture: what the layout reckons with, for phones and bare viewers.
SIZE: Final = 18.0
#: Text size where the page is wide enough to show the picture unshrunk.
WIDE: Final = 14.0
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
#: The class of every picture.
CLASS: Final = "cr-picture"
#: How a page or a notebook says that it is dark or light, whatever the system prefers.
_DARK: Final = ('[data-theme="dark"]', '[data-jp-theme-light="false"]', ".vscode-dark")
_LIGHT: Final = ('[data-theme="light"]', '[data-jp-theme-light="true"]', ".vscode-light")


def style_sheet() -> str:
    """The rules, all below ``.cr-picture``."""
    light, dark = (_variables(k) for k in (0, 1))
    fills = "".join(f".{CLASS} .f-{n}{{fill:var(--cr-{n})}}" for n in SCHEMES)
    strokes = "".join(f".{CLASS} .s-{n}{{stroke:var(--cr-{n})}}" for n in SCHEMES)
    return (
        f".{CLASS}{{{light};height:auto}}"
        f"@media (prefers-color-scheme:dark){{.{CLASS}{{{dark}}}}}"
        f"{_within(_LIGHT)}{{{light}}}{_within(_DARK)}{{{dark}}}"
        f"@media print{{svg.{CLASS}.{CLASS}.{CLASS}{{{light}}}}}"
        f"{fills}{strokes}"
        f".{CLASS} text{{font-family:{FONT};font-size:{SIZE:g}px}}"
        f".{CLASS} .h{{font-weight:600}}"
        f".{CLASS} .r{{stroke:var(--cr-ground)}}"
        f".{CLASS} .n{{font-variant-numeric:tabular-nums}}"
        f"@media (min-width:600px){{.{CLASS} text{{font-size:{WIDE:g}px}}}}"
        f"@media print{{.{CLASS} text{{font-size:{WIDE:g}px}}}}"
    )


def _variables(scheme: int) -> str:
    return ";".join(f"--cr-{name}:{pair[scheme]}" for name, pair in SCHEMES.items())


def _within(marks: tuple[str, ...]) -> str:
    return ",".join(rule for mark in marks for rule in (f"{mark} .{CLASS}", f".{CLASS}{mark}"))
