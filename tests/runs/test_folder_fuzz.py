"""Files from anywhere: what they claim is checked before anything is allocated."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.errors import RunError
from chainrule.runs.folder import Best, RunFolder
from chainrule.runs.json_files import sealed
from chainrule.runs.tensors import parse_tensors, tensor_bytes
from tests.runs.test_folder import checkpoint, same

HERE = Path("x.safetensors")


def file_of(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def array(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    """What a header says of an array."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


CLAIMS = {
    "nothing": b"",
    "no header": b"\x07\0\0",
    "a header of 2^63 bytes": file_of(b"{}", length=2**63),
    "a header longer than the file": file_of(b"{}", length=3),
    "a header of 50 MB": file_of(b"{}", length=50_000_000),
    "a million brackets": file_of(b"[" * 1_000_000),
    "half a million objects": file_of(b'{"a":' * 500_000),
    "no JSON": file_of(b'{"a"', b"12345678"),
    "no Unicode": file_of(b'{"\xff": 1}'),
    "a list": file_of([1]),
    "no array": file_of({"a": 5}),
    "terabytes": file_of({"a": array(shape=(2**40,), offsets=(0, 2**42))}),
    "more than 64 bits": file_of({"a": array(shape=(2**62, 2**62), offsets=(0, 8))}, b"12345678"),
    "an empty array of 2^60 columns": file_of({"a": array(shape=(0, 2**60), offsets=(0, 0))}),
    "overlapping arrays": file_of({"a": array(), "b": array()}, b"12345678"),
    "a gap": file_of({"a": array(offsets=(4, 12))}, b"123456789012"),
    "something behind": file_of({"a": array()}, b"123456789012"),
    "backwards": file_of({"a": array(offsets=(8, 0))}, b"12345678"),
    "a negative size": file_of({"a": array(shape=(-2,))}, b"12345678"),
    "a size that is none": file_of({"a": array(shape=(True, 2.0))}, b"12345678"),
    "a type without a name": file_of({"a": array("F99")}, b"12345678"),
    "a type that NumPy has not": file_of({"a": array("BF16", (4,))}, b"12345678"),
    "a thousand axes": file_of({"a": array("F64", (1,) * 1000)}, b"12345678"),
}  # fmt: skip


@contextmanager
def little_memory(most: int) -> Iterator[None]:
    """Fail where more than ``most`` bytes were held at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", CLAIMS)
def test_a_file_that_claims_what_it_has_not_is_refused(name: str) -> None:
    """Before anything is allocated for it but what its own length allows."""
    content = CLAIMS[name]
    with little_memory(100_000 + 10 * len(content)), pytest.raises(RunError, match="damaged"):
        parse_tensors(HERE, content)


@pytest.mark.filterwarnings("ignore:.*is used instead")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("state.json", RunFolder.entries),
        ("checkpoint-000000001/weights.safetensors", RunFolder.read_checkpoint),
        ("config.json", lambda folder: RunFolder.open(folder.path)),
    ],
)
def test_a_file_much_longer_than_it_was_is_not_read(tmp_path: Path, name: str, read: Any) -> None:
    """A terabyte of holes takes no disk; it would take all memory."""
    folder = RunFolder.create(tmp_path / "run", {})
    folder.write_checkpoint(checkpoint(1))
    os.truncate(folder.path / name, 1 << 40)
    with little_memory(1 << 20), pytest.raises(RunError, match="1099511627776 bytes"):
        read(folder)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with something done to it."""
    changed, at = bytearray(content), int(rng.integers(len(content) + 1))
    match int(rng.integers(6)):
        case 0:
            return content[:at]
        case 1:
            changed[at:at] = rng.bytes(int(rng.integers(1, 9)))
        case 2:
            del changed[at : at + int(rng.integers(1, 30))]
        case 3 if at < len(changed):
            changed[at] ^= 1 << int(rng.integers(8))
        case 4:
            changed[at : at + 8] = struct.pack("<q", int(rng.integers(-(2**62), 2**62)))
        case _:
            digits = [k for k, c in enumerate(content[:2000]) if chr(c).isdigit()]
            for k in digits[:1] and rng.choice(digits, 1):
                changed[k] = ord(str(rng.integers(10)))
    return bytes(changed)


def test_two_thousand_mutated_tensor_files_raise_nothing_but_errors_of_ours() -> None:
    rng = np.random.default_rng(5)
    names = {"w": np.ones((3, 4), np.float32), "b": np.zeros(5), "n": np.array(7)}
    content = tensor_bytes(names)
    refused = 0
    for _ in range(2000):
        try:
            found = parse_tensors(HERE, mutated(content, rng))
        except RunError:
            refused += 1
        else:
            assert sum(x.nbytes for x in found.values()) <= len(content) + 8
    assert refused > 1000


def test_whatever_is_done_to_a_folder_it_reads_a_true_checkpoint_or_raises_ours(
    tmp_path: Path,
) -> None:
    """Five hundred times one file of the folder is mutated; never is another content believed."""
    folder = RunFolder.create(tmp_path / "run", {})
    written = [checkpoint(step, best=Best(1, 0.5, {"w": np.ones(2)})) for step in (1, 2)]
    for one in written:
        folder.write_checkpoint(one)
    paths = [p for p in sorted(folder.path.rglob("*")) if p.is_file() and p.name != "log.txt"]
    contents = {path: path.read_bytes() for path in paths}
    rng, older = np.random.default_rng(6), 0
    for _ in range(500):
        chosen = [paths[int(k)] for k in rng.integers(len(paths), size=int(rng.integers(1, 3)))]
        for path in chosen:
            path.write_bytes(mutated(contents[path], rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read = RunFolder(folder.path).read_checkpoint()
        except RunError:
            pass
        else:
            assert read is not None
            assert same(read, written[read.step - 1])
            older += read.step == 1
        for path in chosen:
            path.write_bytes(contents[path])
    assert older > 50


def _nodes(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    inner = [value[key] for key in keys if isinstance(value[key], dict | list)]
    return found + [node for child in inner for node in _nodes(child)]


def test_a_state_that_is_sealed_and_wrong_raises_nothing_but_errors_of_ours(
    tmp_path: Path,
) -> None:
    """Somebody who can work out a checksum; names may not lead out of the folder."""
    folder = RunFolder.create(tmp_path / "run", {})
    folder.write_checkpoint(checkpoint(2, best=Best(1, 0.5, {"w": np.ones(2)})))
    path, rng = folder.path / "state.json", np.random.default_rng(7)
    text = path.read_text()
    strange = [None, -1, 2**80, "", "../../etc/passwd", [], {}, float("1e308"), "x" * 5000, True]
    for _ in range(500):
        state = json.loads(text)
        container, key = (nodes := _nodes(state))[int(rng.integers(len(nodes)))]
        container[key] = strange[int(rng.integers(len(strange)))]
        path.write_text(json.dumps(sealed(state)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                RunFolder(folder.path).read_checkpoint()
        except RunError:
            pass
