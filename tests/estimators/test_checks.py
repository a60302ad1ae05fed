"""scikit-learn's own checks of an estimator, all of them."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule.estimators import LinearRegressor, LogisticClassifier, MLPClassifier, MLPRegressor

ESTIMATORS = [MLPClassifier(), MLPRegressor(), LinearRegressor(), LogisticClassifier()]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_passes_the_check(estimator, check):
    """No check is expected to fail."""
    check(estimator)
