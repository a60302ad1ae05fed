"""How long until the first step: imports, the first --help, and compiling.

Each figure is of new processes, the commands taking turns; compile times come from the peers'
own workers. Run: python -m benchmarks.start
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from benchmarks import machine, output
from benchmarks.networks import USUAL
from benchmarks.peers.process import Worker, WorkerError
from benchmarks.peers.table import PEERS

BARE: Final = "bare Python"
COMMAND_LINE: Final = "from chainrule.cli.app import main; main()"
COMMANDS: Final = {
    BARE: ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "import chainrule": ["-c", "import chainrule"],
    "import chainrule, reach cr.train": ["-c", "import chainrule as cr; cr.train"],
    "chainrule --help": ["-c", COMMAND_LINE, "--help"],
    "chainrule train --help": ["-c", COMMAND_LINE, "train", "--help"],
    "import sklearn.neural_network": ["-c", "import sklearn.neural_network"],
    "import torch": ["-c", "import torch"],
    "import jax": ["-c", "import jax"],
}
COMPILERS: Final = ("chainrule", "jax-step", "jax-scan")
Times = list[float] | str  # seconds by round, or why there are none


def time_commands(rounds: int) -> dict[str, Times]:
    """Seconds of each command, by round; the first round fills the caches and is left out."""
    found: dict[str, Times] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, command in COMMANDS.items():
            so_far = found[name]
            if isinstance(so_far, str):
                continue
            seconds = time_command(command)
            if isinstance(seconds, str):
                found[name] = seconds
            elif number:
                so_far.append(seconds)
    return found


def time_command(command: Sequence[str]) -> float | str:
    """Seconds of one new interpreter, or the last line of its complaint."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode == 0:
        return seconds
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def time_compilers(rounds: int, threads: int) -> dict[str, dict[str, Times]]:
    """Seconds of compiling, by network and peer; a new process for each."""
    found: dict[str, dict[str, Times]] = {n: {p: [] for p in COMPILERS} for n in USUAL}
    for _ in range(rounds):
        for network, row in found.items():
            for peer, so_far in row.items():
                if isinstance(so_far, str):
                    continue
                seconds = compile_once(peer, network, threads)
                if isinstance(seconds, str):
                    row[peer] = seconds
                else:
                    so_far.append(seconds)
    return found


def compile_once(peer: str, network: str, threads: int) -> float | str:
    """Seconds that one peer compiles for one network, or why it does not."""
    with Worker(peer, threads) as worker:
        try:
            reply = worker.ask(do="build", row=network, turn_seconds=0.0)
        except WorkerError as error:
            return str(error)
    seconds: float = reply["compile_seconds"]
    return seconds


def commands_table(found: dict[str, Times]) -> output.Table:
    """Median and spread of each command, and what it takes above the bare interpreter."""
    bare = found[BARE]
    base = statistics.median(bare) if isinstance(bare, list) else 0.0
    rows = [command_row(name, seconds, base) for name, seconds in found.items()]
    why = " ".join(f"{name}: {text}." for name, text in found.items() if isinstance(text, str))
    return output.Table("Start", ("command", "s", "min .. max", "above bare Python"), rows, why)


def command_row(name: str, seconds: Times, base: float) -> list[str]:
    """One command's cells."""
    if isinstance(seconds, str):
        return [name, "missing", "", ""]
    median = statistics.median(seconds)
    span = f"{min(seconds):.3f} .. {max(seconds):.3f}"
    return [name, f"{median:.3f}", span, f"{median - base:.3f}"]


def compilers_table(found: dict[str, dict[str, Times]]) -> output.Table:
    """Median seconds of compiling, by network and peer."""
    rows = [[network, *map(in_words, row.values())] for network, row in found.items()]
    header = ("seconds to compile", *(PEERS[peer].title for peer in COMPILERS))
    reasons = {PEERS[p].title: s for row in found.values() for p, s in row.items()}
    why = " ".join(f"{title}: {text}." for title, text in reasons.items() if isinstance(text, str))
    return output.Table("Compile, cold", header, rows, why)


def in_words(seconds: Times) -> str:
    """A median with its spread, or what is wrong in a word."""
    if isinstance(seconds, str):
        return seconds.partition(":")[0]
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} .. {max(seconds):.2f})"


def main() -> None:
    """Measure, and publish."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--threads", type=int, default=2, help="of the compiled steps; default 2")
    output.add_options(parser)
    args = parser.parse_args()
    facts: dict[str, Any] = machine.facts()
    commands = time_commands(args.rounds)
    compilers = time_compilers(args.rounds, args.threads)
    record = {"machine": facts, "commands": commands, "compile": compilers}
    tables = [commands_table(commands), compilers_table(compilers)]
    foot = f"Rounds: {args.rounds}. {machine.in_words(facts)}"
    output.publish(args, "start", tables, record, foot)


if __name__ == "__main__":
    main()
