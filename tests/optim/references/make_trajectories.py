"""Trajectories of other implementations, 60 steps in float64: writes trajectories.npz.

Not run by the tests. In an environment with torch 2.13, prodigyopt 1.1.2, schedulefree 1.4.1,
lion-pytorch 0.2.5 and timm 1.0.31::

    python tests/optim/references/make_trajectories.py

The problem is a small network, tanh(x @ w1 + b1) @ w2 + b2 with a squared error, whose data and
first weights are written down by ``problem`` in plain NumPy, and a rate that falls on the way.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import prodigyopt
import schedulefree
import torch
from lion_pytorch import Lion

# timm's models want torchvision and more, which its optimisers do not: their modules alone.
TIMM = Path(importlib.util.find_spec("timm").origin).parent
for name in ("timm", "timm.optim"):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [str(TIMM.joinpath(*name.split(".")[1:]))]
from timm.optim.lamb import Lamb  # noqa: E402

HERE = Path(__file__).parent
STEPS = 60
KEPT = [0, 1, 2, 4, 9, 19, 29, 39, 49, 59]  # the steps whose parameters are stored


def problem():
    """(first parameters by name, x, y), of sines: no random generator has to be the same."""
    sizes = {"b1": (4,), "b2": (2,), "w1": (3, 4), "w2": (4, 2)}
    params = {
        name: np.sin(1.0 + k + np.arange(np.prod(shape)) * 1.7).reshape(shape)
        for k, (name, shape) in enumerate(sizes.items())
    }
    x = np.sin(np.arange(48) * 0.9 + 0.3).reshape(16, 3)
    y = np.stack([x[:, 0] * x[:, 1], np.sin(2 * x[:, 2])], axis=1)
    return params, x, y


def rate(step):
    """What each optimiser's learning rate is multiplied by."""
    return 1.0 / (1.0 + 0.02 * step)


def muon(params):
    """torch.optim.Muon for the matrices with its rounding to bfloat16 left out, AdamW beside it."""
    torch.Tensor.bfloat16 = lambda self: self.clone()
    matrices = [p for p in params if p.ndim == 2]
    rest = [p for p in params if p.ndim != 2]
    return [
        torch.optim.Muon(matrices, lr=0.05, weight_decay=0.1),
        torch.optim.AdamW(rest, lr=0.05 * 0.015, betas=(0.9, 0.95), weight_decay=0.1),
    ]


def moonshot(params):
    """The same with the other adjustment, without nesterov."""
    torch.Tensor.bfloat16 = lambda self: self.clone()
    matrices = [p for p in params if p.ndim == 2]
    rest = [p for p in params if p.ndim != 2]
    return [
        torch.optim.Muon(
            matrices, lr=0.01, weight_decay=0.0, nesterov=False, momentum=0.8,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(rest, lr=0.01, betas=(0.9, 0.95), weight_decay=0.0),
    ]  # fmt: skip


O = torch.optim
MAKERS = {
    "SGD": lambda p: O.SGD(p, 0.1),
    "SGD momentum": lambda p: O.SGD(p, 0.05, momentum=0.9, weight_decay=0.01),
    "SGD nesterov": lambda p: O.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "SGD dampening": lambda p: O.SGD(p, 0.05, momentum=0.9, dampening=0.3),
    "Adam": lambda p: O.Adam(p, 0.03),
    "Adam decay": lambda p: O.Adam(p, 0.03, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1),
    "Adam amsgrad": lambda p: O.Adam(p, 0.03, betas=(0.9, 0.9), amsgrad=True),
    "AdamW": lambda p: O.AdamW(p, 0.03, weight_decay=0.1),
    "AdamW amsgrad": lambda p: O.AdamW(p, 0.03, betas=(0.9, 0.9), amsgrad=True),
    "NAdam": lambda p: O.NAdam(p, 0.03, weight_decay=0.1),
    "NAdam decoupled": lambda p: O.NAdam(p, 0.03, weight_decay=0.1, decoupled_weight_decay=True),
    "Adagrad": lambda p: O.Adagrad(p, 0.1),
    "Adagrad all": lambda p: O.Adagrad(
        p, 0.1, lr_decay=0.05, weight_decay=0.1, initial_accumulator_value=0.2, eps=1e-3
    ),
    "RMSprop": lambda p: O.RMSprop(p, 0.01),
    "RMSprop all": lambda p: O.RMSprop(
        p, 0.01, alpha=0.9, eps=1e-4, weight_decay=0.1, momentum=0.8, centered=True
    ),
    "Adadelta": lambda p: O.Adadelta(p, 1.0),
    "Adadelta all": lambda p: O.Adadelta(p, 5.0, rho=0.8, eps=1e-4, weight_decay=0.1),
    "Lion": lambda p: Lion(p, 0.01, betas=(0.9, 0.97), weight_decay=0.1),
    "LAMB": lambda p: Lamb(
        p, 0.03, weight_decay=0.1, max_grad_norm=None, always_adapt=True, foreach=False
    ),
    "Muon": muon,
    "Muon match_rms_adamw": moonshot,
    "ScheduleFreeSGD": lambda p: schedulefree.SGDScheduleFree(
        p, 0.2, weight_decay=0.01, foreach=False
    ),
    "ScheduleFreeAdamW": lambda p: schedulefree.AdamWScheduleFree(
        p, 0.05, weight_decay=0.05, r=1.0, foreach=False
    ),
    "Prodigy": lambda p: prodigyopt.Prodigy(p, 1.0, weight_decay=0.01, d0=1e-3),
    "Prodigy all": lambda p: prodigyopt.Prodigy(
        p, 1.0, betas=(0.8, 0.95), weight_decay=0.1, decouple=False, use_bias_correction=True,
        safeguard_warmup=True, d0=1e-3, d_coef=0.5, growth_rate=1.3,
    ),
}  # fmt: skip


def flat(params):
    """All leaves in the order of their names, one after another."""
    return np.concatenate([params[name].detach().numpy().ravel() for name in sorted(params)])


def descend(make, clip=None):
    """The parameters after each of the steps; with schedule-free, x after the last as well."""
    start, x, y = problem()
    params = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    made = make([params[name] for name in sorted(params)])
    optimizers = made if isinstance(made, list) else [made]
    bases = [[group["lr"] for group in o.param_groups] for o in optimizers]
    x, y = torch.tensor(x), torch.tensor(y)
    rows = []
    for o in optimizers:
        getattr(o, "train", lambda: None)()
    for step in range(STEPS):
        for o, base in zip(optimizers, bases, strict=True):
            for group, lr in zip(o.param_groups, base, strict=True):
                group["lr"] = lr * rate(step)
            o.zero_grad()
        output = torch.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]
        torch.mean((output - y) ** 2).backward()
        if clip:
            clip([params[name] for name in sorted(params)])
        for o in optimizers:
            o.step()
        rows.append(flat(params))
    if hasattr(optimizers[0], "eval"):
        optimizers[0].eval()
        rows.append(flat(params))
    return np.stack(rows)


def averages():
    """AveragedModel after 60 steps of SGD: the mean from the 20th, and the moving average."""
    model = torch.nn.ParameterDict(
        {name: torch.nn.Parameter(torch.tensor(value)) for name, value in problem()[0].items()}
    )
    swa = torch.optim.swa_utils.AveragedModel(model)
    ema = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    trajectory = descend(MAKERS["SGD"])
    names = sorted(model)
    for k, row in enumerate(trajectory):
        begin = 0
        for name in names:
            size = model[name].numel()
            with torch.no_grad():
                model[name].copy_(
                    torch.tensor(row[begin : begin + size]).reshape(model[name].shape)
                )
            begin += size
        ema.update_parameters(model)
        if k >= 20:
            swa.update_parameters(model)
    return flat(dict(swa.module)), flat(dict(ema.module))


def kept(rows):
    """The steps that are stored, and what follows the last."""
    return np.concatenate([rows[KEPT], rows[STEPS:]])


def main():
    """Write all trajectories."""
    found = {name: kept(descend(make)) for name, make in MAKERS.items()}
    norm, value = torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_
    found["SGD clip_norm"] = kept(descend(MAKERS["SGD"], lambda p: norm(p, 0.3)))
    found["SGD clip_value"] = kept(descend(MAKERS["SGD"], lambda p: value(p, 0.05)))
    found["average swa"], found["average ema"] = averages()
    np.savez_compressed(HERE / "trajectories.npz", **found)


if __name__ == "__main__":
    main()
