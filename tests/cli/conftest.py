"""Runs of the command line inside this process, and two trained runs to share."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from chainrule.cli.app import app

DATA = Path(__file__).parents[2] / "examples" / "data"


@pytest.fixture(scope="session")
def chainrule():
    """Run a command: ``chainrule("train", ...)`` gives exit_code, stdout and stderr."""

    def run(*arguments, code=0):
        result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture(scope="session")
def iris():
    return DATA / "iris.csv"


@pytest.fixture(scope="session")
def penguins():
    return DATA / "penguins.csv"


@pytest.fixture(scope="session")
def visits(tmp_path_factory):
    """A table of counts: more of them for a larger ``a`` and for kind x."""
    rng = np.random.default_rng(0)
    a, kind = rng.normal(size=400), rng.choice(list("xyz"), 400)
    counts = rng.poisson(np.exp(1 + 0.6 * a + 0.5 * (kind == "x")))
    path = tmp_path_factory.mktemp("tables") / "visits.csv"
    rows = [f"{a[i]:.3f},{kind[i]},{counts[i]}" for i in range(400)]
    path.write_text("\n".join(["a,kind,visits", *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def iris_run(chainrule, iris, tmp_path_factory):
    """A run on iris, 40 epochs."""
    out = tmp_path_factory.mktemp("iris") / "run"
    chainrule("train", iris, "--target", "species", "--epochs", 40, "--out", out, "--quiet")
    return out


@pytest.fixture(scope="session")
def penguins_run(chainrule, penguins, tmp_path_factory):
    """A run on penguins, a regression with missing values, 40 epochs."""
    out = tmp_path_factory.mktemp("penguins") / "run"
    chainrule("train", penguins, "-t", "body_mass_g", "--epochs", 40, "--out", out, "--quiet")
    return out
