"""`chainrule doctor`: the machine, what it can do, whether the native code is right."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chainrule.cli.layout import section
from chainrule.cli.view import View
from chainrule.data.words import count
from chainrule.machine.doctor import Health, examine
from chainrule.machine.limits import Limits, threads_in_words
from chainrule.machine.processor import Processor
from chainrule.machine.store import Store
from chainrule.profiling.units import bytes_in_words, seconds_in_words


def run_doctor(quick: bool, json: bool) -> bool:
    """Examine and show; whether the native code gives NumPy's results."""
    view = View.of(json, quiet=False)
    with view.busy("measuring") as status:
        tell = getattr(status, "update", None)
        health = examine(quick, tell or (lambda _: None))
    show(view.console, health)
    view.result(health.to_json())
    return health.is_right


def show(console: Console, health: Health) -> None:
    """One screen."""
    section(console, "Machine", *_machine(health.processor))
    section(console, "Target", *_target(health))
    section(console, "Limits", _clock(health))
    console.print(_table(health.one, health.all))
    section(console, "Versions", *_versions(health))
    section(console, "Cache", *_cache(health.store))
    section(console, "Self-test", *_self_test(health))
    for finding in health.findings:
        is_wrong = finding.kind == "self-test"
        title, style = ("Wrong", "bold red") if is_wrong else ("Notice", "yellow")
        section(console, title, f"{finding.kind}: {finding.what}", style=style)
        section(console, "", f"try: {finding.hint}")
    if not health.findings:
        section(console, "Verdict", "nothing to complain of")


def _machine(of: Processor) -> Iterator[str]:
    quota = "" if of.quota is None else f", a container's grant of {of.quota:g} of them"
    yield f"{of.name}, {count(of.cores, 'logical core')}, {of.allowed} allowed{quota}"
    caches = ", ".join(f"L{c.level} {bytes_in_words(c.bytes)}" for c in of.caches)
    memory = f"; memory {bytes_in_words(of.memory)}" if of.memory else ""
    yield f"caches: {caches}{memory}"


def _target(health: Health) -> Iterator[str]:
    of = health.target
    yield (
        f"{of.cpu}: vectors of {of.vector_bits} bits, {of.registers} registers ({health.reason})"
    )
    threads = count(health.all.threads, "thread")
    yield f"up to {threads}, as many as a step is worth"


def _clock(health: Health) -> str:
    barrier = "none" if health.all.threads == 1 else seconds_in_words(health.all.barrier)
    return (
        f"a barrier takes {barrier}; the clock ticks every {health.clock.tick:.2g} ns and is read "
        f"in {health.clock.reading:.2g} ns"
    )


def _table(one: Limits, all_: Limits) -> Table:
    """Rates by threads."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    table.add_column(" " * 9)
    table.add_column("")
    columns = [one] if all_.threads == 1 else [one, all_]
    for limits in columns:
        table.add_column(threads_in_words(limits.threads), justify="right", header_style="dim")
    table.add_column("")
    for kind, name in (("f32", "float32"), ("f64", "float64")):
        cells = [f"{limits.flops[kind].best / 1e9:.1f}" for limits in columns]
        table.add_row("", f"multiply-add, {name}", *cells, Text("GFLOP/s", style="dim"))
    for level in one.levels:
        cells = [f"{limits.named(level.name).rate.best / 1e9:.1f}" for limits in columns]
        table.add_row("", f"reads from {level.name}", *cells, Text("GB/s", style="dim"))
    return table


def _versions(health: Health) -> Iterator[str]:
    of = dict(health.versions)
    blas, system, llvm = of.pop("blas"), of.pop("system"), of.pop("llvm")
    yield ", ".join(f"{name} {version}" for name, version in of.items())
    yield f"LLVM {llvm}; NumPy's products by {blas}; {system}"
    whole = [extra.name for extra in health.extras if not extra.missing]
    yield f"extras: {', '.join(whole) or 'none'}"
    for extra in health.extras:
        if extra.missing:
            yield f"missing: {', '.join(extra.missing)}: {extra.command}"


def _cache(of: Store) -> Iterator[str]:
    if of.path is None:
        yield "turned off by CHAINRULE_CACHE"
        return
    state = "cannot be used" if of.trouble else "can be used"
    yield f"{of.path}: {count(of.files, 'file')}, {bytes_in_words(of.bytes)}, {state}"


def _self_test(health: Health) -> Iterator[str]:
    if health.is_right:
        yield f"{health.programs} runs of native programs agree with NumPy's"
        return
    yield f"{len(health.failures)} of {health.programs} runs differ from NumPy's"
    for failure in health.failures[:5]:
        yield f"{failure.program}, {count(failure.threads, 'thread')}: {failure.what}"
