"""The same program with readings of the clock between its nests: how long each of them takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.compiler.lower.schedule import Work
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.native.program import laps


class Clocked(Executable):
    """A program whose every run leaves ``stamps``, int64[threads, steps, 1 + laps], in ticks.

    Its nests are those of the program that it is made from, and so are its results, bit for bit.
    The state is a copy.
    """

    def __init__(self, like: Executable) -> None:
        super().__init__(replace(like.program, planned=lambda *_: like.plan, clocked=True))
        self.set_state(like.get_state())
        self.stamps = np.zeros((0, 0, 0), np.int64)

    @property
    def laps(self) -> list[Work | None]:
        """What each reading but the first of a step ends: a work, or a barrier (None)."""
        return laps(self.plan)

    def run(self, *args: Any, steps: int = 1, threads: int = 1, **options: Any) -> None:
        self.stamps = np.zeros((threads, steps, 1 + len(self.laps)), np.int64)
        self._point(self._words.place("stamps"), self.stamps)
        super().run(*args, steps=steps, threads=threads, **options)
