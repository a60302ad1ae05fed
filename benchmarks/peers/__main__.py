"""One step of plain SGD, Chainrule beside its peers, in one interleaved run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks import machine, output
from benchmarks.networks import NETWORKS, USUAL, Network
from benchmarks.peers import check, report, rounds
from benchmarks.peers.process import Worker
from benchmarks.peers.table import PEERS


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options, checked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--networks", type=names(NETWORKS), default=list(USUAL), metavar="NAMES")
    parser.add_argument("--peers", type=names(PEERS), default=list(PEERS), metavar="NAMES")
    parser.add_argument("--rounds", type=count, default=7, help="default 7")
    parser.add_argument("--threads", type=counts, default=[1, 2], metavar="1,2")
    parser.add_argument("--check", action="store_true", help="compare losses, measure nothing")
    parser.epilog = f"networks: {', '.join(NETWORKS)}; peers: {', '.join(PEERS)}"
    output.add_options(parser)
    return parser.parse_args(arguments)


def names(known: dict[str, Any]) -> Any:
    """A parser of comma-separated names."""

    def split(text: str) -> list[str]:
        found = [name.strip() for name in text.split(",")]
        if unknown := [name for name in found if name not in known]:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r} among {', '.join(known)}")
        return list(dict.fromkeys(found))

    return split


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
    found = machine.facts()
    with ExitStack() as stack:
        pairs = [(peer, threads) for peer in args.peers for threads in args.threads]
        workers = [stack.enter_context(Worker(*pair)) for pair in pairs]
        networks = [NETWORKS[name] for name in args.networks]
        for worker in workers:
            found |= worker.versions
        run = checked if args.check else measured
        return run(args, networks, workers, found)


def measured(
    args: argparse.Namespace, networks: list[Network], workers: list[Worker], facts: dict[str, Any]
) -> int:
    """Time all networks."""
    series = [rounds.measure(network, workers, args.rounds) for network in networks]
    facts["load average at end"] = machine.load_average()
    pairs = list(zip(networks, series, strict=True))
    record = {
        "machine": facts,
        "rounds": args.rounds,
        "networks": [report.record(*pair) for pair in pairs],
    }
    foot = f"Rounds: {args.rounds}. {machine.in_words(facts)}"
    output.publish(args, "peers", [report.table(*pair) for pair in pairs], record, foot)
    problems = [s.problem for group in series for s in group]
    return int(any(p and not p.startswith("missing") for p in problems))


def checked(
    args: argparse.Namespace, networks: list[Network], workers: list[Worker], facts: dict[str, Any]
) -> int:
    """Compare losses on all networks."""
    outcomes = [check.check(network, workers) for network in networks]
    tables = [check.table(*pair) for pair in zip(networks, outcomes, strict=True)]
    record = {"machine": facts, "check": [check.record(group) for group in outcomes]}
    output.publish(args, "check", tables, record, machine.in_words(facts))
    return int(any(o.failed for group in outcomes for o in group))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
