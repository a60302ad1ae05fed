"""axe-core finds nothing to object to, in both schemes, on a phone and on a wide screen."""

import html
import json
import re
import shutil
import subprocess

import pytest
from axe_core_python.base import AXE_SCRIPT

from chainrule.explain.page import document, section
from tests.explain.reports import runs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
#: axe runs when the page has loaded, and leaves what it found in the page.
RUN = """<script>addEventListener("load", () => axe.run().then(found => {
  const pre = document.createElement("pre")
  pre.id = "found"
  pre.textContent = JSON.stringify(found.violations)
  document.body.append(pre)
}))</script>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


def violations(page, folder, width, dark):
    """What axe says of a page as it is shown: (rule, element) each."""
    path = folder / "page.html"
    script = f"<script>{AXE_SCRIPT}</script>{RUN}</body>"
    path.write_text(POLICY.sub("", page).replace("</body>", script), encoding="utf-8")
    shown = subprocess.run(
        [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
            f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--virtual-time-budget=30000", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="found">(.*?)</pre>', shown.stdout, re.DOTALL)
    assert found, "axe has not run"
    return [
        (rule["id"], node["html"][:200])
        for rule in json.loads(html.unescape(found[1]))
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize(
    ("width", "dark"), [(360, False), (1200, True)], ids=["phone, light", "wide, dark"]
)
def test_a_report_has_no_violation(tmp_path, width, dark):
    page = runs.reported("classifier").html()
    assert violations(page, tmp_path, width, dark) == []


def test_a_page_that_is_hard_to_read_is_found_out(tmp_path):
    """The check itself works: faint text and a picture without a name are objected to."""
    faint = '<p style="color:#ddd;background:#fff">faint</p><img src="data:,">'
    found = violations(document("Bad", [section("a", faint)]), tmp_path, 1200, False)
    assert {"color-contrast", "image-alt"} <= {rule for rule, _ in found}
