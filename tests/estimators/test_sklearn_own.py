"""scikit-learn's own tests of its networks, pointed at ours."""

import importlib.util
import inspect
import sys

import pytest
import sklearn.neural_network

from chainrule.estimators import MLPClassifier, MLPRegressor

#: Tests that cannot hold of another class, each with the private name that it looks into.
EXCLUDED = {
    "test_gradient": "_loss_grad_lbfgs",
    "test_learning_rate_warmstart": "_optimizer",
    "test_adaptive_learning_rate": "_optimizer",
    "test_n_iter_no_change": "_no_improvement_count",
    "test_n_iter_no_change_inf": "_no_improvement_count",
}


def _load():
    """Their module with our classes in place of theirs."""
    name = "sklearn.neural_network.tests.test_mlp"
    spec = importlib.util.find_spec(name)
    source = importlib.util.module_from_spec(spec)
    ours = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}
    theirs = {key: getattr(sklearn.neural_network, key) for key in ours}
    for key, value in ours.items():
        setattr(sklearn.neural_network, key, value)
    try:
        spec.loader.exec_module(source)
    finally:
        for key, value in theirs.items():
            setattr(sklearn.neural_network, key, value)
        sys.modules.pop(name, None)
    return source


_THEIRS = _load()

# pytest collects them here as if they had been written here.
for _name, _test in vars(_THEIRS).items():
    if _name.startswith("test_") and _name not in EXCLUDED:
        _relaxed = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
        globals()[_name] = _relaxed(_test)


@pytest.fixture
def global_random_seed():
    """scikit-learn's fixture: the seed of a test that holds for any."""
    return 42


@pytest.mark.parametrize("name", EXCLUDED)
def test_an_excluded_test_looks_into_a_private_name(name):
    assert f".{EXCLUDED[name]}" in inspect.getsource(getattr(_THEIRS, name))


def test_the_tests_are_of_our_classes():
    assert _THEIRS.MLPClassifier is MLPClassifier
    assert _THEIRS.MLPRegressor is MLPRegressor
    assert sklearn.neural_network.MLPClassifier is not MLPClassifier
