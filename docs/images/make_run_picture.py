"""Draw ``run.svg``: what `chainrule train flights` prints. Run from the root of the repository.

.venv/bin/python docs/images/make_run_picture.py
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 96
COMMAND = ["train", "flights", "--batch", "128", "--epochs", "10"]
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTf-ln]")


def captured() -> str:
    """The command's output, in colour, without the live bar."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
        command = [sys.executable, "-m", "chainrule.cli", *COMMAND]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    lines = CONTROL.sub("", done.stdout.decode()).split("\n")
    kept = (line.split("\r")[-1] for line in lines)  # what is drawn over is gone
    drawn_over = ("━", "preparing", "trying learning rates")
    return "\n".join(line for line in kept if not any(word in line for word in drawn_over))


def main() -> None:
    """Write the picture beside this file."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ chainrule {' '.join(COMMAND)}\n" + captured()))
    picture = Path(__file__).with_name("run.svg")
    drawn = console.export_svg(title="chainrule")
    # Rich names a font on the web; the reader's own fixed-width font does.
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    picture.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
