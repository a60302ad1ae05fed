"""`chainrule doctor` and `chainrule train --profile`."""

from __future__ import annotations

import json

import pytest

from chainrule.machine import doctor
from chainrule.machine.selftest import Failure


def test_a_person_reads_the_machine_in_one_screen(chainrule):
    text = chainrule("doctor", "--quick").stdout
    for word in ("Machine", "Target", "multiply-add, float32", "reads from memory", "Versions",
                 "Cache", "agree with NumPy's"):  # fmt: skip
        assert word in text
    assert len(text.splitlines()) < 40


def test_a_program_reads_json(chainrule):
    found = json.loads(chainrule("doctor", "--quick", "--json").stdout)
    assert found["self_test"]["passed"] is True
    assert found["limits"]["one"]["flops_per_second"]["f32"]["best"] > 1e8


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_native_code_that_is_wrong_ends_in_1(chainrule, monkeypatch, arguments):
    failures = [Failure("sums, float32", 2, "result 0 differs by 1")]
    monkeypatch.setattr(doctor, "self_test", lambda *_: [failures])
    text = chainrule("doctor", "--quick", *arguments, code=1).stdout
    assert "sums, float32" in text


def test_the_profile_lies_in_the_run_folder(chainrule, iris, tmp_path):
    out = tmp_path / "run"
    arguments = ("--epochs", 2, "--hidden", "8", "--profile", "--out", out)
    text = chainrule("train", iris, "--target", "species", *arguments).stdout
    assert "a step" in text
    assert str(out / "profile.svg") in text
    read = json.loads((out / "profile.json").read_text(encoding="utf-8"))
    assert any("gradient of layers.0.weight" in row["name"] for row in read["rows"])
