"""Examples that stay in their files: training reads them in windows, within a bound of memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.data.row_files import RowFile, RowReader, open_leaf
from chainrule.errors import DataError
from chainrule.machine.memory import parse_size, shown_size
from chainrule.tracing.trees import flatten, paths, unflatten

#: What windows may take of the bound: the rest is for held-out rows, the record and the compiler.
WINDOWS: Final = 0.35
#: What rows held out may take of it.
HELD_OUT: Final = 0.125
DEFAULT_MEMORY: Final = 1_000_000_000
_LEAST: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class Stream:
    """Arrays in ``.npy`` files, and the tree that they are the leaves of; made by ``stream``.

    Attributes:
        files: the leaves.
        structure: of the tuple of arguments behind the model in a call of the loss.
        rows: how many examples.
        memory: the bound, in bytes.
        origin: what the files were made from, where they were; in their digest's place.
    """

    files: tuple[RowFile, ...]
    structure: Any
    rows: int
    memory: int
    origin: str = ""

    def tree(self, leaves: list[Any]) -> Any:
        """The arguments of a loss, with these leaves."""
        return unflatten(self.structure, leaves)

    def digest(self) -> str:
        """A checksum of the files: types, sizes, times of change, and 32 stretches of each."""
        if self.origin:
            return self.origin
        each = "".join(file.digest() for file in self.files)
        return hashlib.sha256(each.encode()).hexdigest()

    def sample(self, most: int, floating: np.dtype, places: int = 64) -> list[np.ndarray]:
        """At most so many rows of each array, from stretches spread evenly over the files."""
        most = min(most, self.rows)
        places = max(1, min(places, most))
        firsts = [self.rows * k // places for k in range(places)]
        ends = [most * (k + 1) // places for k in range(places)]
        found = []
        for file in self.files:
            with RowReader(file, floating) as reader:
                out, begin = reader.room(most), 0
                for first, end in zip(firsts, ends, strict=True):
                    reader.read(first, out[begin:end])
                    begin = end
            found.append(out)
        return found

    def __repr__(self) -> str:
        names = ", ".join(repr(file.path.name) for file in self.files)
        return f"Stream({names}: {self.rows:,} rows, within {shown_size(self.memory)})"


def stream(*data: Any, memory: str | int = DEFAULT_MEMORY) -> Stream:
    """Examples in ``.npy`` files that may be larger than memory: ``cr.train``'s ``data``.

    Training reads them in windows of consecutive blocks, one window ahead of the native loop. An
    epoch goes through the blocks in an order of its own and mixes the rows of each window: a
    function of the seed, the epoch and the place, so that a resumed run gives the same bits. A
    file that fits into one window is read once and shuffled as a whole, as arrays in memory are.

    Args:
        data: the paths of ``.npy`` files (or trees of them), one row per example, in the order in
            which the loss takes them: x, y.
        memory: what training may take, such as "2GB" or a number of bytes, from 1 MiB: windows
            take a third of it, held-out rows an eighth at most. Libraries come on top.

    Raises:
        DataError: a file cannot be read, holds no rows of numbers, or has another number of rows.

    Example:
        >>> import tempfile
        >>> import chainrule as cr
        >>> from chainrule import losses, nn
        >>> folder = tempfile.TemporaryDirectory()
        >>> x = np.linspace(-1, 1, 4000, dtype=np.float32).reshape(-1, 1)
        >>> np.save(f"{folder.name}/x.npy", x)
        >>> np.save(f"{folder.name}/y.npy", 3 * x)
        >>> data = stream(f"{folder.name}/x.npy", f"{folder.name}/y.npy", memory="4MB")
        >>> run = cr.train(nn.MLP([1, 1], rng=0), losses.squared_error, data=data, epochs=20)
        >>> float(run.model.layers[0].weight[0, 0].round(3))
        3.0
        >>> folder.cleanup()
    """
    leaves, structure = flatten(data)
    names = paths(unflatten(structure, leaves))
    files = tuple(open_leaf(leaf, f"data[{n}]") for leaf, n in zip(leaves, names, strict=True))
    return of_files(files, structure, memory)


def of_files(
    files: tuple[RowFile, ...], structure: Any, memory: str | int, origin: str = ""
) -> Stream:
    """A stream of these files, checked.

    Raises:
        DataError: no rows, differing numbers of rows, or a bound that is none.
    """
    counts = {file.rows for file in files}
    if len(counts) != 1:
        sizes = ", ".join(f"{file.path.name} has {file.rows:,}" for file in files)
        raise DataError(f"the files differ in their number of rows: {sizes or 'no files'}")
    if counts == {0}:
        raise DataError(f"{files[0].path}: no rows")
    return Stream(files, structure, counts.pop(), checked_memory(memory), origin)


def checked_memory(memory: str | int) -> int:
    """A bound in bytes.

    Raises:
        DataError: it is no size, or too small.
    """
    size = parse_size(memory)
    if size is None or size < _LEAST:
        raise DataError(f"memory is {memory!r}; expected a size from 1 MiB", 'memory="2GB"')
    return size
