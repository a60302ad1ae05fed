"""A doctor measures the machine, tests its code, and says what is wrong in words."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from chainrule.compiler.native import cache
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.native.peaks import Rate
from chainrule.compiler.native.target import Target, host
from chainrule.machine import doctor, selftest
from chainrule.machine.limits import Level, Limits
from chainrule.machine.processor import Cache, Processor
from chainrule.machine.selftest import F32, FLOATS, PROGRAMS, self_test
from chainrule.machine.store import Store, store
from chainrule.machine.versions import EXTRAS, extras, versions


def limits(threads: int, flops: float) -> Limits:
    rate = Rate((flops,))
    levels = (Level("L1", 1e4, rate), Level("memory", float("inf"), rate))
    return Limits(threads, {"f32": rate, "f64": rate}, levels, 1e-6)


@pytest.mark.parametrize("bits", [512, 256, 128])
def test_every_program_agrees_with_numpy_on_every_target(bits):
    found = list(self_test(host(bits), FLOATS if bits == 512 else F32, (1, 2)))
    assert found == [[]] * len(PROGRAMS) * (2 if bits == 512 else 1)


def test_a_wrong_result_is_a_failure_that_names_the_program(monkeypatch):
    right = Executable.run

    def wrong(self, inputs, outputs, **options):
        right(self, inputs, outputs, **options)
        outputs[0].flat[0] += 1

    monkeypatch.setattr(Executable, "run", wrong)
    failures = [f for found in self_test(host(), F32, (1,)) for f in found]
    assert len(failures) == len(PROGRAMS)
    assert failures[0].program == "products, float32"
    assert "differs by 1" in failures[0].what


def test_other_bits_on_two_threads_are_a_failure(monkeypatch):
    right = Executable.run

    def wrong(self, inputs, outputs, threads=1, **options):
        right(self, inputs, outputs, threads=threads, **options)
        if threads == 2:
            outputs[0][...] = np.nextafter(outputs[0], 9)

    monkeypatch.setattr(Executable, "run", wrong)
    found = next(iter(self_test(host(), F32, (1, 2))))
    assert [(f.threads, f.what) for f in found] == [(2, "other bits than on one thread")]


def test_code_that_cannot_be_made_is_a_failure_and_no_traceback(monkeypatch):
    def fail(*_):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(selftest, "compile_graph", fail)
    found = next(iter(self_test(host(), F32, (1,))))
    assert found[0].what == "RuntimeError: no such instruction"


# -- the folder of machine code ------------------------------------------------------------------


def test_a_folder_that_can_be_used_is_counted(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "code"))
    assert store() == Store(tmp_path / "code")
    (tmp_path / "code" / "a").write_bytes(bytes(100))
    assert store() == Store(tmp_path / "code", 1, 100)


def test_a_folder_that_cannot_be_made_is_trouble(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "code"))
    assert store().trouble.startswith("cannot be written: ")
    assert cache.VARIABLE in store().hint


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_folder_that_others_may_write_to_is_trouble(monkeypatch, tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "open"))
    assert "others may write there" in store().trouble


def test_a_cache_that_is_turned_off_is_found(monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "off")
    assert store().path is None
    finding = doctor._folder(store())
    assert finding is not None
    assert finding.hint == "unset CHAINRULE_CACHE"


# -- findings ------------------------------------------------------------------------------------


def test_each_thing_that_is_wrong_has_words_and_something_to_try(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    granted = Processor("a", 8, 8, 1.5, (Cache(1, 1),), 0)
    old = Target("x86_64-unknown-linux-gnu", "core2", "-fma", 128, 16)
    findings = [
        doctor._granted(granted),
        doctor._narrow(old),
        doctor._noisy(Rate((70.0, 100.0))),
        doctor._crowded(limits(1, 100.0), limits(4, 200.0)),
        doctor._variable("OPENBLAS_CORETYPE"),
        doctor._wrong([selftest.Failure("sums, float32", 2, "result 0 differs by 1")]),
    ]
    found = [finding for finding in findings if finding is not None]
    assert [f.kind for f in found] == [
        "quota", "processor", "noise", "threads", "environment", "self-test",
    ]  # fmt: skip
    assert all(f.what and f.hint for f in found)
    assert "granted the time of 1.5" in found[0].what
    assert found[3].hint == "threads=2"


def test_a_machine_at_rest_is_not_complained_of(monkeypatch):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert doctor._granted(Processor("a", 8, 8, None, (), 0)) is None
    assert doctor._narrow(Target("aarch64-apple-darwin", "m1", "", 128, 32)) is None
    assert doctor._noisy(Rate((95.0, 100.0))) is None
    assert doctor._crowded(limits(1, 100.0), limits(4, 380.0)) is None
    assert doctor._variable("OPENBLAS_CORETYPE") is None
    assert doctor._wrong([]) is None


# -- versions ------------------------------------------------------------------------------------


def test_versions_and_extras_are_told():
    found = versions()
    assert found["numpy"] == np.__version__
    assert found["llvm"].count(".") == 2
    assert found["blas"]
    assert [extra.name for extra in extras()] == list(EXTRAS)


def test_an_extra_that_is_missing_names_what_installs_it(monkeypatch):
    monkeypatch.setitem(EXTRAS, "tables", ("scikit-learn", "no-such-library"))
    (tables, *_) = extras()
    assert tables.missing == ("no-such-library",)
    assert tables.command == 'pip install "chainrule[tables]"'


def test_the_extras_are_those_of_the_project():
    """What is told as missing must be what the extra brings."""
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    listed = project["project"]["optional-dependencies"]
    for name, libraries in EXTRAS.items():
        assert all(any(line.startswith(lib) for line in listed[name]) for lib in libraries), name


# -- the command ---------------------------------------------------------------------------------


def test_all_is_examined_and_is_json():
    told: list[str] = []
    health = doctor.examine(quick=True, tell=told.append)
    assert health.is_right
    assert any("self-test" in what for what in told)
    keys = json.loads(json.dumps(health.to_json(), allow_nan=False)).keys()
    assert keys == {
        "processor", "target", "threads", "limits", "clock", "versions", "extras", "cache",
        "self_test", "findings",
    }  # fmt: skip
