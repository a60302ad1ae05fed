"""Tables larger than memory on the command line: when they are streamed, and from where."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from chainrule.cli.options import LEAST_MEMORY, TrainOptions, checked_memory
from chainrule.cli.outcome import OptionError
from chainrule.cli.source import STDIN, Source, is_example, stem
from chainrule.cli.terms import Terms, check_values, network_target
from chainrule.cli.trained import Trained
from chainrule.data.blocks import Blocks, Tell
from chainrule.data.extras import Table
from chainrule.data.large import open_sample
from chainrule.data.prepare import Prepared, held_out, with_target
from chainrule.data.sample import draw_sample
from chainrule.data.spool import Spool
from chainrule.data.stream import Stream
from chainrule.errors import ChainruleError
from chainrule.machine.memory import available_memory, shown_size

#: What a checksum begins with that is not of all bytes.
SAMPLED: Final = "sampled "
#: A table that is trained on as a whole takes so many times its size: read, split and encoded.
_TIMES: Final = 4
#: What of the memory is then taken, and the size from which files are looked at.
_TAKEN: Final = 0.5
_LARGE: Final = 64 << 20
_NEEDS_ALL: Final = ("stratified", "with-replacement")
#: Bytes of one output of one row while scores are worked out: outputs, targets, ranks.
_OUTPUT: Final = 64
#: Seconds between two words about a pass.
_OFTEN: Final = 0.2


def memory_for(data: str) -> int | None:
    """The bound with which a file is streamed by itself: None where its table fits into memory."""
    path = Path(data)
    if is_example(data) or not path.is_file() or path.stat().st_size < _LARGE:
        return None
    try:
        size = Blocks.open(path).size
    except ChainruleError:  # said where the file is read
        return None
    free = available_memory()
    if free is None or _TIMES * size <= free:
        return None
    return max(LEAST_MEMORY, int(free * _TAKEN) // 1_000_000 * 1_000_000)


def by_itself(memory: int) -> str:
    """What is said where a table is streamed without having been asked for."""
    within = shown_size(memory)
    return f"the table would not fit into free memory: streamed within {within} (see --memory)"


def check_streamed(options: TrainOptions) -> None:
    """Refuse what needs all rows in memory at once.

    Raises:
        OptionError: an order or a batch that does, or a table on stdin.
    """
    check_not_piped(options.data, options.memory)
    if options.order in _NEEDS_ALL:
        raise OptionError(
            f"--order {options.order}: of a streamed table only some rows are in memory",
            "--order reshuffle mixes windows of rows; once and in-order work too",
        )
    if not options.batch:
        raise OptionError(
            "--batch all: a streamed table is not in memory as a whole", "--batch 256"
        )


def load_large(
    data: str, folder: Path, memory: int, seed: int, text: tuple[str, ...], tell: Tell
) -> tuple[Source, Spool]:
    """DATA as a source whose table is a sample, and its spool.

    Raises:
        OptionError: DATA is an example. DataError: the file cannot be read in blocks.
    """
    if is_example(data):
        raise OptionError(f"--memory: the example {data} fits into memory", "leave --memory out")
    start, path = time.perf_counter(), Path(data)
    spool = open_sample(path, folder, memory, seed, text, tell)
    digest = digest_of(spool.blocks)
    seconds = time.perf_counter() - start
    return Source(stem(path), path, spool.sample.table, digest, seconds), spool


def rows_of(
    spool: Spool, prepared: Prepared, terms: Terms, memory: int, tell: Tell
) -> tuple[Stream, Prepared]:
    """The rows to train on, and the prepared table with what has been left out.

    Raises:
        ChainruleError: a row cannot be encoded, a target means nothing to the loss, or the disk
            is too small.
    """
    schema = prepared.schema

    def y_of(y: NDArray[Any]) -> NDArray[Any]:
        check_values(terms.loss, schema.target, y)
        return network_target(terms, schema.target, y)

    stream = spool.stream(schema, prepared.train, y_of, memory, tell)
    note = f"training reads {stream.rows:,} rows in windows, within {shown_size(memory)}"
    return stream, replace(prepared, notes=(*prepared.notes, *spool.notes, note))


def rows_to_score(trained: Trained, data: str, memory: int, tell: Tell) -> tuple[Table, list[str]]:
    """The rows of a large table to score a run on: the test rows of its training, or a sample.

    Args:
        trained: the run.
        data: the table.
        memory: the bound, in bytes: a sample takes a quarter of it.
        tell: told how far the pass over the file is.

    Raises:
        DataError: the file cannot be read in blocks, or has no target.
    """
    blocks = Blocks.open(data, tuple(trained.schema.text_columns()))
    seed, drawn = trained.setup.seed, trained.data.get("sample")
    if drawn and trained.data.get("sha256") == digest_of(blocks):
        found = draw_sample(blocks, 1 << 62, 1 << 62, seed, tell, int(drawn))
        test = held_out(found.table, trained.schema, seed)
        return test, ["this is the table of the training: only its test rows are scored"]
    row = 4 * trained.schema.width + _OUTPUT * len(trained.setup.constant)
    found = draw_sample(blocks, memory // 8 // row, memory // 8, seed, tell)
    table, notes = with_target(found.table, trained.schema.target.name)
    if len(found.drawn) == found.rows:
        return table, notes
    return table, [*notes, f"a sample of {len(found.drawn):,} of {found.rows:,} rows"]


def digest_of(blocks: Blocks) -> str:
    """What stands for the checksum of a file that is too large to read for it."""
    return f"{SAMPLED}{blocks.digest()}"


def bound_for(data: str, asked: str | None, trained: Trained) -> int | None:
    """The bound with which DATA is read in blocks; None where it is read as a whole.

    A table that was streamed for training is streamed again.
    """
    memory = checked_memory(asked)
    if data == STDIN:
        check_not_piped(data, memory)
        return None
    if memory is None and trained.data.get("sample"):
        memory = checked_memory(str(trained.data["memory"]))
    return memory or memory_for(data)


def check_not_piped(data: str, memory: int | None) -> None:
    """Refuse to stream what can be read but once.

    Raises:
        OptionError: the table is on stdin.
    """
    if data == STDIN and memory is not None:
        hint = "leave --memory out, or write the table to a file"
        raise OptionError("--memory: a table on stdin is read as a whole", hint)


def size_of(data: str) -> int:
    """Bytes of a file; 0 where it is none."""
    path = Path(data)
    return path.stat().st_size if path.is_file() else 0


def remove(folder: Path) -> None:
    """Delete a spool that was made for one run."""
    shutil.rmtree(folder, ignore_errors=True)


class Told:
    """Says how far a pass over a file is, with its rate and the time left.

    Args:
        say: shows a line.
        what: is done.
        size: of the file, in bytes.
    """

    def __init__(self, say: Callable[[str], object], what: str, size: int) -> None:
        self._say, self._what, self._size = say, what, size
        self._start = self._said = time.perf_counter()

    def __call__(self, share: float) -> None:
        """``share`` of the file is done."""
        now = time.perf_counter()
        if now - self._said < _OFTEN or not share:
            return
        self._said = now
        passed = now - self._start
        rate = shown_size(share * self._size / passed)
        left = passed * (1 - share) / share
        self._say(f"{self._what}: {share:.0%}, {rate}/s, {left:.0f} s left")
