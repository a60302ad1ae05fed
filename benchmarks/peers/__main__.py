"""A step of descent, Chainrule beside its peers, in one interleaved run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks import machine, output
from benchmarks.peers import check, fresh, report, rounds, rows
from benchmarks.peers.process import Worker
from benchmarks.peers.table import PEERS


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options, checked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument(
        "--rows", "--networks", type=row_names, default=list(rows.ALL), metavar="PATTERNS",
        help="names or patterns (* and ?), with commas between; default all",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="name the rows and the peers")
    parser.add_argument("--peers", type=peer_names, default=list(PEERS), metavar="NAMES")
    parser.add_argument("--rounds", type=count, default=5, help="default 5")
    parser.add_argument("--threads", type=counts, default=[1, 2], metavar="1,2")
    parser.add_argument(
        "--only", choices=("steps", "processes"), help="not the new processes, or nothing else"
    )
    parser.add_argument("--check", action="store_true", help="compare losses, measure nothing")
    output.add_options(parser)
    return parser.parse_args(arguments)


def row_names(text: str) -> list[str]:
    """Names of rows by patterns."""
    try:
        return rows.matching(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def peer_names(text: str) -> list[str]:
    """Comma-separated names of peers."""
    found = [name.strip() for name in text.split(",")]
    if unknown := [name for name in found if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"no {unknown[0]!r} among {', '.join(PEERS)}")
    return list(dict.fromkeys(found))


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if (found := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{found} is not 1 or more")
    return found


def counts(text: str) -> list[int]:
    """Comma-separated whole numbers, 1 or more."""
    return list(dict.fromkeys(count(part) for part in text.split(",")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or check; the exit code is 1 where a peer failed or disagrees."""
    args = parse(arguments)
    if args.list:
        print("\n".join([*rows.ALL, "", *PEERS]))
        return 0
    found = machine.facts()
    asked = [rows.ALL[name] for name in args.rows]
    kinds = {row.kind for row in asked}
    peers = [name for name in args.peers if kinds & set(PEERS[name].classes)]
    with ExitStack() as stack:
        pairs = [(peer, threads) for peer in peers for threads in args.threads]
        workers = [stack.enter_context(Worker(*pair)) for pair in pairs]
        for worker in workers:
            found |= worker.versions
        run = checked if args.check else measured
        return run(args, asked, workers, found)


def measured(
    args: argparse.Namespace, asked: list[rows.Row], workers: list[Worker], facts: dict[str, Any]
) -> int:
    """Time all rows."""
    timed = [] if args.only == "processes" else asked
    started = [] if args.only == "steps" else [row for row in asked if row.fresh]
    pairs = [(row, rounds.measure(row, workers, args.rounds)) for row in timed]
    starts = [(row, fresh.measure(row, args.peers, max(args.threads))) for row in started]
    facts["load average at end"] = machine.load_average()
    record = {
        "machine": facts,
        "rounds": args.rounds,
        "rows": [report.record(*pair) for pair in pairs],
        "new_processes": [fresh.record(*pair) for pair in starts],
    }
    tables = [*([report.summary(pairs)] if pairs else []), *(report.table(*pair) for pair in pairs)]
    tables += [fresh.table(*pair) for pair in starts]
    foot = f"Rounds: {args.rounds}. {machine.in_words(facts)}"
    output.publish(args, "peers", tables, record, foot)
    problems = [s.problem for _, group in pairs for s in group]
    return int(any(p and not p.startswith("missing") for p in problems))


def checked(
    args: argparse.Namespace, asked: list[rows.Row], workers: list[Worker], facts: dict[str, Any]
) -> int:
    """Compare losses in all rows."""
    outcomes = [check.check(row, workers) for row in asked]
    tables = [check.table(*pair) for pair in zip(asked, outcomes, strict=True)]
    record = {"machine": facts, "check": [check.record(group) for group in outcomes]}
    output.publish(args, "check", tables, record, machine.in_words(facts))
    return int(any(o.failed for group in outcomes for o in group))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
