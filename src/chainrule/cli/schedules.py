"""Schedules of the learning rate by name, with what they take from the length of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chainrule import optim

#: What a plateau multiplies the rate by.
FACTOR: Final = 0.3


@dataclass(frozen=True, slots=True)
class Span:
    """The length of a run: updates, if the batch stays as it begins, and epochs."""

    steps: int
    epochs: int

    @property
    def patience(self) -> int:
        """Epochs without a fall that a plateau lets pass."""
        return max(2, self.epochs // 10)


def schedule_of(name: str, rate: float, span: Span, warmup: int = 0) -> Any:
    """The schedule of this name, whose largest rate is ``rate``."""
    made = SCHEDULES[name][0](rate, span)
    return optim.warm_up(made, warmup) if warmup else made


def in_words(name: str, span: Span, warmup: int = 0) -> str:
    """What the learning rate does."""
    words = SCHEDULES[name][1].format(epochs=span.patience + 1, factor=FACTOR)
    return f"{words}, after a climb of {warmup:,} steps" if warmup else words


def _step(rate: float, span: Span) -> Any:
    return optim.step(rate, every=-(-span.steps // 3))


def _multi_step(rate: float, span: Span) -> Any:
    half = max(1, span.steps // 2)
    return optim.multi_step(rate, at=[half, max(half + 1, 3 * span.steps // 4)])


def _warm_restarts(rate: float, span: Span) -> Any:
    return optim.warm_restarts(rate, period=-(-span.steps // 7), growth=2)


def _plateau(rate: float, span: Span) -> Any:
    return optim.plateau(rate, factor=FACTOR, patience=span.patience)


#: Those that end when the run does, whatever their settings are.
ENDING: Final = frozenset({"cosine", "linear", "one-cycle"})
#: What makes each schedule, and what it does in words.
SCHEDULES: Final[Mapping[str, tuple[Callable[[float, Span], Any], str]]] = {
    "constant": (lambda rate, span: optim.constant(rate), "constant"),
    "cosine": (lambda rate, span: optim.cosine(rate), "falling to 0 as a cosine"),
    "linear": (lambda rate, span: optim.polynomial(rate), "falling evenly to 0"),
    "one-cycle": (
        lambda rate, span: optim.one_cycle(rate),
        "in one cycle: a climb, then a fall to 0",
    ),
    "step": (_step, "divided by 10 after each third of the run"),
    "multi-step": (_multi_step, "divided by 10 after a half and after three quarters of the run"),
    "exponential": (
        lambda rate, span: optim.exponential(rate, 0.01, every=span.steps),
        "falling by the same factor at each step, to a hundredth",
    ),
    "inverse-time": (
        lambda rate, span: optim.inverse_time(rate, 9 / span.steps),
        "falling as 1 / (1 + t), to a tenth",
    ),
    "warm-restarts": (_warm_restarts, "falling to 0 as a cosine three times, each twice as long"),
    "plateau": (
        _plateau,
        "times {factor:g} when the validation loss has not fallen for {epochs} epochs",
    ),
}
