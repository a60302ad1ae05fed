"""A program with readings of the clock computes what the program without them does."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import losses, nn, optim
from chainrule.compiler.lower.schedule import Gather
from chainrule.compiler.native.clock import Calibration, read, resolution, ticks_text
from chainrule.compiler.native.clocked import Clocked
from chainrule.compiler.native.program import write_module
from chainrule.compiler.native.target import Target, host
from chainrule.evaluation.examples import take_examples
from chainrule.training.step import Step, carry, compile_step, trace_step

BATCH, STEPS = 48, 6


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(3)
    return take_examples((rng.normal(size=(256, 20)), rng.integers(0, 4, 256)), np.float32)


def compiled(examples) -> Step:
    model, optimizer = nn.MLP([20, 24, 4], rng=0), optim.Adam(0.01)
    carried = carry(model, optimizer)
    traced = trace_step(carried, examples, losses.cross_entropy, optimizer)
    return compile_step(traced, carried, examples, gathers=True)


def run(step: Step, executable, examples, threads: int):
    order = np.random.default_rng(4).integers(0, 256, STEPS * BATCH).astype(np.int32)
    rates, keys = np.full(STEPS, 0.01, np.float32), np.arange(STEPS)
    same = Step(executable, step.constants, step.gathered, step.draws, step.recorded)
    losses_ = same.run(rates, keys, order, examples, BATCH, threads)
    return [*losses_, *executable.get_state()]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_clock_changes_no_bit_of_the_results(examples, threads):
    step = compiled(examples)
    clocked = Clocked(step.executable)
    plain = run(step, step.executable, examples, threads)
    for a, b in zip(plain, run(step, clocked, examples, threads), strict=True):
        assert a.tobytes() == b.tobytes()


def test_every_lap_of_every_step_and_thread_has_a_reading_and_time_goes_forward(examples):
    step = compiled(examples)
    clocked = Clocked(step.executable)
    run(step, clocked, examples, 2)
    assert clocked.stamps.shape == (2, STEPS, 1 + len(clocked.laps))
    assert clocked.stamps.min() > 0
    one_after_another = clocked.stamps.reshape(2, -1)
    assert (np.diff(one_after_another, axis=1) >= 0).all()


def test_laps_are_the_pieces_of_work_in_order_with_a_barrier_behind_each_phase(examples):
    clocked = Clocked(compiled(examples).executable)
    laps, phases = clocked.laps, clocked.plan.schedule.phases
    assert isinstance(laps[0], Gather)
    assert laps[-1] is None
    assert laps.count(None) == len(phases)
    assert [lap for lap in laps if lap is not None] == [work for phase in phases for work in phase]


def test_making_the_clocked_program_leaves_the_state_of_the_other_alone(examples):
    step = compiled(examples)
    before = [leaf.tobytes() for leaf in step.executable.get_state()]
    run(step, Clocked(step.executable), examples, 1)
    assert [leaf.tobytes() for leaf in step.executable.get_state()] == before


def test_only_the_clocked_program_reads_the_clock(examples):
    plan = compiled(examples).executable.plan
    assert "@ticks" not in write_module(plan, host())
    assert "@ticks" in write_module(plan, host(), clocked=True)


def test_ticks_last_the_same_from_one_calibration_to_the_next():
    """Two spans of 20 ms agree to 5 %: a span that is interrupted is only longer in both clocks."""
    lengths = []
    for _ in range(2):
        calibration = Calibration()
        np.linalg.svd(np.random.default_rng(0).normal(size=(160, 160)))
        lengths.append(calibration.seconds_per_tick())
    assert lengths[0] == pytest.approx(lengths[1], rel=0.05)
    assert 0 < lengths[0] < 1e-6


def test_readings_do_not_go_backwards_and_differ():
    found = read(100)
    assert found == sorted(found)
    assert resolution() >= 1


def test_each_processor_has_a_counter_that_programs_may_read():
    """The cycle counter of ARM traps outside of the kernel: its timer's count does not."""
    assert "cntvct_el0" in ticks_text(Target("aarch64-unknown-linux-gnu", "", "", 128, 32))
    assert "readcyclecounter" in ticks_text(Target("x86_64-unknown-linux-gnu", "", "", 256, 16))
    assert "clock_gettime" in ticks_text(Target("riscv64-unknown-linux-gnu", "", "", 128, 32))
