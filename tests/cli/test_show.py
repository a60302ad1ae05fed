"""The bar, the plot, the help: what they look like."""

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from chainrule.cli.closing import advice
from chainrule.cli.live import Bar, bar_line
from chainrule.cli.plot import loss_plot
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
            ["validation was best at epoch 2 (1): fewer --epochs may do better"],
        ),
        ([None, None], 60, []),
    ],
)
def test_advice_follows_from_the_validation_losses(losses, steps, said):
    epochs = [{"validation_loss": loss} for loss in losses]
    assert advice(SimpleNamespace(history=SimpleNamespace(epochs=epochs), steps=steps)) == said


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
