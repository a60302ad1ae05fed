"""Reads NIST's files of nonlinear regression problems and writes problems.json.

Not run by the tests. The files are those of https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml
(works of the United States government, in the public domain), as they ship in the source
distribution of lmfit 1.3.4::

    pip download --no-deps --no-binary :all: lmfit==1.3.4 && tar xf lmfit-1.3.4.tar.gz
    python tests/optim/nist/make_problems.py lmfit-1.3.4/NIST_STRD
"""

import json
import re
import sys
from pathlib import Path


def numbers(line):
    """All numbers of a line."""
    return [float(x) for x in line.split()]


def read(path):
    """One problem: two starts, certified values, residual sum of squares, data columns."""
    lines = path.read_text().splitlines()
    rows = [line.split("=") for line in lines if re.match(r"\s+b\d+\s*=\s+[-\d.]", line)]
    columns = list(zip(*[numbers(values) for _, values in rows], strict=True))
    squares = next(x for x in lines if "Residual Sum of Squares" in x).split(":")[1]
    level = next(re.search(r"(\w+) Level of Difficulty", x) for x in lines if "Level of" in x)
    begin = max(k for k, line in enumerate(lines) if line.startswith("Data:"))
    names = lines[begin].split()[1:]
    data = [numbers(line) for line in lines[begin + 1 :] if line.strip()]
    by_name = dict(zip(names, map(list, zip(*data, strict=True)), strict=True))
    return {
        "difficulty": level.group(1), "starts": [columns[0], columns[1]],
        "certified": columns[2], "deviations": columns[3], "squares": float(squares),
        "data": by_name,
    }  # fmt: skip


def main():
    """Write all problems beside this file."""
    found = {path.stem: read(path) for path in sorted(Path(sys.argv[1]).glob("*.dat"))}
    out = Path(__file__).parent / "problems.json"
    lines = [f"{json.dumps(name)}: {json.dumps(p)}" for name, p in found.items()]
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
