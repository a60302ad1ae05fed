"""Tables larger than memory: columns fitted on a sample, rows encoded once into a spool."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.blocks import Blocks, Tell, silent
from chainrule.data.columns import NONE
from chainrule.data.extras import need
from chainrule.data.prepare import Prepared, check_names, prepare
from chainrule.data.sample import Sample, draw_sample
from chainrule.data.schema import Schema
from chainrule.data.spool import Spool, draft_of, remove_dead
from chainrule.data.stream import HELD_OUT, Stream, checked_memory
from chainrule.errors import DataError
from chainrule.machine.memory import shown_size

#: Rows of a sample: enough to fit columns and to score, few enough to be read at once.
SAMPLE_ROWS: Final = 200_000
#: What its table may take of the bound; encoded, its rows may take ``HELD_OUT`` of it.
_SHARE: Final = 1 / 16
#: Rows from which the encoded width is guessed.
_FIRST: Final = 2000
_LEAST_ROWS: Final = 100
#: An error that names a row.
_ROW: Final = re.compile(r"\brows? [\d,]+")


def open_sample(
    path: str | Path, folder: Path, memory: int, seed: int,
    text: Collection[str] = (), tell: Tell = silent,
) -> Spool:  # fmt: skip
    """The spool of a table, with a sample of its rows; a sample that lies there is read.

    Args:
        path: the file.
        folder: of the spool; it is made.
        memory: the bound, in bytes.
        seed: of the sample.
        text: columns of a text format to keep as text.
        tell: told how far the pass over the file is.

    Raises:
        DataError: the file or the folder cannot be used.
    """
    blocks = Blocks.open(path, tuple(text))
    asked = (1, blocks.digest(), memory, seed, sorted(text))
    key = hashlib.sha256(repr(asked).encode()).hexdigest()[:24]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_dead(folder)
        found = _stored(folder / f"{key}.arrow")
        if found is None:
            most = int(memory * _SHARE)
            found = draw_sample(blocks, SAMPLE_ROWS, most, seed, tell)
            _store(folder / f"{key}.arrow", found)
    except OSError as error:
        raise DataError(f"{folder}: cannot be used: {error.strerror or error}") from error
    return Spool(folder, blocks, found)


def prepare_large(
    spool: Spool, target: str, memory: int, *, task: str = "auto", drop: Mapping[str, str] = NONE,
    seed: int = 0, **rules: Any,
) -> Prepared:  # fmt: skip
    """Fit the columns of a table on the sample of its spool, as ``prepare`` does on a whole table.

    The sample becomes smaller where its encoded rows would take more than their part of the bound.

    Args:
        spool: of the table.
        target: the column to predict.
        memory: the bound, in bytes.
        task: as for ``prepare``, and so the others.
        drop: columns not to use, each with the reason.
        seed: of the split of the sample.
        rules: further arguments of ``prepare``.

    Raises:
        DataError: see ``prepare``.
    """
    check_names(spool.sample.table, target, drop)
    _check_sample(spool.sample, memory)
    few = _fitted(spool.sample.thinned(_FIRST), target, task=task, drop=drop, seed=seed, **rules)
    most = int(memory * HELD_OUT) // (4 * few.schema.width + 8)
    spool.sample = spool.sample.thinned(max(_FIRST, most))
    table = spool.sample.table
    made = _fitted(spool.sample, target, task=task, drop=drop, seed=seed, **rules)
    total, drawn = spool.sample.rows, table.num_rows
    note = f"columns and scores are of a sample of {drawn:,} of {total:,} rows"
    return replace(made, rows=total, notes=(*made.notes, note))


def _check_sample(sample: Sample, memory: int) -> None:
    """Refuse rows so large that the bound leaves room for a handful: they say nothing of the rest.

    Raises:
        DataError: the sample is too small.
    """
    drawn = len(sample.drawn)
    if drawn < min(_LEAST_ROWS, sample.rows):
        raise DataError(
            f"{shown_size(memory)} leave room for a sample of {drawn:,} of {sample.rows:,} rows: "
            f"at least {_LEAST_ROWS} are needed to fit columns",
            "a larger memory, or a file without its longest column",
        )


def _fitted(sample: Sample, target: str, **options: Any) -> Prepared:
    """``prepare`` on a sample: an error says that the rows it counts are the sample's."""
    try:
        return prepare(sample.table, target, **options)
    except DataError as error:
        if len(sample.drawn) == sample.rows or not _ROW.search(error.message):
            raise
        where = f"in a sample of {len(sample.drawn):,} of {sample.rows:,} rows"
        raise DataError(f"{where}: {error.message}", error.hint) from error


@dataclass(frozen=True, eq=False)
class LargeTable:
    """A table in a file, ready for training; made by ``stream_table``.

    Attributes:
        train: the rows to train on, x (n, width) and y (n,), as ``cr.train`` takes them.
        validation, test: rows of the sample that are not trained on, as arrays (x, y).
        schema: how rows are encoded.
        notes: what was left out, in words.
    """

    train: Stream
    validation: tuple[NDArray[Any], NDArray[Any]]
    test: tuple[NDArray[Any], NDArray[Any]]
    schema: Schema
    notes: tuple[str, ...]


def stream_table(
    path: str | Path, target: str, *, spool: str | Path, memory: str | int = "1GB",
    task: str = "auto", drop: Collection[str] = (), seed: int = 0, **rules: Any,
) -> LargeTable:  # fmt: skip
    """A Parquet, Arrow, CSV or .npy table that may be larger than memory, for ``cr.train``.

    The file is read twice. The first pass draws a sample of at most 200,000 rows at random, from
    which the columns are fitted (``prepare``) and rows are held out; the second encodes all other
    rows into the folder ``spool``. What lies there is found again by a checksum of the file and of
    all that its rows follow from.

    Args:
        path: the file.
        target: the column to predict. y holds class indices, or standardised numbers (float32).
        spool: a folder; the encoded table takes 4 bytes for each encoded number.
        memory: what reading and training may take, such as "2GB".
        task: "auto", "classification" or "regression".
        drop: columns not to use.
        seed: of the sample and of its split.
        rules: further arguments of ``prepare``: ``rules``, ``scale``, ``embed``.

    Raises:
        DataError: the file cannot be read, a row cannot be encoded, or the disk is too small.
    """
    bound = checked_memory(memory)
    made = open_sample(path, Path(spool), bound, seed)
    reasons = dict.fromkeys(drop, "as asked")
    prepared = prepare_large(made, target, bound, task=task, drop=reasons, seed=seed, **rules)
    schema = prepared.schema

    def y_of(y: NDArray[Any]) -> NDArray[Any]:
        if schema.target.task == "classification":
            return y
        return ((y - schema.target.mean) / schema.target.scale).astype(np.float32)

    train = made.stream(schema, prepared.train, y_of, bound)
    validation, test = ((p.x, y_of(p.y)) for p in (prepared.validation, prepared.test))
    return LargeTable(train, validation, test, schema, (*prepared.notes, *made.notes))


# -- the sample on disk ----------------------------------------------------------------------------

_DRAWN: Final = "drawn by chainrule"


def _store(path: Path, sample: Sample) -> None:
    ipc, draft = need("pyarrow").ipc, draft_of(path)
    stored: dict[str, Any] = {"rows": sample.rows, "bound": sample.bound, "seed": sample.seed}
    stored["types"] = {name: str(kind) for name, kind in sample.types.items()}
    table = sample.table.append_column(_DRAWN, need("pyarrow").array(sample.drawn))
    table = table.replace_schema_metadata({"chainrule": json.dumps(stored)})
    with draft.open("wb") as file, ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    draft.replace(path)


def _stored(path: Path) -> Sample | None:
    pa = need("pyarrow")
    if not path.exists():
        return None
    try:
        with pa.OSFile(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        stored = json.loads(table.schema.metadata[b"chainrule"])
        types = {name: pa.type_for_alias(kind) for name, kind in stored["types"].items()}
    except (pa.ArrowException, KeyError, TypeError, ValueError):
        return None  # of another version, or damaged: it is drawn again
    drawn = table[_DRAWN].to_numpy()
    table = table.drop([_DRAWN]).replace_schema_metadata(None)
    return Sample(table, drawn, stored["rows"], stored["bound"], stored["seed"], types)
