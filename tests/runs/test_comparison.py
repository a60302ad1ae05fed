"""Two runs side by side: where they part, and what explains it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.errors import RunError
from chainrule.runs.folder import Checkpoint, RunFolder

X = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def descend(out: Path, rate: Any = 0.1, hidden: int = 4, **options: Any) -> Any:
    given: dict[str, Any] = {"batch": 10, "epochs": 3, **options}
    model = nn.MLP([3, hidden, 2], rng=0)
    return cr.train(
        model, losses.cross_entropy, (X, Y), optimizer=optim.SGD(rate), out=out, **given
    )


def written(out: Path, loss: list[float], **columns: Any) -> Path:
    """A run folder with this record, three steps an epoch, of float32 weights."""
    record = {
        "loss": np.array(loss), "learning_rate": np.full(len(loss), 0.1),
        "batch": np.full(len(loss), 8), **{name: np.array(x) for name, x in columns.items()},
    }  # fmt: skip
    epochs = [
        {"epoch": k // 3 + 1, "step": k + 1, "loss": loss[k], "seconds": 0.5 * k}
        for k in range(2, len(loss), 3)
    ]
    weights = {"w": np.ones(2, np.float32)}
    folder = RunFolder.create(out, {"descent": {"seed": 0}})
    folder.write_checkpoint(Checkpoint(len(loss), weights, {}, record, epochs, "completed"))
    return out


def test_a_run_repeated_is_identical_bit_for_bit(tmp_path: Path) -> None:
    a, b = descend(tmp_path / "a"), descend(tmp_path / "b")
    found = cr.compare(a, tmp_path / "b")
    assert found.identical
    assert found.verdict == "identical bit for bit: 18 steps, and all weights"
    assert (found.differences, found.first, found.rate, found.weights) == ((), None, None, 0.0)
    assert b.out == found.paths[1]


def test_another_rate_is_named_at_the_step_before_the_first_loss_that_differs(
    tmp_path: Path,
) -> None:
    descend(tmp_path / "a")
    descend(tmp_path / "b", rate=optim.step(0.1, every=9))
    found = cr.compare(tmp_path / "a", tmp_path / "b")
    assert found.first is not None
    assert (found.rate, found.first.step, found.first.epoch) == (10, 11, 2)
    assert found.first.learning_rate == (0.1, pytest.approx(0.01))
    assert "the learning rate differed at step 10" in found.verdict
    assert [d.name for d in found.differences] == ["optimizer"]


def test_other_rows_part_at_the_first_step_and_other_batches_are_named(tmp_path: Path) -> None:
    descend(tmp_path / "a")
    descend(tmp_path / "b", seed=1)
    descend(tmp_path / "c", batch=20)
    seed = cr.compare(tmp_path / "a", tmp_path / "b")
    assert seed.first is not None
    assert (seed.first.step, seed.batch, [str(d) for d in seed.differences]) == (
        1, None, ["seed 0, 1"],
    )  # fmt: skip
    batch = cr.compare(tmp_path / "a", tmp_path / "c")
    assert (batch.batch, batch.steps) == (1, (18, 9))
    assert "the batch differed at step 1" in batch.verdict


def test_rounding_is_told_from_more_than_rounding(tmp_path: Path) -> None:
    """A spacing of float32 at step 5, a thousandth at step 8."""
    loss = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    other = list(loss)
    other[4] *= 1 + 2.0**-23
    other[7] *= 1.001
    found = cr.compare(written(tmp_path / "a", loss), written(tmp_path / "b", other))
    assert found.first is not None
    assert found.beyond_rounding is not None
    assert (found.first.step, found.first.epoch) == (5, 2)
    assert (found.beyond_rounding.step, found.beyond_rounding.epoch) == (8, 3)
    assert found.first.loss == (0.6, other[4])
    assert "by more than rounding from step 8 (epoch 3)" in found.verdict
    near = written(tmp_path / "c", [*other[:7], *loss[7:]])
    assert "all of it is rounding" in cr.compare(tmp_path / "a", near).verdict


def test_nan_is_as_nan_and_minus_zero_is_not_as_zero(tmp_path: Path) -> None:
    nan = written(tmp_path / "a", [1.0, float("nan"), 0.0])
    assert cr.compare(nan, written(tmp_path / "b", [1.0, float("nan"), 0.0])).identical
    found = cr.compare(nan, written(tmp_path / "c", [1.0, float("nan"), -0.0]))
    assert found.first is not None
    assert found.first.step == 3
    assert found.beyond_rounding is None


def test_a_shorter_run_that_agrees_as_far_as_it_goes_says_so(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a", [1.0, 0.5]), written(tmp_path / "b", [1.0, 0.5, 0.2])
    found = cr.compare(a, b)
    assert not found.identical
    assert found.verdict == "the losses of the 2 steps that both have are the same bits"


def test_networks_of_other_sizes_have_no_distance(tmp_path: Path) -> None:
    descend(tmp_path / "a")
    descend(tmp_path / "b", hidden=5)
    found = cr.compare(tmp_path / "a", tmp_path / "b")
    assert found.weights is None
    names = {difference.name for difference in found.differences}
    assert {"parameters.layers.0.weight", "program_sha256"} <= names
    assert found.curves["loss"][0] != found.curves["loss"][1]
    assert found.to_json()["first"]["step"] == 1


def test_what_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    descend(tmp_path / "a")
    with pytest.raises(RunError, match="no such run folder"):
        cr.compare(tmp_path / "a", tmp_path / "none")
    with pytest.raises(RunError, match="no run folder, and no run that was kept"):
        cr.compare(
            tmp_path / "a", cr.train({"w": np.ones(3)}, lambda p, x: (p["w"] @ x.T).mean(), (X,))
        )
    RunFolder.create(tmp_path / "empty", {})
    with pytest.raises(RunError, match="no checkpoint yet"):
        cr.compare(tmp_path / "empty", tmp_path / "a")
