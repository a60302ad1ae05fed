"""Choose each scheme's rate on held-out images, train with several seeds, and publish."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import machine, output
from benchmarks.batching import images, report, search, speed
from benchmarks.batching.schemes import SCHEMES
from benchmarks.batching.trials import Bench, Trial


@dataclass(frozen=True)
class Setting:
    """A network, its momentum, and the test accuracies to wait for: an early and a late one."""

    network: tuple[int, ...]
    momentum: float
    targets: tuple[float, ...]

    @property
    def name(self) -> str:
        """As it is shown."""
        return f"{'-'.join(map(str, self.network))}, momentum {self.momentum:g}"


SETTINGS: Final = {
    "small": Setting((784, 128, 10), 0.0, (0.87, 0.885)),
    "deep": Setting((784, 256, 128, 10), 0.9, (0.87, 0.89)),
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batching", description=__doc__)
    parser.add_argument("--data", type=Path, default=images.FOLDER, metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="3 epochs, 2 seeds, rate 0.2")
    parser.add_argument("--settings", default="small", help=f"of {', '.join(SETTINGS)}")
    parser.add_argument("--schemes", default=",".join(SCHEMES), help="default all")
    parser.add_argument("--seeds", type=int, default=5, help="default 5")
    parser.add_argument("--epochs", type=int, default=15, help="default 15")
    parser.add_argument("--searches", type=int, default=1, help="seeds of the search; default 1")
    parser.add_argument("--threads", type=int, default=1, help="of a step; default 1")
    parser.add_argument("--runs", type=Path, help="keep runs in this file; those in it are done")
    parser.add_argument("--save", type=Path, metavar="FILE", help="draw a picture")
    parser.add_argument("--speed", action="store_true", help="only rows a second by batch size")
    output.add_options(parser)
    args = parser.parse_args(arguments)
    if args.quick:
        args.epochs, args.seeds = 3, 2
    return args


@dataclass(frozen=True)
class Found:
    """One setting's rates, and the outcomes with them."""

    setting: Setting
    searched: dict[str, dict[float, float]]
    results: report.Results

    @property
    def rates(self) -> dict[str, float]:
        """The best rate of each scheme."""
        return {scheme: search.chosen(scores) for scheme, scores in self.searched.items()}

    def tables(self) -> list[output.Table]:
        """To each of the targets, and at the end."""
        name, targets = self.setting.name, self.setting.targets
        to = [report.target_table(name, self.results, target) for target in targets]
        return [*to, report.final_table(name, self.results, self.rates)]

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return report.record(self.results, self.rates, self.searched)


def measure(bench: Bench, setting: Setting, args: argparse.Namespace) -> Found:
    """Search, then all seeds, the schemes taking turns."""
    schemes = args.schemes.split(",")

    def trial(scheme: str, rate: float, seed: int, *, searches: bool) -> Trial:
        network, momentum = setting.network, setting.momentum
        return Trial(network, momentum, scheme, rate, seed, args.epochs, searches)

    def searched(scheme: str) -> dict[float, float]:
        if args.quick:
            return {0.2 * (1 - setting.momentum): 0.0}
        first = tuple(rate * (1 - setting.momentum) for rate in search.FIRST_RATES)
        score = lambda rate, seed: bench.run(trial(scheme, rate, seed, searches=True)).final  # noqa: E731
        return search.best_rate(search.mean_score(score, args.searches), first)

    scores = {scheme: searched(scheme) for scheme in schemes}
    rates = {scheme: search.chosen(found) for scheme, found in scores.items()}
    results: dict[str, list[Any]] = {scheme: [] for scheme in schemes}
    for seed in range(args.seeds):
        for scheme in schemes:
            run = trial(scheme, rates[scheme], seed, searches=False)
            results[scheme].append(bench.run(run))
    return Found(setting, scores, results)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and publish; the exit code is 1 where there are no images."""
    args = parse(arguments)
    try:
        loaded = images.load(args.data)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    facts = machine.facts() | {"threads": args.threads, "chainrule": machine.version("chainrule")}
    if args.speed:
        found = speed.measure(loaded[0], args.threads, args.seeds)
        foot = f"Rounds: {args.seeds}. {machine.in_words(facts)}"
        output.publish(args, "batching-speed", [speed.table(found)], {"speed": found}, foot)
        return 0
    bench = Bench(loaded, args.threads, args.runs)
    settings = [SETTINGS[name] for name in args.settings.split(",")]
    all_found = [measure(bench, setting, args) for setting in settings]
    if args.save:
        from benchmarks.batching import picture  # Matplotlib only where it is asked for

        picture.draw(args.save, all_found[0].results, all_found[0].setting.name)
    facts["load average at end"] = machine.load_average()
    tables = [table for found in all_found for table in found.tables()]
    settings_record = {found.setting.name: found.record() for found in all_found}
    foot = f"Seeds: {args.seeds}, taking turns. {machine.in_words(facts)}"
    output.publish(args, "batching", tables, {"machine": facts, **settings_record}, foot)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
