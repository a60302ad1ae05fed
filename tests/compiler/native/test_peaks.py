"""The loops that measure what a processor can do."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.compiler.native.executable import aligned
from chainrule.compiler.native.jit import assembly
from chainrule.compiler.native.peaks import (
    Rate,
    arithmetic,
    arithmetic_text,
    meeting,
    meeting_text,
    reading,
    reading_text,
)
from chainrule.compiler.native.target import Target, host

ARM = Target("aarch64-unknown-linux-gnu", "generic", "+neon", 128, 32)


@pytest.mark.parametrize("bits", [512, 256, 128])
@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_arithmetic_is_measured_on_every_target(bits, kind):
    assert arithmetic(kind, 1, 1, host(bits)).best > 1e8


@pytest.mark.parametrize("threads", [1, 2])
def test_reading_and_meeting_have_a_rate(threads):
    data = aligned(1 << 16).view(np.float32)
    data[:] = 1
    assert reading(data, threads, 2).best > 1e8
    assert meeting(threads, 2).best > 10


def test_the_loop_of_arithmetic_is_fused_multiply_adds_in_registers():
    """Between the loop's head and its jump back nothing is loaded and nothing is stored."""
    text, operations = arithmetic_text(host(), "f32")
    lines = assembly(text, host()).splitlines()
    fused = [line for line in lines if "vfmadd" in line]
    chains = operations // (2 * host().lanes(32))
    if "+fma" in host().features:
        assert len(fused) >= chains
        assert not [line for line in fused if "(%r" in line]


@pytest.mark.parametrize(
    "write", [lambda t: arithmetic_text(t, "f64")[0], reading_text, meeting_text]
)
def test_the_loops_are_written_for_other_processors_too(write):
    assert 'target triple = "aarch64' in write(ARM)
    assert "cntvct_el0" in write(ARM)


def test_the_spread_of_a_rate_is_how_far_the_slowest_try_lies_below_the_best():
    rate = Rate((80.0, 100.0, 90.0))
    assert rate.best == 100
    assert rate.spread == pytest.approx(0.2)
