"""Programs kept on disk by their graph: the same results, and only by the very same compiler."""

import concurrent.futures
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings

import chainrule as cr
from chainrule.compiler.lower import buffers
from chainrule.compiler.lower.loops import effort_of
from chainrule.compiler.native import cache, interface, source
from chainrule.compiler.native.interface import from_json, to_json
from chainrule.compiler.pipeline import compile_graph, plain_roles
from chainrule.errors import ShapeError
from chainrule.tracing.trees import flatten
from tests.compiler.steps import training_steps


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for programs; the compiler's files count as old, though just written perhaps."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "kept"))
    monkeypatch.setattr(cr, "_READ_AT", float("inf"))
    source.version.cache_clear()
    yield tmp_path / "kept"
    source.version.cache_clear()


def graph_of(f=lambda x, w: np.tanh(x @ w).sum(axis=0)):
    return cr.trace(f, np.ones((7, 5)), np.ones((5, 3)))


def build(graph=None):
    graph = graph or graph_of()
    return compile_graph(graph, plain_roles(graph))


def was_planned(executable):
    return "plan" in vars(executable.program)


def results(executable):
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=node.type.shape) for node in executable.graph.inputs]
    outputs = [np.empty(node.type.shape) for node in executable.graph.outputs]
    executable.run(inputs, outputs, threads=2)
    return outputs


def test_a_kept_program_is_not_planned_and_gives_the_same_bits(folder):
    first, second = build(), build()
    assert was_planned(first)
    assert not was_planned(second)
    for a, b in zip(results(first), results(second), strict=True):
        assert np.array_equal(a, b)


def test_its_plan_can_still_be_looked_at(folder):
    assert str(build().plan) == str(build().plan)


@pytest.mark.parametrize("how", ["adam", "dropout", "convolution"])
def test_a_run_by_a_kept_program_ends_with_the_same_bits(folder, how):
    """Carried arrays, gathered rows, records, random bits: two threads, three epochs."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 48)
    x = rng.normal(size=(48, 1, 8, 8) if how == "convolution" else (48, 6)).astype("f")
    layers = {
        "adam": [cr.nn.Linear.init(6, 8, rng=0), cr.nn.relu, cr.nn.Linear.init(8, 3, rng=1)],
        "dropout": [cr.nn.Linear.init(6, 8, rng=0), cr.nn.Dropout(0.3), cr.nn.tanh,
                    cr.nn.Linear.init(8, 3, rng=1)],
        "convolution": [cr.nn.Conv2d.init(1, 4, 3, rng=0), cr.nn.relu, cr.nn.Flatten(),
                        cr.nn.Linear.init(4 * 36, 3, rng=1)],
    }[how]  # fmt: skip
    make = lambda: cr.train(  # noqa: E731
        cr.nn.Sequential(*layers), cr.losses.cross_entropy, (x, y),
        optimizer=cr.optim.Adam(0.01), epochs=3, threads=2, batch=16,
    )  # fmt: skip
    fresh, again = make(), make()
    for a, b in zip(flatten(fresh.model)[0], flatten(again.model)[0], strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(fresh.history.loss, again.history.loss)


@settings(max_examples=8)
@given(training_steps())
def test_an_interface_survives_being_written(step):
    """What is read is what was written, and the effort that is counted is the graph's."""
    found = step.compile().interface
    if found.is_text:
        assert from_json(to_json(found, "x")) == (found, "x")


@pytest.mark.parametrize("batch", [0, 1, 37])
def test_a_kept_effort_is_that_of_the_graph(batch):
    found = build()
    assert found.interface.effort(batch) == effort_of(found.plan.graph, batch)


def test_a_place_outside_names_the_line_of_its_own_program(folder):
    """Two programs of one graph, at different lines."""
    x, k = np.arange(4.0), np.array([1, 9])
    first, second = cr.compile(lambda x, k: x[k]), None
    with pytest.raises(Exception, match="9") as found:
        first(x, k)
    second = cr.compile(lambda x, k: x[k])
    with pytest.raises(type(found.value), match="9") as other:
        second(x, k)
    with pytest.raises(type(found.value), match="9") as again:
        cr.compile(lambda x, k: x[k])(x, k)
    lines = {str(error.value) for error in (found, other, again)}
    assert len(lines) == 3


@pytest.mark.parametrize("f", [
    lambda x, w: cr.scan(lambda c, _: (c * 0.5, c), x, None, length=3)[0] @ w,
    lambda x, w: np.linalg.svd(x @ w, compute_uv=False),
], ids=["a loop", "NumPy's own"])  # fmt: skip
def test_what_no_text_holds_is_planned_anew(folder, f):
    """A loop's effort is worked out from its graph; NumPy is called from Python."""
    assert was_planned(build(graph_of(f)))
    again = build(graph_of(f))
    assert was_planned(again)
    assert not again.interface.is_text


def test_another_compiler_finds_nothing(folder, monkeypatch):
    """A constant of the compiler changed in this process: neither read nor written."""
    build()
    count = len(list(folder.iterdir()))
    monkeypatch.setattr(buffers, "_BAD_ROW", 24)
    assert was_planned(build())
    assert len(list(folder.iterdir())) == count
    monkeypatch.undo()


def test_a_method_that_was_replaced_is_another_compiler(folder, monkeypatch):
    build()
    monkeypatch.setattr(interface.Scratch, "__str__", lambda self: "")
    assert was_planned(build())


def test_a_compiler_whose_files_changed_lately_finds_nothing(folder, monkeypatch):
    """What this process runs may be the text before the change."""
    build()
    monkeypatch.setattr(cr, "_READ_AT", 0.0)
    source.version.cache_clear()
    assert source.version() is None
    assert was_planned(build())


def test_another_time_of_change_is_another_version(folder, monkeypatch, tmp_path):
    """A copy of the package whose files were written again: no text need differ."""
    root = tmp_path / "package"
    for floor in ("compiler", "ops", "ir"):
        (root / floor).mkdir(parents=True)
        (root / floor / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(cr, "__file__", str(root / "__init__.py"))
    source.version.cache_clear()
    before = source.version()
    time.sleep(0.02)  # longer than the clock of a file system is coarse
    (root / "ops" / "a.py").write_text("x = 2\n")
    os.utime(root / "ops" / "a.py", (1, 1))
    source.version.cache_clear()
    assert None not in (before, source.version())
    assert before != source.version()


@pytest.mark.parametrize("how", ["in an archive", "a link to nowhere"])
def test_a_compiler_whose_files_cannot_be_looked_at_finds_nothing(
    folder, monkeypatch, tmp_path, how
):
    """A package in a zip file; an editor's mark beside a file that is being written."""
    root = tmp_path / "package"
    if how == "in an archive":
        root.write_bytes(b"PK")
    else:
        for floor in ("compiler", "ops", "ir"):
            (root / floor).mkdir(parents=True)
        (root / "ops" / ".#a.py").symlink_to("user@machine.123")
    monkeypatch.setattr(cr, "__file__", str(root / "__init__.py"))
    source.version.cache_clear()
    assert source.version() is None
    assert was_planned(build())


def test_without_its_code_a_program_is_made_anew(folder):
    """Only the larger file was deleted to make room."""
    build()
    max(folder.iterdir(), key=lambda path: path.stat().st_size).unlink()
    assert was_planned(build())
    assert not was_planned(build())


def test_a_damaged_interface_is_as_none(folder):
    build()
    path = min(folder.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(bytes(content))
    assert was_planned(build())


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"\xff", b'{"words": 3}'])
def test_an_interface_of_another_form_is_as_none(folder, text):
    """Whole, with its hash, but not what is written now."""
    build()
    path = min(folder.iterdir(), key=lambda path: path.stat().st_size)
    cache.write(path.name, text)
    assert was_planned(build())
    assert not was_planned(build())


_PROCESS = """
import numpy as np, chainrule as cr
cr._READ_AT = float("inf")
x = np.random.default_rng(0).normal(size=(9, 4))
print([float(n).hex() for n in cr.compile(lambda x: np.exp(x).sum(axis=0))(x)])
"""


def test_many_processes_at_once_find_the_same_program(folder):
    """Four processes make, write and read one program: the same bits from all."""

    def run(_):
        command = [sys.executable, "-c", _PROCESS]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = set(pool.map(run, range(4)))
    assert len(found) == 1


def test_no_two_nans_are_the_same_constant(folder):
    """All of them are written as nan: other signs and other bits are other programs."""
    nans = np.array([0x7FF8 << 48, 0xFFF8 << 48, (0x7FF8 << 48) + 7], np.uint64).view(np.float64)
    x = np.array([1.0, -1.0])
    for nan in nans.tolist():
        found = cr.compile(lambda x: np.where(x > 0, x, nan))(x)  # noqa: B023 - called at once
        assert found.tobytes() == np.where(x > 0, x, nan).tobytes()
    a, b, _ = nans.tolist()
    found = cr.compile(lambda x: np.where(x > 0, a, b))(x)
    assert found.tobytes() == np.where(x > 0, a, b).tobytes()


def test_shapes_are_part_of_the_graph(folder):
    """The same function of other shapes is another program."""
    build()
    with pytest.raises(ShapeError):
        graph_of(lambda x, w: w @ x)
    other = cr.trace(lambda x, w: np.tanh(x @ w).sum(axis=0), np.ones((8, 5)), np.ones((5, 3)))
    assert was_planned(build(other))
