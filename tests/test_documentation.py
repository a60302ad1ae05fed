"""Pages that are made from the code say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"


def _script(name: str) -> Any:
    found = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_table_of_operations_is_the_pages():
    """`python docs/make_operations.py` writes it anew."""
    script = _script("make_operations")
    assert script.PAGE.read_text() == script.page()


def test_every_operation_is_on_the_page():
    text = _script("make_operations").page()
    missing = [name for name in _script("make_operations").PRIMITIVES if f"`{name}`" not in text]
    assert missing == []
