"""The bar, the plot, the help: what they look like."""

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from chainrule.cli import names
from chainrule.cli.announce import Announcer
from chainrule.cli.closing import advice
from chainrule.cli.live import Bar, bar_line, epoch_line
from chainrule.cli.plot import loss_plot
from chainrule.diagnosis.finding import Finding
from chainrule.training import Progress

PROGRESS = Progress(
    epoch=3, epochs=20, step=12_345, steps=81_830, loss=0.4321, learning_rate=0.0432,
    rows_per_second=812_345.0, seconds=5.0, seconds_left=29.4, epoch_end=False,
    validation_loss=None,
)  # fmt: skip


def test_the_bar_shows_all_in_eighty_columns():
    line = bar_line(PROGRESS, 80).plain
    assert len(line) == 80
    assert line.startswith("epoch 3/20 ━━━")
    assert line.endswith("━ step 12,345 loss 0.4321 rate 0.0432 812k rows/s 29 s left")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_the_bar_fits_any_width(width):
    assert len(bar_line(PROGRESS, width).plain) <= max(width, 20)


def test_without_a_terminal_there_is_a_line_at_twenty_epochs_at_most():
    said = io.StringIO()
    with Bar(Console(file=said)) as bar:
        for epoch in range(1, 101):
            end = {"epoch": epoch, "epochs": 100, "epoch_end": True, "validation_loss": 0.5}
            end |= {"step": 7 * epoch}
            bar(Progress(**{f: getattr(PROGRESS, f) for f in PROGRESS.__slots__} | end))
    lines = said.getvalue().splitlines()
    assert len(lines) == 20
    assert lines[-1] == "epoch 100/100  loss 0.4321  validation 0.5"


def test_the_plot_goes_from_the_first_loss_to_the_last():
    plot = loss_plot([1.0, 0.5, 0.25, 0.125], [0.9, 0.6, 0.4, 0.35], width=31, height=4)
    lines = plot.plain.splitlines()
    assert [line[:6].strip() for line in lines] == ["1", "", "0.5625", "0.125", "", ""]
    assert plot.plain.count("●") == 4
    assert lines[0][9] > "\u2800"  # the line begins at the top left, beside the first point
    assert lines[3][30] > "\u2800"  # and ends at the bottom right
    assert lines[-1].split() == ["1", "epoch", "4"]


@pytest.mark.parametrize(
    ("losses", "steps", "said"),
    [
        ([3.0, 2.0, 1.0], 60, ["60 steps are few: more --epochs may do better"]),
        ([3.0, 2.0, 1.0], 6000, []),
        (
            [3.0, 1.0, 2.0],
            6000,
            ["validation was best at epoch 2 (1): --patience 5 keeps the weights of the best"],
        ),
        ([None, None], 60, []),
        ([0.5, -1.0, -0.99], 6000, []),  # of a density: log-likelihoods may have either sign
    ],
)
def test_advice_follows_from_the_validation_losses(losses, steps, said):
    epochs = [{"validation_loss": loss} for loss in losses]
    run = SimpleNamespace(
        history=SimpleNamespace(epochs=epochs), steps=steps, stopped="completed", best_epoch=None
    )
    assert advice(run) == said


def progress(**more):
    return Progress(**{f: getattr(PROGRESS, f) for f in PROGRESS.__slots__} | more)


def test_the_bar_shows_the_last_validation_loss_where_there_is_room():
    assert " validation 0.5000 " in bar_line(PROGRESS, 110, validation=0.5).plain
    assert len(bar_line(PROGRESS, 80, validation=0.5).plain) == 80


def test_metrics_stand_beside_the_losses_of_an_epoch():
    metrics = {"validation_roc_auc": 0.7511, "validation_f1": 0.5}
    ended = progress(epoch_end=True, validation_loss=0.5, metrics=metrics)
    assert epoch_line(ended, 0.25) == (
        "epoch 3/20  loss 0.25  validation 0.5  roc_auc 0.7511  f1 0.5"
    )


def announced(*reports, width=80):
    said = io.StringIO()
    announcer = Announcer(Console(file=said, width=width))
    for report in reports:
        announcer(report)
    return said.getvalue()


def finding(kind="oscillation"):
    return Finding("warning", kind, "it goes up and down", {}, "cr.range_test or optim.clip_norm")


def test_a_finding_is_said_once_in_the_words_of_the_command_line():
    said = announced(
        progress(findings=(finding(),)), progress(findings=(finding(), finding("dead units")))
    )
    assert said.count("oscillation: it goes up and down") == 1
    assert said.count("dead units: it goes up and down") == 1
    assert "try: --learning-rate auto or --clip-norm 1" in said


def decision(batch, before, rate=1.0, reason="noise: B̂ = 80 > 1 · 16"):
    return {
        "step": 5, "epoch": 1.25, "rule": "noise", "batch": batch, "rate": rate, "average": False,
        "numbers": {"before": before}, "reason": f"{reason}: batch {before} -> {batch}",
    }  # fmt: skip


def test_a_decision_is_said_with_its_reason_as_it_happens():
    said = announced(progress(decisions=(decision(32, 16),)))
    assert " ".join(said.split()) == "epoch 1.25 noise: B̂ = 80 > 1 · 16: batch 16 -> 32"


def test_small_changes_of_the_batch_and_many_of_them_are_not_said_each():
    small = [progress(decisions=(decision(k + 1, k),)) for k in range(100, 150)]
    assert announced(*small) == ""
    large = [progress(decisions=(decision(2 ** (k % 7 + 1), 1),)) for k in range(50)]
    lines = announced(*large, width=200).splitlines()
    assert len(lines) == 12
    assert "further changes are only counted" in lines[-1]


def test_help_names_all_that_an_option_may_be(chainrule):
    said = " ".join(chainrule("train", "--help").stdout.replace("│", " ").split())
    said = said.replace("- ", "-")
    for known in (
        names.LOSSES, names.OPTIMIZERS, names.SCHEDULES, names.BATCH_SCHEDULES, names.ORDERS,
        names.MEASURES, names.AVERAGES, names.TASKS,
    ):  # fmt: skip
        for name in known:
            assert name in said


@pytest.mark.parametrize("values", [[1.0, 1.0], [0.0, 1e-9, 1e9], [5.0] * 300, [3.0, 2.0]])
def test_any_losses_can_be_plotted(values):
    plot = loss_plot(values, [None] * len(values), width=60)
    assert max(len(line) for line in plot.plain.splitlines()) <= 60
    assert any("\u2801" <= c <= "\u28ff" for c in plot.plain)


def test_help_imports_nothing_heavy():
    """That is what makes it come within 0.5 s; `python -m benchmarks.start` takes the time."""
    code = (
        "import sys; from chainrule.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'llvmlite', 'pyarrow', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


@pytest.mark.parametrize("command", [[], ["train"], ["predict"], ["evaluate"]])
def test_every_command_has_help(chainrule, command):
    assert "Usage" in chainrule(*command, "--help").stdout


def test_the_version_is_the_packages(chainrule):
    import chainrule as package

    assert chainrule("--version").stdout == f"chainrule {package.__version__}\n"
