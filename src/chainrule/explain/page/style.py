"""The style sheet of pages and fragments: everything lies below ``.cr-page``.

Two schemes, one for paper; a column that a phone can hold; what is wider scrolls in its own box.
"""

from __future__ import annotations

from typing import Final

_LIGHT: Final = (
    "--ground:#fff;--raised:#f5f7f9;--text:#1b1f24;--muted:#59636e;--line:#d0d7de;"
    "--link:#0757a8;--mark:#b3261e;color-scheme:light"
)
_DARK: Final = (
    "--ground:#14171c;--raised:#1e232a;--text:#e8eaed;--muted:#a3adb8;--line:#3d444d;"
    "--link:#7cb7ff;--mark:#ff8a80;color-scheme:dark"
)
FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',Arial,sans-serif"

#: For a fragment as well: no rule reaches outside.
SCOPED: Final = f"""
.cr-page{{{_LIGHT}}}
@media (prefers-color-scheme:dark){{.cr-page{{{_DARK}}}}}
[data-theme="light"] .cr-page,[data-theme="light"].cr-page,
[data-jp-theme-light="true"] .cr-page,.vscode-light .cr-page{{{_LIGHT}}}
[data-theme="dark"] .cr-page,[data-theme="dark"].cr-page,
[data-jp-theme-light="false"] .cr-page,.vscode-dark .cr-page{{{_DARK}}}
.cr-page{{background:var(--ground);color:var(--text);font:1rem/1.55 {FONT}}}
.cr-page *{{box-sizing:border-box}}
.cr-page a{{color:var(--link)}}
.cr-page h1,.cr-page h2,.cr-page h3{{line-height:1.25;margin:1.6em 0 .5em;text-wrap:balance}}
.cr-page h1{{font-size:1.8rem;margin-top:.4em}}
.cr-page h2{{font-size:1.35rem;border-bottom:1px solid var(--line);padding-bottom:.25em}}
.cr-page h3{{font-size:1.1rem}}
.cr-page p,.cr-page li,.cr-page dd{{max-width:42rem;overflow-wrap:anywhere}}
.cr-page code,.cr-page pre{{font-family:ui-monospace,'SFMono-Regular',Menlo,Consolas,
'Liberation Mono',monospace;font-size:.92em}}
.cr-page pre{{margin:0;line-height:1.4}}
.cr-page figure{{margin:1em 0}}
.cr-page figcaption,.cr-page caption,.cr-page .cr-muted{{color:var(--muted)}}
.cr-page caption{{text-align:left;padding:.2em 0;caption-side:top}}
.cr-page .cr-wide{{overflow-x:auto;margin:1em 0;max-width:100%}}
.cr-page .cr-wide:focus-visible,.cr-page a:focus-visible{{outline:2px solid var(--link);
outline-offset:2px}}
.cr-page .cr-code{{background:var(--raised);border:1px solid var(--line);border-radius:6px;
padding:.7em .9em}}
.cr-page table{{border-collapse:collapse;font-size:.95rem;margin:0;color:inherit;border:0}}
.cr-page th,.cr-page td{{padding:.3em .8em;border:0;border-bottom:1px solid var(--line);
text-align:left;vertical-align:top;background:transparent;max-width:28rem}}
.cr-page thead th{{border-bottom:2px solid var(--muted)}}
.cr-page .cr-number{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
.cr-page .cr-long{{min-width:13rem}}
.cr-page tbody th{{font-weight:600}}
.cr-page svg.cr-picture{{display:block}}
.cr-page math{{font-size:1.1em}}
.cr-page th:has(math),.cr-page td:has(math){{max-width:none;white-space:nowrap}}
.cr-page .cr-formula{{overflow-x:auto;overflow-y:hidden;padding:.3em .1em;margin:.6em 0}}
.cr-page details{{margin:.8em 0}}
.cr-page summary{{cursor:pointer}}
@media print{{
.cr-page.cr-page.cr-page{{{_LIGHT}}}
.cr-page .cr-wide,.cr-page .cr-formula{{overflow:visible}}
.cr-page figure,.cr-page tr,.cr-page svg,.cr-page .cr-formula{{break-inside:avoid}}
.cr-page h1,.cr-page h2,.cr-page h3{{break-after:avoid}}
.cr-page thead{{display:table-header-group}}
.cr-page caption,.cr-page thead,.cr-page figcaption{{break-after:avoid}}
.cr-page tbody tr:first-child{{break-before:avoid}}
.cr-page pre{{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.75rem}}
.cr-page table{{font-size:.8rem}}
}}
"""

#: For a whole document.
WHOLE: Final = """
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0}
.cr-page .cr-column{max-width:60rem;margin:0 auto;padding:1rem}
.cr-page .cr-skip{position:absolute;left:-100vw;top:0;background:var(--ground);padding:.6em 1em}
.cr-page .cr-skip:focus{left:0}
.cr-page nav ul{columns:2 16rem;padding-left:1.2em;margin:.4em 0}
.cr-page footer{margin-top:3em;border-top:1px solid var(--line);padding-top:.8em;
color:var(--muted);font-size:.9rem}
@media print{
@page{margin:16mm}
.cr-page .cr-skip,.cr-page nav{display:none}
.cr-page .cr-column{max-width:none;padding:0}
.cr-page footer{margin-top:1em}
.cr-page a[href^="http"]::after{content:" (" attr(href) ")";font-size:.85em;
overflow-wrap:anywhere}
}
"""
