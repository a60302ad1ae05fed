"""The two passes step by step: one HTML file, no network, readable without its small script."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from chainrule.explain.numbers.steps import MOST, Step, steps_of
from chainrule.explain.page import escape
from chainrule.explain.page.style import SCOPED, WHOLE

if TYPE_CHECKING:
    from chainrule.explain.numbers.backpropagation import Backpropagation

_STYLE: Final = """
.cr-page .cr-wide svg.cr-picture{min-width:36rem}
.cr-page .cr-network{border:1px solid var(--line);border-radius:8px;padding:.3rem}
.cr-page .cr-controls{position:sticky;top:0;background:var(--ground);padding:.5rem 0;
display:flex;flex-wrap:wrap;gap:.35rem;align-items:center;z-index:1}
.cr-page .cr-controls[hidden]{display:none}
.cr-page button{font:inherit;color:inherit;background:var(--raised);border:1px solid var(--muted);
border-radius:6px;padding:.4rem .6rem;min-height:2.75rem;cursor:pointer}
.cr-page button:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.cr-page button[aria-disabled="true"]{color:var(--muted);cursor:default;border-style:dashed}
.cr-page .cr-status{margin:0;color:var(--muted)}
.cr-page ol.cr-steps{padding-left:0;list-style:none}
.cr-page ol.cr-steps>li{max-width:none}
.cr-page ol.cr-steps h2{font-size:1.15rem}
.cr-page ol.cr-steps p{margin:.3rem 0}
.cr-page .cr-live .cr-network{max-height:68vh;overflow:auto}
.cr-page .cr-live ol.cr-steps>li{display:none}
.cr-page .cr-live ol.cr-steps>li.cr-on{display:block}
.cr-page .cr-live .cr-network [data-layers]{opacity:.35;transition:opacity .25s}
.cr-page .cr-live .cr-network [data-layers].cr-past{opacity:.6}
.cr-page .cr-live .cr-network [data-layers].cr-on,
.cr-page .cr-live .cr-network [data-layers=""]{opacity:1}
.cr-page .cr-equations .cr-wide{margin:.4rem 0}
.cr-page .cr-equations .cr-wide svg.cr-picture{min-width:22rem}
@media (prefers-reduced-motion:reduce){.cr-page .cr-live .cr-network [data-layers]{transition:none}}
@media print{.cr-page .cr-controls{display:none}
.cr-page .cr-live .cr-network{max-height:none}.cr-page .cr-live ol.cr-steps>li{display:block}}
"""

_SCRIPT: Final = """
(() => {
  const main = document.getElementById('content');
  const steps = Array.from(main.querySelectorAll('ol.cr-steps > li'));
  const lit = Array.from(main.querySelectorAll('.cr-network [data-layers]'));
  const controls = main.querySelector('.cr-controls');
  const status = main.querySelector('.cr-status');
  const button = name => controls.querySelector('[data-go="' + name + '"]');
  let at = 0, timer = null;
  const follow = part => {
    const box = main.querySelector('.cr-network');
    if (!part) return;
    const own = part.getBoundingClientRect(), seen = box.getBoundingClientRect();
    box.scrollLeft += own.left + own.width / 2 - seen.left - seen.width / 2;
    box.scrollTop += own.top + own.height / 2 - seen.top - seen.height / 2;
  };
  const show = k => {
    at = Math.max(0, Math.min(steps.length - 1, k));
    steps.forEach((step, i) => step.classList.toggle('cr-on', i === at));
    const now = Number(steps[at].dataset.layers), isBack = steps[at].dataset.phase === 'backward';
    lit.forEach(part => {
      const own = part.dataset.layers.split(' ').map(Number);
      const isHere = own.includes(now) && (isBack || !part.dataset.phase);
      const isPast = isBack ? Math.max(...own) < now : !part.dataset.phase && own[0] > now;
      part.classList.toggle('cr-on', isHere);
      part.classList.toggle('cr-past', isPast && !isHere);
    });
    follow(lit.filter(part => part.classList.contains('cr-on')).pop());
    status.textContent = 'Step ' + (at + 1) + ' of ' + steps.length + ': ' +
      steps[at].querySelector('h2').textContent;
    for (const name of ['first', 'back']) button(name).setAttribute('aria-disabled', at === 0);
    for (const name of ['next', 'last'])
      button(name).setAttribute('aria-disabled', at === steps.length - 1);
    if (at === steps.length - 1) stop();
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button('play').textContent = 'Play';
  };
  const play = () => {
    if (timer !== null) return stop();
    if (at === steps.length - 1) show(0);
    button('play').textContent = 'Pause';
    timer = setInterval(() => show(at + 1), 2600);
  };
  const go = {
    first: () => { stop(); show(0); },
    back: () => { stop(); show(at - 1); },
    play: play,
    next: () => { stop(); show(at + 1); },
    last: () => { stop(); show(steps.length - 1); },
  };
  controls.addEventListener('click', event => {
    const name = event.target.dataset.go;
    if (name) go[name]();
  });
  const keys = { ArrowRight: 'next', ArrowLeft: 'back', Home: 'first', End: 'last' };
  document.addEventListener('keydown', event => {
    const name = keys[event.key];
    const isTaken = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey ||
      event.target.closest('.cr-wide');
    if (!name || isTaken) return;
    event.preventDefault();
    go[name]();
  });
  main.classList.add('cr-live');
  controls.hidden = false;
  show(0);
})();
"""
#: (name, what is written on it, what it is called, its key)
_BUTTONS: Final = (
    ("first", "First", "First step", "Home"),
    ("back", "Back", "Back one step", "ArrowLeft"),
    ("play", "Play", "", ""),
    ("next", "Next", "Next step", "ArrowRight"),
    ("last", "Last", "Last step", "End"),
)


def animated(found: Backpropagation) -> str:
    """The whole file."""
    title = "Backpropagation, step by step"
    steps = steps_of(found)
    body = _body(found, steps) if steps else f"<p>{escape(found.notes()[0])}</p>"
    script = f"<script>{_SCRIPT}</script>" if steps else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{SCOPED}{WHOLE}{_STYLE}</style></head>"
        f'<body class="cr-page"><div class="cr-column"><header><h1>{title}</h1>'
        f"<p>{escape(found.headline())}.</p></header>"
        f'<main id="content">{body}</main></div>{script}</body></html>\n'
    )


def _policy() -> str:
    """Nothing is loaded, and no script runs but this one."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src"
        " data:; base-uri 'none'; form-action 'none'"
    )


def _body(found: Backpropagation, steps: tuple[Step, ...]) -> str:
    buttons = "".join(map(_button, _BUTTONS))
    note = ""
    if len(found.layers) > MOST:
        note = (
            f"<p>{len(found.layers)} layers; the first and the last {MOST // 2} of them are gone"
            " through.</p>"
        )
    return (
        f'{note}<div class="cr-controls" role="group" aria-label="Steps" hidden>{buttons}'
        '<p class="cr-status" role="status" aria-live="polite"></p></div>'
        f'<div class="cr-wide cr-network" tabindex="0" role="region" aria-label="The network">'
        f'{found.svg()}</div><ol class="cr-steps">{"".join(map(_item, steps))}</ol>'
        "<p>Keys: right and left arrow for the next step and the one before, Home and End for the"
        " first and the last.</p>"
    )


def _button(button: tuple[str, str, str, str]) -> str:
    go, text, name, key = button
    called = f' aria-label="{name}"' if name else ""
    keys = f' aria-keyshortcuts="{key}"' if key else ""
    return f'<button type="button" data-go="{go}"{called}{keys}>{text}</button>'


def _item(step: Step) -> str:
    lines = "".join(f"<p>{escape(line)}</p>" for line in step.lines)
    pictures = "".join(
        f'<div class="cr-wide" tabindex="0" role="region" aria-label="Picture">{svg}</div>'
        for svg in step.pictures
    )
    layers = " ".join(map(str, step.layers))
    shown = f'<div class="cr-equations">{pictures}</div>' if pictures else ""
    return (
        f'<li data-layers="{layers}" data-phase="{step.phase}"><h2>{escape(step.title)}</h2>'
        f"{lines}{shown}</li>"
    )
