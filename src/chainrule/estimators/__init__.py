"""scikit-learn estimators on compiled descents: drop-in networks, linear and logistic models."""

from chainrule.data.extras import need

need("sklearn")  # else the error says which extra to install

from chainrule.estimators.classifier import MLPClassifier  # noqa: E402
from chainrule.estimators.linear import LinearRegressor, LogisticClassifier  # noqa: E402
from chainrule.estimators.regressor import MLPRegressor  # noqa: E402

__all__ = ["LinearRegressor", "LogisticClassifier", "MLPClassifier", "MLPRegressor"]
