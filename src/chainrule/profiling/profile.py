"""A profile: what each part of a training step takes, against what the machine can do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chainrule.data.extras import need
from chainrule.explain.drawing import Figure
from chainrule.machine.limits import Limits
from chainrule.profiling.picture import roofline
from chainrule.profiling.row import Row
from chainrule.profiling.table import as_table
from chainrule.runs.files import write_file

#: The version of the form of ``to_json``.
FORMAT: Final = 1


@dataclass(frozen=True, eq=False)
class Profile:
    """What a training step takes.

    Attributes:
        rows: the parts of a step in their order, the waits at barriers and the rest included;
            their ``seconds`` add up to ``seconds``.
        seconds: of a step of the program as it trains, the median.
        clocked: of a step with readings of the clock. What these take is taken off the rows.
        steps: steps that were measured; ``batch`` and ``threads``, as they were.
        outside: seconds of the run's training that went to Python, by what it did, for each step;
            empty where no run was watched.
        limits: what the machine can do at most, measured with the same threads.
        processor: its name.
        model: what the model is.
        advice: one thing to try where the figures are clear, else "".

    Example:
        >>> import numpy as np
        >>> import chainrule as cr
        >>> x = np.linspace(-1, 1, 64)
        >>> def loss(w, x, y):
        ...     return np.mean((w * x - y) ** 2)
        >>> profile = cr.profile(np.array(0.0), loss, (x, 3 * x), seconds=0.01)
        >>> bool(np.isclose(sum(row.seconds for row in profile.rows), profile.seconds))
        True
    """

    rows: tuple[Row, ...]
    seconds: float
    clocked: float
    steps: int
    batch: int
    threads: int
    outside: Mapping[str, float]
    limits: Limits
    processor: str
    model: str
    advice: str

    @property
    def flops(self) -> float:
        """Floating-point operations of a step."""
        return sum(row.flops for row in self.rows)

    @property
    def limit(self) -> float:
        """Seconds that the limits of all parts allow at least."""
        return sum(row.limit for row in self.rows)

    @property
    def share(self) -> float:
        """The part of the machine's limit that the step reaches."""
        return self.limit / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        return as_table(self)

    def frame(self) -> Any:
        """The rows as a pandas ``DataFrame``.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        pandas = need("pandas")
        return pandas.DataFrame([row.to_json() for row in self.rows])

    def to_json(self) -> dict[str, Any]:
        """Plain values: seconds, bytes, floating-point operations."""
        return {
            "format": FORMAT,
            "model": self.model,
            "processor": self.processor,
            "threads": self.threads,
            "batch": self.batch,
            "steps": self.steps,
            "seconds_per_step": self.seconds,
            "seconds_per_step_with_clock": self.clocked,
            "flops_per_step": self.flops,
            "share_of_limit": self.share,
            "limits": self.limits.to_json(),
            "rows": [row.to_json() for row in self.rows],
            "outside_seconds_per_step": dict(self.outside),
            "advice": self.advice,
        }

    def roofline(self) -> Figure:
        """The picture: each part by its operations for a byte and its operations a second.

        Returns:
            A ``chainrule.explain.drawing.Figure``; its ``svg()`` is the text, ``save(path)``
            writes it.
        """
        return roofline(self)

    def save(self, folder: str | Path) -> tuple[Path, Path]:
        """Write ``profile.json`` and ``profile.svg`` into a folder; their paths."""
        numbers, picture = Path(folder) / "profile.json", Path(folder) / "profile.svg"
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False)
        write_file(numbers, f"{text}\n".encode())
        self.roofline().save(picture)
        return numbers, picture
