"""Damaged CSVs, some hundreds; ``python -m tests.data.fuzz_csv --cases 100000`` runs more."""

from tests.data.fuzz_csv import rng_of, run, run_case, schemas
from tests.data.mutations import mutated


def test_damaged_tables_raise_only_declared_errors(tmp_path):
    ended, failures = run(seed=1, cases=range(1, 301), folder=tmp_path)
    assert not failures, f"python -m tests.data.fuzz_csv --seed 1 --case {failures[0].case}"
    assert ended["prepared"] > 30
    assert ended["refused: DataError"] > 100


def test_a_case_is_the_same_whatever_ran_before_it():
    assert mutated(rng_of(7, 4711)) == mutated(rng_of(7, 4711))
    assert mutated(rng_of(7, 4711))[0] != mutated(rng_of(7, 4712))[0]


def test_an_undeclared_error_is_a_failure(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise KeyError("a fault of ours")

    known = schemas(tmp_path)
    monkeypatch.setattr("tests.data.fuzz_csv.prepare", broken)
    found = [run_case(tmp_path, known, 1, case) for case in range(1, 40)]
    assert any("a fault of ours" in getattr(one, "what", "") for one in found)
