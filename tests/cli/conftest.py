"""Runs of the command line inside this process, and two trained runs to share."""

from pathlib import Path

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
