"""Teams of threads: all of one team run at once, whoever else asks for a team meanwhile."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chainrule.compiler.native import threads
from chainrule.compiler.native.limits import available
from chainrule.compiler.native.threads import WORTH_SHARING, choose, run_together
from chainrule.errors import TrainingError

#: Seconds after which a team that has not met never will.
PATIENCE = 10.0


class Meeting:
    """In place of machine code: returns once the whole team is there, as a step's barrier does."""

    def __init__(self, count: int) -> None:
        self.barrier = threading.Barrier(count)
        self.came: set[int] = set()

    def __call__(self, table: int, thread: int, count: int) -> None:
        self.came.add(thread)
        self.barrier.wait(PATIENCE)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_each_of_a_team_runs_once_and_at_the_same_time(count):
    meeting = Meeting(count)
    run_together(meeting, 0, count)
    assert meeting.came == set(range(count))


def test_two_teams_never_wait_for_each_others_other_half(monkeypatch):
    """One of each in the two places of the pool would wait for the rest of its team for ever."""
    submit = ThreadPoolExecutor.submit

    def hesitant(self, *args):
        future = submit(self, *args)
        time.sleep(0.05)  # the other team asks in between
        return future

    monkeypatch.setattr(ThreadPoolExecutor, "submit", hesitant)
    meetings = [Meeting(3), Meeting(3)]
    teams = [threading.Thread(target=run_together, args=(m, 0, 3)) for m in meetings]
    for team in teams:
        team.start()
    for team in teams:
        team.join(2 * PATIENCE)
    assert not any(m.barrier.broken for m in meetings)
    assert [m.came for m in meetings] == [{0, 1, 2}] * 2


def test_an_interrupt_while_a_team_gathers_waits_for_the_team(monkeypatch):
    """The machine code cannot be left in the middle: all come, finish, then Ctrl-C is seen."""
    run_together(Meeting(4), 0, 4)
    submit, calls = ThreadPoolExecutor.submit, []

    def interrupted(self, *args):
        future = submit(self, *args)
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return future

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    meeting = Meeting(4)
    with pytest.raises(KeyboardInterrupt):
        run_together(meeting, 0, 4)
    assert meeting.came == {0, 1, 2, 3}
    assert not meeting.barrier.broken
    monkeypatch.undo()
    run_together(Meeting(4), 0, 4)


def test_an_error_in_one_thread_reaches_the_caller():
    def fails(table: int, thread: int, count: int) -> None:
        if thread == 1:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        run_together(fails, 0, 2)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), KeyboardInterrupt()])
def test_a_team_of_which_a_thread_cannot_begin_is_an_error(monkeypatch, error):
    """The others must not wait for it, and the next team is whole."""
    start, begun = threading.Thread.start, []

    def start_two(self):
        begun.append(self)
        if len(begun) > 2:
            raise error
        start(self)

    threads._pool.cache_clear()
    monkeypatch.setattr(threading.Thread, "start", start_two)
    meeting = Meeting(5)
    with pytest.raises((TrainingError, KeyboardInterrupt)):
        run_together(meeting, 0, 5)
    assert not meeting.came
    monkeypatch.undo()
    for thread in begun[:2]:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    run_together(Meeting(5), 0, 5)


def test_a_child_process_forgets_the_pool():
    run_together(Meeting(2), 0, 2)
    assert threads._pool.cache_info().currsize
    threads._start_anew()
    assert not threads._pool.cache_info().currsize
    run_together(Meeting(2), 0, 2)


def test_small_steps_run_alone_unless_asked_otherwise():
    assert choose(None, WORTH_SHARING / 2) == 1
    assert choose(None, WORTH_SHARING * 2) == available() >= 1
    assert choose(3, 1.0) == 3
    assert choose(0, 1.0) == 1
