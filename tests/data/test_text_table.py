"""What is written as CSV comes back, wherever the text is cut into blocks."""

import csv
import io

import numpy as np
import pytest

from chainrule.data import read_table, text_table

LETTERS = ["a", "b", '"', "\n", "\r", ",", ";", " ", "é", "|", "\t"]


@pytest.mark.parametrize("block", [1 << 8, 1 << 10, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=repr)
def test_quoted_texts_come_back_whatever_they_hold(tmp_path, monkeypatch, block, end, delimiter):
    rng = np.random.default_rng([block, len(end), ord(delimiter)])
    texts = [f"<{''.join(rng.choice(LETTERS, rng.integers(6)))}>" for _ in range(200)]
    numbers = rng.normal(size=200).tolist()
    out = io.StringIO()
    quoting = csv.QUOTE_NONNUMERIC if delimiter == "," else csv.QUOTE_ALL
    writer = csv.writer(out, quoting=quoting, lineterminator=end, delimiter=delimiter)
    writer.writerows([("i", "text", "x"), *zip(range(200), texts, numbers, strict=True)])
    path = tmp_path / "t.csv"
    path.write_bytes(out.getvalue().encode())
    monkeypatch.setattr(text_table, "BLOCK", block)
    table = read_table(path)
    assert table["i"].to_pylist() == list(range(200))
    assert table["text"].to_pylist() == texts
    assert table["x"].to_pylist() == numbers
