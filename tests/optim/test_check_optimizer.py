"""What is no optimiser is refused, with the spelling that was meant."""

import numpy as np
import pytest

from chainrule import optim
from chainrule.errors import TrainingError
from chainrule.optim.optimizer import _SPELLINGS, _WRAPPERS, check_optimizer

MEANT = {
    "adam": "optim.Adam(1e-3)",
    "AdamW": "optim.AdamW(1e-3)",
    "sgd": "optim.SGD(0.1)",
    "RMSprop": "optim.RMSprop(1e-3)",
    "schedule-free-sgd": "optim.ScheduleFreeSGD(0.1)",
    "no such thing": "optim.Adam(1e-3)",
    "lbfgs": "optim.lbfgs(function, params)",
}


@pytest.mark.parametrize("name", MEANT)
def test_a_name_is_refused_with_the_spelling_that_was_meant(name):
    with pytest.raises(TrainingError) as error:
        check_optimizer(name)
    first = f"optimizer is {name!r}; expected an optimiser such as optim.Adam(1e-3)"
    assert error.value.message == first
    assert MEANT[name] in error.value.hint


@pytest.mark.parametrize(
    ("value", "got", "hint"),
    [
        (optim.Adam, "the class Adam;", "optim.Adam(1e-3)"),
        (optim.Lion, "the class Lion;", "optim.Lion(1e-4)"),
        (1e-3, "0.001;", "optim.SGD(0.001)"),
        (np.float32(0.5), "0.5", "optim.SGD(0.5)"),
        (optim.lbfgs, "the function lbfgs;", "optim.lbfgs(function, params)"),
        (optim.clip_norm, "the function clip_norm;", "optim.clip_norm(optim.Adam(1e-3), 1.0)"),
        (optim.cosine(0.1), "cosine(", "optim.Adam(1e-3)"),
        (None, "None;", "optim.Adam(1e-3)"),
        (True, "True;", "optim.Adam(1e-3)"),
    ],
    ids=["Adam", "Lion", "rate", "float32", "lbfgs", "clip_norm", "schedule", "None", "True"],
)
def test_what_is_no_optimiser_is_refused_by_what_it_is(value, got, hint):
    with pytest.raises(TrainingError) as error:
        check_optimizer(value)
    assert f"optimizer is {got}" in error.value.message.replace("np.float32(0.5)", "0.5;")
    assert hint in error.value.hint


@pytest.mark.parametrize(
    "optimizer",
    [optim.Adam(1e-3), optim.clip_norm(optim.SGD(0.1), 1.0), optim.SGD(optim.cosine(0.1))],
    ids=["Adam", "clipped", "scheduled"],
)
def test_an_optimiser_passes(optimizer):
    assert check_optimizer(optimizer) is None


def test_each_spelling_that_is_offered_is_an_optimiser():
    for text in [*_SPELLINGS.values(), *_WRAPPERS.values()]:
        check_optimizer(eval(text, {"optim": optim}))
