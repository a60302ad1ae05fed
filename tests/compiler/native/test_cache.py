"""Machine code kept on disk: the same results as fresh code, and nothing else is ever run."""

import concurrent.futures
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.native import cache, jit


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder for machine code; ``kept()`` lists its files."""
    where = tmp_path / "code"
    monkeypatch.setenv(cache.VARIABLE, str(where))
    return lambda: sorted(where.iterdir()) if where.exists() else []


@pytest.fixture
def compilations(monkeypatch):
    """One element for each module that LLVM compiled."""
    found = []
    generated = jit._generated
    monkeypatch.setattr(jit, "_generated", lambda *a: found.append(1) or generated(*a))
    return found


def program():
    """A new compiled function, always of the same code."""
    return cr.compile(lambda x, w: np.tanh(x @ w).sum(axis=0))


@pytest.fixture
def arguments():
    rng = np.random.default_rng(0)
    return rng.normal(size=(7, 5)), rng.normal(size=(5, 3))


def test_code_from_the_disk_gives_the_bits_of_fresh_code(kept, compilations, arguments):
    """The second program compiles nothing."""
    fresh = program()(*arguments)
    assert len(compilations) == len(kept()) == 1
    assert np.array_equal(program()(*arguments), fresh)
    assert len(compilations) == 1


def test_a_training_step_from_the_disk_gives_the_same_parameters(kept, compilations):
    """SGD, dropout of no layer, two threads: parameters to the last bit."""
    rng = np.random.default_rng(1)
    data = rng.normal(size=(64, 4)).astype("f"), rng.integers(0, 3, 64)
    make = lambda: cr.train(  # noqa: E731
        cr.nn.MLP([4, 8, 3]), cr.losses.cross_entropy, data,
        optimizer=cr.optim.Adam(0.01), epochs=3, threads=2,
    )  # fmt: skip
    fresh, count = make(), len(compilations)
    again = make()
    assert len(compilations) == count > 0
    for a, b in zip(fresh.model.layers, again.model.layers, strict=True):
        assert np.array_equal(a.weight, b.weight)


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "renamed"])
def test_a_damaged_file_is_compiled_anew_and_replaced(kept, compilations, arguments, damage):
    """No byte that is not as it was written is run."""
    fresh = program()(*arguments)
    (path,) = kept()
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    if damage == "renamed":  # the code of something else under this name
        content[30] ^= 1
    path.write_bytes({"cut": content[:-9], "emptied": b""}.get(damage, bytes(content)))
    assert np.array_equal(program()(*arguments), fresh)
    assert len(compilations) == 2
    assert np.array_equal(program()(*arguments), fresh)
    assert len(compilations) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_folder_that_others_can_write_to_is_not_read(kept, compilations, arguments):
    """Whoever can write the file could have any code run."""
    program()(*arguments)
    (path,) = kept()
    path.parent.chmod(0o777)
    program()(*arguments)
    assert len(compilations) == 2
    path.parent.chmod(0o700)
    program()(*arguments)
    assert len(compilations) == 2


def test_another_processor_has_other_code(kept):
    """The key holds the target."""
    from chainrule.compiler.native.target import host

    assert cache.key_of("x", host()) != cache.key_of("x", host(128))
    assert cache.key_of("x", host()) != cache.key_of("y", host())


@pytest.mark.parametrize("where", ["", "off", "0"])
def test_the_cache_can_be_turned_off(monkeypatch, where):
    monkeypatch.setenv(cache.VARIABLE, where)
    assert cache.folder() is None
    cache.write("00", b"code")
    assert cache.read("00") is None


def test_the_home_folder_may_be_named_by_its_sign(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(cache.VARIABLE, "~/programs")
    assert cache.folder() == tmp_path / "programs"


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch, arguments):
    """A file stands where the folder should be."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(blocked / "code"))
    assert program()(*arguments).shape == (3,)


def test_the_files_that_were_not_read_for_longest_make_room(kept, monkeypatch):
    """Above the limit, down to three quarters of it; the newest stays."""
    monkeypatch.setattr(cache, "LIMIT", 4_000)
    for k in range(6):
        cache.write(f"{k:064x}", bytes(900))
        for path in kept():
            os.utime(path, (path.stat().st_atime, int(path.name, 16)))
    names = [int(path.name, 16) for path in kept()]
    assert 5 in names
    assert 0 not in names
    assert sum(path.stat().st_size for path in kept()) <= 4_000


def test_many_writers_and_readers_never_see_half_a_file(kept):
    """Each reads the whole code or none."""
    key, code = "ab" * 32, bytes(range(256)) * 200

    def work(k):
        cache.write(key, code)
        return cache.read(key) in (code, None)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
    assert [Path(path).name for path in kept()] == [key]
