"""A trained network out of its run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule.cli.setup import Setup
from chainrule.cli.terms import Predicted, in_user_terms
from chainrule.data.extras import Table
from chainrule.data.schema import Schema
from chainrule.errors import DataError, RunError, ShapeError
from chainrule.runs.folder import RunFolder
from chainrule.tracing.trees import with_leaves


@dataclass(frozen=True, slots=True)
class Trained:
    """A network with what it takes to use it on a table.

    Fields:
        versions: of Chainrule and the libraries that trained it.
        data: what the run keeps of its table: name, path, sha256, rows; and ``asked``, what the
            user called it: a file, or the name of an example.
    """

    path: Path
    model: Any
    setup: Setup
    schema: Schema
    data: dict[str, Any]
    versions: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> Trained:
        """The network with the last checkpoint's weights: the best, if the run kept them.

        Raises:
            RunError: there is none, or the folder is damaged.
        """
        folder = RunFolder.open(path)
        config = folder.config
        if "setup" not in config or not (path / "schema.json").exists():
            hint = "runs of cr.train are used from Python: cr.predict(run.model, x), run.explain()"
            raise RunError(f"{path}: not a run of `chainrule train`: it has no schema", hint=hint)
        checkpoint = folder.read_checkpoint()
        if checkpoint is None:
            raise RunError(f"{path}: this run has no weights yet")
        setup = Setup.from_json(config["setup"])
        try:
            schema = Schema.from_json(folder.read_json("schema.json"))
            best = checkpoint.best.weights if checkpoint.best else checkpoint.weights
            model = with_leaves(setup.network(), best)
        except (DataError, ShapeError) as error:
            raise RunError(f"{path}: {error.message}") from error
        asked = config.get("options", {}).get("data", "")
        data = {**config.get("data", {}), "asked": asked}
        versions = folder.read_json("config.json").get("versions", {})
        return cls(path, model, setup, schema, data, versions)

    def output(self, table: Table) -> NDArray[Any]:
        """What the network gives for the rows of a table, (n, n_out).

        Raises:
            DataError: a column is missing or a value is not of its column's kind.
        """
        return np.asarray(cr.predict(self.model, self.schema.encode(table)))

    def predict(self, table: Table) -> Predicted:
        """The same as the user reads it; with the same errors."""
        return in_user_terms(self.setup.terms, self.schema.target, self.output(table))
