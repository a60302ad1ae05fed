"""The report of a run: whole, offline, true to the run, and never without a reason."""

import copy
import dataclasses
import json
import re

import html5lib
import numpy as np
import pytest

import chainrule as cr
from chainrule import explain, losses, nn, optim
from chainrule.diagnosis.finding import Finding
from chainrule.errors import RunError, TrainingError
from chainrule.explain.reports import Told, report, snapshots_of, told_of
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.sections.curves import smoothed
from chainrule.runs.folder import RunFolder
from tests.explain.reports import runs


@pytest.mark.parametrize("name", sorted(runs.MADE))
def test_a_report_is_one_strict_page_that_loads_nothing(name):
    page = runs.reported(name).html()
    html5lib.HTMLParser(strict=True).parse(page)
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#|data:image/png)', page)
    assert not re.search(r"url\((?!#)|@import", page)
    assert "A " + name + " &amp; &lt;co&gt;" in page
    assert len(page.encode()) < 5e6


@pytest.mark.parametrize("name", sorted(runs.MADE))
def test_ids_of_a_report_are_its_own_and_every_link_has_its_place(name):
    tree = html5lib.HTMLParser(namespaceHTMLElements=False).parse(runs.reported(name).html())
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    named = [e.get("aria-labelledby") for e in tree.iter() if e.get("aria-labelledby")]
    links = [e.get("href")[1:] for e in tree.iter("a")]
    assert len(ids) == len(set(ids))
    assert {part for names in named for part in names.split()} <= set(ids)
    assert set(links) <= set(ids)


def test_a_classifier_has_every_section():
    assert [part.name for part in runs.reported("classifier").parts if part.is_missing] == []


def test_what_cannot_be_shown_says_why_in_one_line():
    missing = {part.name: part.says for part in runs.reported("line").parts if part.is_missing}
    assert missing["predictions"] == (
        "the loss is a function: what the model predicts is not known",
    )
    assert "Not shown" in runs.reported("line").html()


@pytest.mark.parametrize("name", sorted(runs.MADE))
def test_a_report_is_text_data_and_pictures_too(name):
    made = runs.reported(name)
    told = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert [s["name"] for s in told["sections"]] == [part.name for part in made.parts]
    assert all(len(line) <= 100 for line in str(made).splitlines())
    assert all(svg.startswith("<svg") for svg in made.pictures().values())
    assert made._repr_html_().startswith('<div class="cr-page">')


def test_the_accuracy_is_that_of_the_rows_held_out():
    """The section's number, worked out anew from the model and the rows."""
    run = runs.classifier()
    x, y = run._problem.validation
    right = float(np.mean(np.asarray(cr.predict(run.model, x)).argmax(axis=1) == y))
    found = runs.reported("classifier").part("predictions")
    assert found.numbers["confusion"]["accuracy"] == pytest.approx(right)
    assert f"{100 * right:.1f} %" in found.says[0]


def test_residuals_are_in_the_targets_own_unit():
    run = runs.regression()
    plain = report(run, sections="predictions").part("predictions").numbers["residuals"]
    told = told_of(run, scale=(100.0, 10.0))
    scaled = report(told, sections="predictions").part("predictions").numbers["residuals"]
    assert scaled["rmse"] == pytest.approx(10 * plain["rmse"])
    assert scaled["r2"] == pytest.approx(plain["r2"])


def test_gradient_norms_at_the_end_are_those_of_autodiff():
    """Of a run that recorded none: measured at the first weights and at the last."""
    run = runs.regression()
    norms = report(run, sections="flow").part("flow").numbers["gradient_norms"]
    loss = lambda model: losses.squared_error(model(run._problem.data[0]), run._problem.data[1])  # noqa: E731
    for k, model in enumerate((run._problem.start, run.model)):
        grads = cr.grad(loss)(model)
        assert norms["layers.0.weight"][k] == pytest.approx(
            np.linalg.norm(grads.layers[0].weight), rel=1e-4
        )


def test_recorded_gradient_norms_are_drawn_at_every_update():
    said = runs.reported("classifier").part("flow").says[0]
    assert "recorded at every update" in said
    unrecorded = report(runs.regression(), sections="flow").part("flow")
    assert "parameter_gradient_norms" in unrecorded.says[0]


def test_the_typical_row_has_a_loss_near_the_mean():
    context = Context(told_of(runs.classifier()))
    leaves = [np.asarray(x) for x in context.objective.leaves]
    x, y = context.one
    single = losses.cross_entropy(runs.classifier().model(x), y)
    assert 0 < single < 10 * context.objective.value(leaves) + 1
    assert Context(told_of(runs.classifier()), 7).row == 7


def test_the_mean_over_a_window_is_the_mean_of_the_last_values():
    values = np.random.default_rng(0).normal(size=50)
    values[10] = np.nan
    expected = [np.nanmean(values[max(0, k - 6) : k + 1]) for k in range(50)]
    np.testing.assert_allclose(smoothed(values, 7), expected)


def test_steps_are_laid_out_in_epochs():
    context = Context(told_of(runs.classifier()))
    ends = [e["step"] for e in runs.classifier().history.epochs]
    np.testing.assert_allclose(context.epochs[np.array(ends) - 1], np.arange(1, len(ends) + 1))
    assert (np.diff(context.epochs) > 0).all()


def test_decisions_stand_with_their_reasons():
    x = runs.numbers()
    y = (x[:, 0] > 0).astype(np.int64)
    run = cr.train(
        nn.MLP([2, 4, 2], rng=0), losses.cross_entropy, (x, y), validation=0.25, epochs=30,
        optimizer=optim.SGD(optim.plateau(0.5, patience=1)), batch=16,
    )  # fmt: skip
    part = report(run, sections="schedules").part("schedules")
    assert run.history.decisions
    assert "decision" in part.says[-1]
    reasons = {d["reason"] for d in part.numbers["decisions"]}
    assert any(reason[:20] in part.body for reason in reasons)


def test_run_explain_is_the_report():
    made = runs.line().explain(title="Mine", sections="short")
    assert isinstance(made, explain.Report)
    assert made.title == "Mine"


def test_progress_names_every_section():
    said = []
    report(runs.line(), sections=("curves", "short"), progress=said.append)
    assert said == ["1 of 2: in short", "2 of 2: learning curves"]


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    made = report(runs.line(), tmp_path / "a.html", sections="short")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == made.html()
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
    with pytest.raises(RunError, match="cannot be written"):
        made.save(tmp_path / "no such folder" / "a.html")


def test_kept_checkpoints_are_points_of_the_flow(tmp_path):
    x = runs.numbers()
    y = (2 * x[:, 0]).astype(np.float32)
    run = cr.train(
        nn.MLP([2, 3, 1], rng=0), losses.squared_error, (x, y), epochs=40, out=tmp_path / "run",
        checkpoint_every=0.0,
    )  # fmt: skip
    found = snapshots_of(RunFolder.open(tmp_path / "run"), run.model)
    assert [s.step for s in found] == sorted(s.step for s in found)
    assert found[-1].step == run.steps
    np.testing.assert_array_equal(found[-1].model.layers[0].weight, run.model.layers[0].weight)
    part = report(told_of(run, snapshots=found), sections="flow").part("flow")
    assert "checkpoints in between" in part.says[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: report(3), "expected the result of cr.train"),
        (lambda: report(runs.line(), colour=1), "colour"),
        (lambda: report(runs.line(), row=64), "row=64 of 64 rows"),
        (lambda: report(runs.line(), row=-1), "row=-1"),
        (lambda: report(told_of(runs.line()), title="a"), "title"),
        (lambda: report(runs.line(), sections=("curves", "weather")), "no section 'weather'"),
    ],
)
def test_a_wrong_call_says_what_was_expected(call, message):
    with pytest.raises(TrainingError, match=message):
        call()


def train(model, loss, data, **options):
    return lambda: cr.train(model, loss, data, **{"epochs": 2, **options})


X = runs.numbers()
CLASSES = (X[:, 0] > 0).astype(np.int64)
REALS = (3 * X[:, 0] + 1).astype(np.float32)
ODD = {
    "one step of all rows": train(
        nn.MLP([2, 3, 2], rng=0), losses.cross_entropy, (X, CLASSES), batch="all", epochs=1
    ),
    "one row": train(nn.MLP([2, 3, 2], rng=0), losses.cross_entropy, (X[:1], CLASSES[:1])),
    "one class": train(nn.MLP([2, 3, 2], rng=0), losses.cross_entropy, (X, 0 * CLASSES)),
    "weights": train(nn.MLP([2, 3, 2], rng=0), losses.cross_entropy, (X, CLASSES, 1 + 0 * REALS)),
    "one output": train(nn.MLP([2, 3, 1], rng=0), losses.binary_cross_entropy, (X, CLASSES)),
    "two outputs": train(nn.MLP([2, 3, 2], rng=0), losses.gaussian, (X, REALS)),
    "constant target": train(nn.MLP([2, 3, 1], rng=0), losses.squared_error, (X, 0 * REALS)),
    "a tree of data": train(
        {"w": np.zeros(2, np.float32)},
        lambda p, d: np.mean((d["x"] @ p["w"] - d["y"]) ** 2),
        ({"x": X, "y": REALS},),
    ),
    "no second array": train({"w": np.zeros(2)}, lambda p, x: np.mean((x - p["w"]) ** 2), (X,)),
    "diverged": train(
        {"w": np.ones(2, np.float32)}, lambda p, x, y: np.mean((x @ p["w"] ** 3 - y) ** 4),
        (X, REALS), optimizer=optim.SGD(0.5), on_nan="skip",
    ),
    "stopped at once": train(
        nn.MLP([2, 3, 2], rng=0), losses.cross_entropy, (X, CLASSES), callbacks=[lambda p: "no"]
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ODD))
def test_an_odd_run_has_a_report_all_the_same(name):
    made = report(ODD[name](), features=["a<b", "中 & so"], classes=['"no"', "<yes>"])
    html5lib.HTMLParser(strict=True).parse(made.html())
    json.dumps(made.to_json(), allow_nan=False)
    assert not made.part("short").is_missing
    assert not made.part("model").is_missing


def test_a_run_that_was_not_made_here_is_told_in_the_same_terms():
    """What a reader of run folders knows: no ``Run`` is needed."""
    run = runs.regression()
    told = Told(run.model, losses.squared_error, run._problem.data, run.history, settings={"a": 1})
    made = report(told, sections=("short", "curves"))
    assert "not shown" not in str(made.part("curves"))
    assert ">a<" in made.part("short").body


def test_a_diagnosis_with_notes_does_not_say_that_there_are_none():
    noted = Finding("note", "dead units", "3 of 6 units are 0")
    told = dataclasses.replace(told_of(runs.line()), findings=(noted,))
    says = report(told, sections=["diagnosis"]).part("diagnosis").says[0]
    assert "dead units" in says
    assert "Nothing to complain" not in says


def test_classes_on_the_decision_boundary_have_their_names():
    made = report(runs.classifier(), classes=["out", "in"], sections=["boundary"])
    svg = "".join(made.part("boundary").pictures.values())
    assert "class in" in svg
    assert "class 1" not in svg


def test_predictions_say_on_which_side_they_are_in_which_unit():
    says = report(runs.regression(), target="price", sections=["predictions"]).parts[0].says[0]
    assert re.search(r"off by \S+ price \(root mean square\), on average .* too (low|high)", says)


def test_overfitting_is_said_where_the_training_loss_fell_meanwhile():
    for last, said in ((0.1, True), (0.9, False)):
        epochs = [
            {"epoch": 1, "step": 1, "loss": 0.5, "validation_loss": 0.5},
            {"epoch": 2, "step": 2, "loss": last, "validation_loss": 0.8},
        ]
        told = told_of(runs.line())
        history = copy.copy(told.history)
        history.epochs = epochs
        made = report(dataclasses.replace(told, history=history), sections=["curves"])
        assert ("overfitting" in " ".join(made.parts[0].says)) is said
