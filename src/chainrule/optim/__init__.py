"""Optimisers, as pure functions on trees of arrays; schedules of the learning rate and the batch.

Also methods for a whole problem at once: ``lbfgs``, ``newton``, ``levenberg_marquardt``.
"""

import importlib
from typing import Any

from chainrule.optim.adam import Adam, AdamW, NAdam
from chainrule.optim.averaging import average
from chainrule.optim.batches import ConstantBatch, Doubling, StepGrowth
from chainrule.optim.clipping import accumulate, clip_norm, clip_value
from chainrule.optim.cycles import OneCycle, WarmRestarts, one_cycle, warm_restarts
from chainrule.optim.decays import (
    Exponential,
    InverseTime,
    MultiStep,
    Polynomial,
    Step,
    exponential,
    inverse_time,
    multi_step,
    polynomial,
    step,
)
from chainrule.optim.escape import escape
from chainrule.optim.full_batch import Minimum
from chainrule.optim.grouping import groups
from chainrule.optim.joining import Join, WarmUp, join, warm_up
from chainrule.optim.lamb import LAMB
from chainrule.optim.least_squares import levenberg_marquardt
from chainrule.optim.lion import Lion
from chainrule.optim.measured import BatchSchedule, Decision, Measurement
from chainrule.optim.measured_batches import CABS, NoiseDriven
from chainrule.optim.muon import Muon
from chainrule.optim.newton_method import newton
from chainrule.optim.optimizer import Optimizer, check_optimizer
from chainrule.optim.plateaus import Plateau, plateau
from chainrule.optim.prodigy import Prodigy
from chainrule.optim.quasi_newton import lbfgs
from chainrule.optim.root_mean_square import Adadelta, Adagrad, RMSprop
from chainrule.optim.schedule_free import ScheduleFreeAdamW, ScheduleFreeSGD
from chainrule.optim.schedules import (
    Constant,
    Cosine,
    Schedule,
    constant,
    cosine,
    learning_rates,
)
from chainrule.optim.sgd import SGD

__all__ = [
    "CABS",
    "LAMB",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "BatchSchedule",
    "Constant",
    "ConstantBatch",
    "Cosine",
    "Decision",
    "Doubling",
    "Exponential",
    "InverseTime",
    "Join",
    "Lion",
    "Measurement",
    "Minimum",
    "MultiStep",
    "Muon",
    "NAdam",
    "NoiseDriven",
    "OneCycle",
    "Optimizer",
    "Plateau",
    "Polynomial",
    "Prodigy",
    "RMSprop",
    "Schedule",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "Step",
    "StepGrowth",
    "WarmRestarts",
    "WarmUp",
    "accumulate",
    "average",
    "check_optimizer",
    "clip_norm",
    "clip_value",
    "constant",
    "cosine",
    "escape",
    "exponential",
    "groups",
    "inverse_time",
    "join",
    "lbfgs",
    "learning_rates",
    "levenberg_marquardt",
    "multi_step",
    "newton",
    "one_cycle",
    "plateau",
    "polynomial",
    "range_test",
    "step",
    "warm_restarts",
    "warm_up",
]


def __getattr__(name: str) -> Any:
    """``range_test`` runs a descent, so its home is a floor above: found when it is asked for."""
    if name == "range_test":
        return importlib.import_module("chainrule.training.range_test").range_test
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
