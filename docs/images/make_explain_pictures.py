"""Draw the pictures of docs/explain.md and the README. Run from the root of the repository.

.venv/bin/python docs/images/make_explain_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import chainrule as cr
from chainrule import explain, losses, nn, optim

HERE = Path(__file__).parent


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits, 8 × 8, out of scikit-learn: (1797, 64) in [0, 1], (1797,)."""
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


def network() -> str:
    """The gradients of one digit in a trained network."""
    x, y = digits()
    run = cr.train(
        nn.MLP([64, 32, 10], rng=0), losses.cross_entropy, (x[:1500], y[:1500]),
        optimizer=optim.SGD(0.1, momentum=0.9), epochs=5, seed=0,
    )  # fmt: skip
    test = range(1500, len(y))
    wrong = next(k for k in test if cr.predict(run.model, x[k : k + 1]).argmax() != y[k])
    return explain.backpropagation(run.model, losses.cross_entropy, (x, y), row=wrong).svg()


def bowl(w: float, b: float) -> float:
    """The mean squared error of a line through three points."""
    return np.mean((w * np.array([0.5, 1.0, 2.0]) + b - np.array([1.0, 2.5, 3.0])) ** 2)


def main() -> None:
    """Write the pictures beside this file."""
    pictures = {
        "network": network(),
        "level_set": explain.level_set(bowl, 2.5, 1.5).svg(),
        "learning_rates": explain.learning_rates(bowl, 2.5, 1.5).svg(),
        "cross_entropy": explain.cross_entropy(0.9, 1).svg(),
    }
    for name, svg in pictures.items():
        (HERE / f"{name}.svg").write_text(svg + "\n", encoding="utf-8")
        print(f"{name}.svg: {len(svg):,} bytes")


if __name__ == "__main__":
    main()
