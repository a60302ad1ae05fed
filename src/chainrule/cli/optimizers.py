"""Optimisers by name, and the learning rate that each begins a usual table with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chainrule import optim


@dataclass(frozen=True, slots=True)
class Method:
    """An optimiser as the command line knows it.

    Fields:
        make: its class.
        title: how it is called.
        rate: the automatic learning rate for 32 rows.
        grows: whether a larger batch wants a larger rate.
        fixed: settings that make it what it is called, or that suit tables.
        decays: whether its learning rate is to fall; one that averages needs no fall.
        estimates: whether it finds the size of its steps itself; its rate is a factor on that.
        caution: what the rate that a range test finds is multiplied by.
    """

    make: type[Any]
    title: str
    rate: float
    grows: bool = True
    fixed: Mapping[str, Any] = field(default_factory=dict)
    decays: bool = True
    estimates: bool = False
    caution: float = 1.0

    def setting(self, name: str) -> Any:
        """The value of a setting that the user did not give."""
        return self.fixed.get(name, getattr(self.make, name, None))


_MOMENTUM: Final = {"momentum": 0.9}
METHODS: Final[Mapping[str, Method]] = {
    "sgd": Method(optim.SGD, "SGD", 0.05, fixed=_MOMENTUM),
    "nesterov": Method(optim.SGD, "SGD, Nesterov's", 0.05, fixed={**_MOMENTUM, "nesterov": True}),
    "adam": Method(optim.Adam, "Adam", 2e-3),
    "adamw": Method(optim.AdamW, "AdamW", 2e-3),
    "amsgrad": Method(optim.Adam, "AMSGrad", 2e-3, fixed={"amsgrad": True}),
    "nadam": Method(optim.NAdam, "NAdam", 2e-3),
    "rmsprop": Method(optim.RMSprop, "RMSprop", 1e-3),
    "adagrad": Method(optim.Adagrad, "Adagrad", 2e-2),
    "adadelta": Method(optim.Adadelta, "Adadelta", 1.0, grows=False),
    "lion": Method(optim.Lion, "Lion", 3e-4, caution=0.1),
    "lamb": Method(optim.LAMB, "LAMB", 2e-3),
    "muon": Method(optim.Muon, "Muon", 1e-2, caution=0.5),
    "prodigy": Method(optim.Prodigy, "Prodigy", 1.0, grows=False, estimates=True),
    "schedule-free-sgd": Method(optim.ScheduleFreeSGD, "schedule-free SGD", 0.5, decays=False),
    "schedule-free-adamw": Method(
        optim.ScheduleFreeAdamW, "schedule-free AdamW", 1.5e-3, decays=False, caution=0.5
    ),
}


def optimizer_of(name: str, learning_rate: Any, **given: float | None) -> Any:
    """The optimiser of this name; what is given as None is its own."""
    method = METHODS[name]
    asked = {key: value for key, value in given.items() if value is not None}
    return method.make(learning_rate, **{**method.fixed, **asked})


def optimizer_words(name: str, momentum: float | None, weight_decay: float | None) -> str:
    """The optimiser and its settings, for people."""
    method, words = METHODS[name], [METHODS[name].title]
    given = {"momentum": momentum, "weight_decay": weight_decay}
    for setting, value in given.items():
        shown = method.setting(setting) if value is None else value
        if shown:
            words.append(f"{setting.replace('_', ' ')} {shown:g}")
    return ", ".join(words)
