"""scikit-learn's own checks of an estimator, all of them."""

import os
import subprocess
import sys

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule.estimators import LinearRegressor, LogisticClassifier, MLPClassifier, MLPRegressor

ESTIMATORS = [MLPClassifier(), MLPRegressor(), LinearRegressor(), LogisticClassifier()]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_passes_the_check(estimator, check):
    """No check is expected to fail."""
    check(estimator)


def test_passes_the_checks_of_arrays_that_are_not_numpy_s():
    """SciPy looks for the variable when it is imported; without it they are skipped."""
    env = {**os.environ, "SCIPY_ARRAY_API": "1"}
    pytest_ = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command = [*pytest_, "-k", "array_api", __file__]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(ESTIMATORS)} passed" in done.stdout
