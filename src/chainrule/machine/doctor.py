"""What a doctor finds: the machine, what it can do, whether its code is right, what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from chainrule.compiler.native.limits import available
from chainrule.compiler.native.peaks import Rate, arithmetic
from chainrule.compiler.native.target import Target, host
from chainrule.machine.limits import Clock, Limits, clock, measure, silent
from chainrule.machine.processor import Processor, processor
from chainrule.machine.selftest import F32, FLOATS, Failure, self_test
from chainrule.machine.store import Store, store
from chainrule.machine.versions import Extra, extras, versions

#: What changes the libraries that NumPy calls: set by hand, it may be for another machine.
_VARIABLES: Final = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_DEBUG_CPU_TYPE")
#: A peak that varies by this much within the run says that others use the processor.
_NOISY: Final = 0.2
#: All threads together should reach this part of as many times one thread.
_SCALES: Final = 0.75
_WIDTHS: Final = (256, 128)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and one thing to try."""

    kind: str
    what: str
    hint: str


@dataclass(frozen=True, eq=False, slots=True)
class Health:
    """All that was found.

    Attributes:
        processor: what the process sees of it.
        target: what machine code is written for, and ``reason``, why.
        one, all: limits of one thread and of as many as may run; the same where that is one.
        clock: of the processor.
        versions, extras: what is installed.
        store: the folder of kept machine code.
        programs: how often a program was run natively and compared with NumPy.
        failures: of the self-test.
        findings: what is wrong, the most serious first.
    """

    processor: Processor
    target: Target
    reason: str
    one: Limits
    all: Limits
    clock: Clock
    versions: dict[str, str]
    extras: list[Extra]
    store: Store
    programs: int
    failures: list[Failure]
    findings: list[Finding]

    @property
    def is_right(self) -> bool:
        """Whether the native code gives NumPy's results."""
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        """Plain values under keys that stay."""
        of = self.store
        return {
            "processor": asdict(self.processor),
            "target": {**asdict(self.target), "reason": self.reason},
            "threads": self.all.threads,
            "limits": {"one": self.one.to_json(), "all": self.all.to_json()},
            "clock": {"tick_ns": self.clock.tick, "reading_ns": self.clock.reading},
            "versions": self.versions,
            "extras": {x.name: {"missing": list(x.missing)} for x in self.extras},
            "cache": {
                "path": None if of.path is None else str(of.path), "files": of.files,
                "bytes": of.bytes, "usable": of.path is not None and not of.trouble,
                "trouble": of.trouble,
            },
            "self_test": {
                "programs": self.programs, "passed": self.is_right,
                "failures": [asdict(failure) for failure in self.failures],
            },
            "findings": [asdict(finding) for finding in self.findings],
        }  # fmt: skip


def examine(quick: bool = False, tell: Callable[[str], None] = silent) -> Health:
    """Measure and test; some seconds, ``quick`` about one.

    Args:
        quick: fewer tries of each measurement, and the self-test for this processor only.
        tell: called with what is being done.
    """
    threads = available()
    first = arithmetic("f32", 1, 3)
    one = measure(1, quick, tell)
    all_ = measure(threads, quick, tell) if threads > 1 else one
    programs, failures = _tested(quick, threads, tell)
    tell("the machine once more")
    peaks = Rate((*first.tries, *one.flops["f32"].tries, *arithmetic("f32", 1, 3).tries))
    target, kept = host(), store()
    found = _findings(one, all_, peaks, failures, kept)
    return Health(
        processor(), target, reason_of(target), one, all_, clock(), versions(), extras(), kept,
        programs, failures, found,
    )  # fmt: skip


def _tested(quick: bool, threads: int, tell: Callable[[str], None]) -> tuple[int, list[Failure]]:
    """How many programs were run and compared, and the failures."""
    counts = (1,) if threads == 1 else (1, threads)
    widths = [width for width in _WIDTHS if width < host().vector_bits and not quick]
    targets = [(host(), FLOATS), *((host(width), F32) for width in widths)]
    done, failures = 0, list[Failure]()
    for target, dtypes in targets:
        tell(f"self-test with vectors of {target.vector_bits} bits")
        for wrong in self_test(target, dtypes, counts):
            done += len(counts)
            failures += wrong
    return done, failures


def reason_of(target: Target) -> str:
    """Why vectors are as wide as they are."""
    if not target.triple.startswith(("x86_64", "i686")):
        return "NEON, which every 64-bit ARM has"
    names = {512: "AVX-512", 256: "AVX2 with FMA"}
    return names.get(target.vector_bits, "SSE2: the processor has neither AVX2 nor FMA")


# -- what is wrong -------------------------------------------------------------------------------


def _findings(
    one: Limits, all_: Limits, peaks: Rate, failures: list[Failure], kept: Store
) -> list[Finding]:
    found = (
        _wrong(failures),
        _folder(kept),
        _granted(processor()),
        _narrow(host()),
        _noisy(peaks),
        _crowded(one, all_),
        *(_variable(name) for name in _VARIABLES),
    )
    return [finding for finding in found if finding is not None]


def _wrong(failures: list[Failure]) -> Finding | None:
    if not failures:
        return None
    first = failures[0]
    return Finding(
        "self-test",
        f"native code is wrong: {first.program} on {first.threads} threads: {first.what}",
        "CHAINRULE_CACHE=off chainrule doctor; if it is right then, delete the cache folder, "
        "else report this with chainrule doctor --json",
    )


def _folder(kept: Store) -> Finding | None:
    if kept.path is None:
        what = "machine code is not kept: every program is compiled anew in every process"
        return Finding("cache", what, "unset CHAINRULE_CACHE")
    if kept.trouble:
        return Finding("cache", f"the cache folder {kept.path} {kept.trouble}", kept.hint)
    return None


def _granted(found: Processor) -> Finding | None:
    if found.quota is None or found.quota >= found.allowed:
        return None
    what = (
        f"the container sees {found.allowed} processors and is granted the time of "
        f"{found.quota:g}: more threads than that would be stopped in turns"
    )
    return Finding("quota", what, "a larger grant; no more threads= than it has")


def _narrow(target: Target) -> Finding | None:
    if target.vector_bits > 128 or not target.triple.startswith(("x86_64", "i686")):
        return None
    what = "the processor has no AVX2 and FMA: steps take several times as long as on one that has"
    return Finding("processor", what, "another machine, or a virtual one that passes AVX2 on")


def _noisy(peaks: Rate) -> Finding | None:
    if peaks.spread < _NOISY:
        return None
    what = f"the peak of one thread varied by {peaks.spread:.0%} while this ran"
    return Finding("noise", what, "close other programs, or compare times within one run only")


def _crowded(one: Limits, all_: Limits) -> Finding | None:
    parts = all_.flops["f32"].best / one.flops["f32"].best / all_.threads
    if all_.threads == 1 or parts >= _SCALES:
        return None
    what = (
        f"{all_.threads} threads together reach {parts * all_.threads:.1f} times what one reaches: "
        "other programs use the processor, or two threads share a core"
    )
    return Finding("threads", what, f"threads={max(1, round(parts * all_.threads))}")


def _variable(name: str) -> Finding | None:
    value = os.environ.get(name)
    if value is None:
        return None
    what = f"{name}={value} is set: NumPy's own products may run at a fraction of their speed"
    return Finding("environment", what, f"unset {name}")
