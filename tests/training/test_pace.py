"""Chunks of the right length; threads by what they bring."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.training.pace import CHUNK, Pace, pace


def drive(found: Pace, cost: Callable[[int], float], seconds: float) -> dict[int, float]:
    """Run chunks whose step costs ``cost(threads)``; seconds spent on each number of threads."""
    spent: dict[int, float] = {}
    while sum(spent.values()) < seconds:
        steps, threads = found.steps(10**9), found.threads
        took = steps * cost(threads)
        spent[threads] = spent.get(threads, 0.0) + took
        found.took(steps, took)
    return spent


def test_chunks_grow_to_the_wanted_length() -> None:
    found = pace(1, 1, 2)
    drive(found, lambda _: 2e-6, 1.0)
    assert 0.5 * CHUNK < found.steps(10**9) * 2e-6 < 2 * CHUNK


def test_the_faster_number_of_threads_wins_whatever_the_guess_was() -> None:
    for guess in (1, 2):
        slow_alone = drive(pace(None, guess, 2), lambda t: 1e-3 / t, 20.0)
        assert slow_alone[2] > 0.9 * sum(slow_alone.values())
        slow_together = drive(pace(None, guess, 2), lambda t: 1e-5 * t**3, 20.0)
        assert slow_together[1] > 0.9 * sum(slow_together.values())


def test_a_neighbour_that_comes_and_goes_is_noticed() -> None:
    found = pace(None, 2, 2)
    drive(found, lambda t: 1e-4 / t, 5.0)
    assert found._best == 2
    drive(found, lambda t: 1e-4 * t, 12.0)
    assert found._best == 1
    drive(found, lambda t: 1e-4 / t, 12.0)
    assert found._best == 2


def test_a_number_that_was_asked_for_is_kept() -> None:
    assert set(drive(pace(2, 1, 4), lambda t: 1e-4 * t, 5.0)) == {2}
    assert set(drive(pace(None, 1, 1), lambda t: 1e-4, 5.0)) == {1}


def test_a_look_at_another_number_is_no_choice():
    looking = pace(None, 1, 2)
    while looking.threads == 1:
        looking.took(looking.steps(10**9), 0.07)
    assert looking.chosen == 1
