"""The small network that the stored trajectories descend on; see references/make_trajectories."""

from pathlib import Path

import numpy as np

from chainrule import optim

STEPS = 60
KEPT = [0, 1, 2, 4, 9, 19, 29, 39, 49, 59]  # the steps whose parameters are stored
TRAJECTORIES = np.load(Path(__file__).parent / "references" / "trajectories.npz")


def network():
    """(first parameters by name, x, y)."""
    sizes = {"b1": (4,), "b2": (2,), "w1": (3, 4), "w2": (4, 2)}
    params = {
        name: np.sin(1.0 + k + np.arange(np.prod(shape)) * 1.7).reshape(shape)
        for k, (name, shape) in enumerate(sizes.items())
    }
    x = np.sin(np.arange(48) * 0.9 + 0.3).reshape(16, 3)
    y = np.stack([x[:, 0] * x[:, 1], np.sin(2 * x[:, 2])], axis=1)
    return params, x, y


def loss(p, x, y):
    return np.mean((np.tanh(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"] - y) ** 2)


def falling(rate):
    """What the references' rate is multiplied by."""
    return lambda step, total: rate / (1.0 + 0.02 * step)


def flat(params):
    return np.concatenate([np.ravel(params[name]) for name in sorted(params)])


#: The optimisers of the references, with the same settings.
AS_REFERENCE = {
    "SGD": optim.SGD(falling(0.1)),
    "SGD momentum": optim.SGD(falling(0.05), momentum=0.9, weight_decay=0.01),
    "SGD nesterov": optim.SGD(falling(0.05), momentum=0.9, nesterov=True),
    "SGD dampening": optim.SGD(falling(0.05), momentum=0.9, dampening=0.3),
    "SGD clip_norm": optim.clip_norm(optim.SGD(falling(0.1)), 0.3),
    "SGD clip_value": optim.clip_value(optim.SGD(falling(0.1)), 0.05),
    "Adam": optim.Adam(falling(0.03)),
    "Adam decay": optim.Adam(falling(0.03), betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1),
    "Adam amsgrad": optim.Adam(falling(0.03), betas=(0.9, 0.9), amsgrad=True),
    "AdamW": optim.AdamW(falling(0.03), weight_decay=0.1),
    "AdamW amsgrad": optim.AdamW(falling(0.03), betas=(0.9, 0.9), amsgrad=True),
    "NAdam": optim.NAdam(falling(0.03), weight_decay=0.1),
    "NAdam decoupled": optim.NAdam(falling(0.03), weight_decay=0.1, decoupled=True),
    "Adagrad": optim.Adagrad(falling(0.1)),
    "Adagrad all": optim.Adagrad(
        falling(0.1), rate_decay=0.05, weight_decay=0.1, initial=0.2, eps=1e-3
    ),
    "RMSprop": optim.RMSprop(falling(0.01)),
    "RMSprop all": optim.RMSprop(
        falling(0.01), alpha=0.9, eps=1e-4, weight_decay=0.1, momentum=0.8, centered=True
    ),
    "Adadelta": optim.Adadelta(falling(1.0)),
    "Adadelta all": optim.Adadelta(falling(5.0), rho=0.8, eps=1e-4, weight_decay=0.1),
    "Lion": optim.Lion(falling(0.01), betas=(0.9, 0.97), weight_decay=0.1),
    "LAMB": optim.LAMB(falling(0.03), weight_decay=0.1),
    "Muon": optim.Muon(falling(0.05), weight_decay=0.1),
    "Muon match_rms_adamw": optim.Muon(
        falling(0.01), weight_decay=0.0, nesterov=False, momentum=0.8, adjust="match_rms_adamw",
        rest=1.0,
    ),
    "ScheduleFreeSGD": optim.ScheduleFreeSGD(falling(0.2), weight_decay=0.01),
    "ScheduleFreeAdamW": optim.ScheduleFreeAdamW(falling(0.05), weight_decay=0.05, power=1.0),
    "Prodigy": optim.Prodigy(falling(1.0), weight_decay=0.01, d0=1e-3),
    "Prodigy all": optim.Prodigy(
        falling(1.0), betas=(0.8, 0.95), weight_decay=0.1, decoupled=False, bias_correction=True,
        safeguard_warmup=True, d0=1e-3, coefficient=0.5, growth=1.3,
    ),
}  # fmt: skip
