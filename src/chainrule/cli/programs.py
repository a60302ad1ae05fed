"""How many programs a command found on disk, and how many it compiled, for --verbose."""

from __future__ import annotations

import logging


class Programs(logging.Handler):
    """Listens to what the compiler says of each program."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found, self.made = 0, 0
        self._logger = logging.getLogger("chainrule.compiler")

    def listen(self) -> Programs:
        """From here on."""
        self._logger.setLevel(logging.DEBUG)
        self._logger.addHandler(self)
        return self

    def stop(self) -> None:
        """Listen no more."""
        self._logger.removeHandler(self)
        self._logger.setLevel(logging.NOTSET)

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        is_found = record.getMessage().endswith("found on disk")
        self.found, self.made = self.found + is_found, self.made + (not is_found)

    def __str__(self) -> str:
        return f"{self.found:,} found on disk, {self.made:,} compiled"
