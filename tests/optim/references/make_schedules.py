"""Learning rates of torch.optim.lr_scheduler (PyTorch 2.13), 40 steps: writes schedules.json.

Not run by the tests: ``python tests/optim/references/make_schedules.py``.
"""

import json
import warnings
from pathlib import Path

import torch
from torch.optim import lr_scheduler

STEPS = 40
LOSSES = [5, 4, 3, 3, 3, 3, 2.9999, 3, 3, 2, 2.5, 2.4, 2.3, 2.2, 2.1, 2.05, 2, 2, 1, 1, 1, 1, 1, 1]
MAKERS = {
    "step": lambda o: lr_scheduler.StepLR(o, 7, gamma=0.5),
    "multi_step": lambda o: lr_scheduler.MultiStepLR(o, [5, 20, 33], gamma=0.3),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, STEPS, power=2.0),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.05),
    "warm_restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(
        o, 5, T_mult=2, eta_min=0.05
    ),
    "warm_restarts 1": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 6),
    "one_cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.8, total_steps=STEPS),
    "one_cycle linear": lambda o: lr_scheduler.OneCycleLR(
        o, 0.8, total_steps=STEPS, pct_start=0.2, div_factor=10, final_div_factor=100,
        anneal_strategy="linear",
    ),
    "join": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.ConstantLR(o, 0.25, 100), lr_scheduler.ExponentialLR(o, 0.9)],
        milestones=[10],
    ),
}  # fmt: skip


def optimizer():
    """One that has a rate of 0.8."""
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.8)


def rates(make):
    """The rate at each step."""
    o = optimizer()
    schedule, found = make(o), []
    for k in range(STEPS):
        found.append(float(o.param_groups[0]["lr"]))
        o.step()
        if k + 1 < STEPS:
            schedule.step()
    return found


def plateau():
    """The rate after each of LOSSES."""
    o = optimizer()
    schedule, found = (
        lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=2, cooldown=1, min_lr=0.15),
        [],
    )
    for loss in LOSSES:
        schedule.step(loss)
        found.append(float(o.param_groups[0]["lr"]))
    return found


def main():
    """Write all."""
    warnings.simplefilter("ignore")
    found = {name: rates(make) for name, make in MAKERS.items()}
    found |= {"plateau": plateau(), "plateau losses": LOSSES}
    lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in found.items()]
    out = Path(__file__).parent / "schedules.json"
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
