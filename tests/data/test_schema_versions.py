"""What an earlier version stored is still read, and encodes as it did."""

import json
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import Columns, Schema
from chainrule.errors import DataError

STORED = json.loads((Path(__file__).parent / "schema_version_1.json").read_text())


def test_a_schema_of_version_1_encodes_as_it_did(mixed):
    schema = Schema.from_json(STORED["schema"])
    np.testing.assert_array_equal(
        schema.encode(mixed.slice(0, 3)), np.array(STORED["encoded"], np.float32)
    )
    assert schema.target.classes == ("no", "yes")
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


def test_columns_survive_json_without_a_target(mixed):
    columns = Columns.fit(mixed)
    assert Columns.from_json(json.loads(json.dumps(columns.to_json()))) == columns


def test_a_schema_of_a_later_version_is_refused():
    with pytest.raises(DataError, match="schema version 3: this version of Chainrule reads 1 to 2"):
        Columns.from_json({**STORED["schema"], "version": 3})
