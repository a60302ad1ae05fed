"""Damaged CSVs through what `chainrule train` does: only declared errors, in bounded time.

    python -m tests.data.fuzz_csv --cases 100000            # all of them, from seed 0
    python -m tests.data.fuzz_csv --case 4711               # one again

A case is a function of the seed and its number. It is read, prepared and encoded; a table that can
be predicted is also encoded by the schema of the table that it was made from, as `predict` does;
and some are given to the command line, which trains. Errors of ``chainrule.errors`` are what is
expected; any other error, any warning, more than a second of processor time, more than 2 GiB of
memory is a failure. Failures are printed with their case, and their files are kept.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule.data import Schema, prepare, read_table
from chainrule.errors import ChainruleError, DataError
from tests.data.mutations import TABLES, mutated

SECONDS = 1.0
MEMORY = 2 << 30
TRAINED = 500  # one case of so many is trained by the command line
SUFFIXES = (".csv", ".csv", ".csv", ".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that went wrong: how, and with which file."""

    case: int
    what: str
    content: bytes
    done: list[str]


def rng_of(seed: int, case: int) -> np.random.Generator:
    """The random numbers of a case, whatever ran before it."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, case]))


def schemas(folder: Path) -> dict[str, Schema]:
    """The schema of each table before it is damaged."""
    fitted = {}
    for name, (text, target) in TABLES.items():
        path = folder / f"{name}.csv"
        path.write_bytes(text)
        fitted[name] = prepare(read_table(path), target).schema
    return fitted


def run_case(folder: Path, known: dict[str, Schema], seed: int, case: int) -> str | Failure:
    """Run one case: how it ended, or its failure."""
    rng = rng_of(seed, case)
    content, target, done = mutated(rng)
    path = folder / f"case{SUFFIXES[int(rng.integers(len(SUFFIXES)))]}"
    path.write_bytes(content)
    start = time.process_time()
    try:
        outcome = _through(path, target, known[done[0]], rng)
    except ChainruleError as error:
        outcome = _check_message(error)
    except Exception:  # noqa: BLE001, whatever it is, it is a failure
        return Failure(case, traceback.format_exc(limit=-6), content, done)
    if outcome.startswith("!"):
        return Failure(case, outcome, content, done)
    if (seconds := time.process_time() - start) > SECONDS:
        return Failure(case, f"took {seconds:.2f} s", content, done)
    if case % TRAINED == 0:
        problem = _trained(path, target, folder)
        return Failure(case, problem, content, done) if problem else "trained"
    return outcome


def _through(path: Path, target: str, schema: Schema, rng: np.random.Generator) -> str:
    """Read, prepare, encode. A damaged header may lack the target: then another column is it."""
    table = read_table(path)
    if target not in table.column_names and rng.random() < 0.8:
        target = table.column_names[int(rng.integers(table.num_columns))]
    try:
        prepared = prepare(table, target)
        for part in (prepared.train, prepared.validation, prepared.test):
            if not np.isfinite(part.x).all() or not np.isfinite(part.y).all():
                return "! an encoded value is not finite"
        Schema.from_json(prepared.schema.to_json())
        outcome = "prepared"
    except DataError as error:
        outcome = _check_message(error)
    if outcome.startswith("!"):
        return outcome
    x = schema.encode(read_table(path, schema.text_columns()))
    return outcome if np.isfinite(x).all() else "! an encoded value is not finite"


def _check_message(error: ChainruleError) -> str:
    """The kind of a declared error; its message must be one clear line."""
    message = error.message
    if "\n" in message or not message.isprintable():
        return f"! a message that is not one printable line: {message!r}"
    return f"refused: {type(error).__name__}"


def _trained(path: Path, target: str, folder: Path) -> str:
    """What is wrong with how the command line trains on the file; "" for nothing."""
    from typer.testing import CliRunner

    from chainrule.cli.app import app

    out = folder / "run"
    options = ["--epochs", "1", "--hidden", "4", "--learning-rate", "0.01", "--threads", "1"]
    arguments = ["train", str(path), "--target", target, "--out", str(out), *options]
    result = CliRunner().invoke(app, arguments)
    left = out.exists()
    for found in sorted(out.rglob("*"), reverse=True):
        found.rmdir() if found.is_dir() else found.unlink()
    if left:
        out.rmdir()
    if result.exit_code not in (0, 2) or "Traceback" in result.output:
        return f"exit code {result.exit_code}: {result.output[-2000:]}"
    if left != (result.exit_code == 0):
        return f"exit code {result.exit_code}, a run folder: {left}"
    return ""


def peak() -> int:
    """The largest memory that the process has had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def run(seed: int, cases: range, folder: Path) -> tuple[Counter[str], list[Failure]]:
    """Run cases; how they ended, and the failures."""
    ended: Counter[str] = Counter()
    failures: list[Failure] = []
    known, before = schemas(folder), peak()
    for case in cases:
        found = run_case(folder, known, seed, case)
        if peak() - before > MEMORY and isinstance(found, str):
            content, _, done = mutated(rng_of(seed, case))
            found = Failure(case, f"{(peak() - before) >> 20} MiB of memory", content, done)
            before = peak()
        if isinstance(found, Failure):
            failures.append(found)
            found = "failed"
        ended[found] += 1
    return ended, failures


def main() -> int:
    """Run the cases that the command line asks for; 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the number of the first")
    parser.add_argument("--case", type=int, help="this one only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="for their files")
    asked = parser.parse_args()
    cases = range(asked.first, asked.first + asked.cases)
    if asked.case is not None:
        cases = range(asked.case, asked.case + 1)
    os.environ.setdefault("CHAINRULE_CACHE", "off")
    warnings.simplefilter("error")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ended, failures = run(asked.seed, cases, Path(folder))
    for failure in failures:
        asked.keep.mkdir(exist_ok=True)
        (asked.keep / f"{asked.seed}-{failure.case}.csv").write_bytes(failure.content)
        print(f"case {failure.case} ({', '.join(failure.done)}): {failure.what}")
    seconds = time.perf_counter() - start
    print(f"{len(cases):,} cases in {seconds:.0f} s: {dict(ended.most_common())}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
