"""Verdicts on functions whose answer is known: no wrong proof, few left undecided."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from chainrule.explain.proofs import Verdict, convexity
from tests.explain.proofs.table import CASES, Case

_BY_NAME = {case.name: case for case in CASES}


@cache
def _verdict(name: str) -> Verdict:
    case = _BY_NAME[name]
    with np.errstate(all="ignore"):
        return convexity(*case.arguments, box=case.box, seconds=1.0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_proof_is_wrong(case: Case):
    """A proof of convexity only of a convex function, a counter-example only of another."""
    verdict = _verdict(case.name).verdict
    wrong = "not convex, proved" if case.convex else "convex, proved"
    assert verdict != wrong


def test_at_most_a_tenth_is_undecided():
    undecided = [c.name for c in CASES if _verdict(c.name).verdict == "not decided"]
    assert len(undecided) <= len(CASES) // 10, undecided


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_verdict_is_printed_drawn_and_written(case: Case):
    found = _verdict(case.name)
    assert all(len(line) <= 100 for line in str(found).splitlines())
    assert found.svg().startswith("<svg")
    assert found.to_json()["verdict"] == found.verdict


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_code_computes_the_function_itself(case: Case):
    """f as written out agrees with the function at both ends of the chord."""
    found = _verdict(case.name)
    if not found.code:
        pytest.skip("too long to paste")
    names: dict[str, object] = {}
    with np.errstate(all="ignore"):
        exec(found.code.replace("print(", "(lambda *_: None)("), names)
        if found.chord is not None and np.isfinite(found.chord.middle):
            gap = names["middle"] - names["chord"]  # type: ignore[operator]
            assert gap > 0
            assert gap == pytest.approx(found.chord.gap, rel=1e-3, abs=1e-13)
        elif found.verdict == "convex, proved":
            assert names["middle"] <= names["chord"] + 1e-9 * abs(names["chord"])  # type: ignore[operator]


def test_the_code_runs_as_a_script_of_its_own():
    found = _verdict("MLP 2-2-1")
    run = subprocess.run(
        [sys.executable, "-c", found.code], capture_output=True, text=True, check=True
    )
    assert "f lies above its chord: True" in run.stdout
