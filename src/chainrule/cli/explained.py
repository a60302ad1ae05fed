"""What a report is told of a run of `chainrule train`, out of its folder and its table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from chainrule.cli.optimizers import optimizer_words
from chainrule.cli.schedules import in_words as schedule_words
from chainrule.cli.terms import SCALED, Terms, network_target
from chainrule.cli.trained import Trained
from chainrule.data.extras import Table
from chainrule.data.number import Number
from chainrule.data.prepare import encode_part
from chainrule.data.split import split_rows
from chainrule.data.target import Target
from chainrule.errors import RunError
from chainrule.explain.reports.snapshots import snapshots_of
from chainrule.explain.reports.told import Told
from chainrule.explain.words import short
from chainrule.losses import Loss
from chainrule.runs.folder import RunFolder
from chainrule.training.descent import history_of

#: Of the setup, what the report lists as it was asked for.
_LISTED: Final = ("activation", "order", "batch", "batch_schedule", "epochs", "seed")


def told_of_run(trained: Trained, table: Table, source: str, is_its_own: bool) -> Told:
    """The run, in the library's terms.

    Args:
        trained: the network.
        table: rows whose target is known.
        source: where the rows are from, in words.
        is_its_own: whether the run was trained on this table: then its rows are parted as they
            were; of another table all rows are shown.

    Raises:
        RunError: the folder is damaged. DataError: the table is not of the run's columns.
    """
    folder = RunFolder.open(trained.path)
    checkpoint = folder.read_checkpoint()
    if checkpoint is None:
        raise RunError(f"{trained.path}: this run has no weights yet")
    setup, target = trained.setup, trained.schema.target
    data, held_out = _parted(trained, table, is_its_own)
    is_scaled = setup.terms.loss in SCALED
    scale = (target.mean, target.scale) if is_scaled else (0.0, 1.0)
    return Told(
        trained.model, loss_with_unit(setup.terms), data,
        history_of(checkpoint.record, checkpoint.epochs, checkpoint.decisions),
        title=f"{trained.path.name}: {target.name} of {trained.data.get('name', source)}",
        start=setup.network(), snapshots=snapshots_of(folder, trained.model),
        held_out=held_out, held_out_name="test", optimizer=setup.descent(),
        features=_feature_names(trained), classes=[str(c) for c in target.classes],
        target=target.name, scale=scale, settings=_settings(trained, source),
        reason=checkpoint.status,
    )  # fmt: skip


def loss_with_unit(terms: Terms) -> Any:
    """The loss; of a target that is scaled its unit is the target's standard deviation (sd)."""
    loss = terms.function
    if terms.loss not in SCALED or not isinstance(loss, Loss):
        return loss
    return replace(loss, unit=loss.unit.replace("target", "sd"))


def scaling_words(target: Target) -> str:
    """How the network sees a target that is scaled.

    Example:
        >>> scaling_words(Target("price", "regression", "", mean=120.0, scale=4.0))
        '(price − 120) / 4: in standard deviations (sd) from the mean'
    """
    mean, scale = short(target.mean), short(target.scale)
    return f"({target.name} − {mean}) / {scale}: in standard deviations (sd) from the mean"


def _feature_names(trained: Trained) -> list[str]:
    """Of each encoded column; a number's says that it is scaled."""
    used = trained.schema.used
    numbers = {column.name for column in used if isinstance(column, Number)}
    names = trained.schema.features()
    return [f"{name} (scaled)" if name in numbers else name for name in names]


def _parted(trained: Trained, table: Table, is_its_own: bool) -> tuple[Any, Any]:
    """(the rows of the training, the test rows), or (all rows, None)."""
    if not is_its_own:
        return _arrays(trained, table), None
    target = trained.schema.target
    y = target.values(table[target.name])
    rows = split_rows(len(y), y if target.classes else None, trained.setup.seed)
    return _arrays(trained, table.take(rows.train)), _arrays(trained, table.take(rows.test))


def _arrays(trained: Trained, table: Table) -> tuple[Any, Any]:
    part = encode_part(trained.schema, table)
    return part.x, network_target(trained.setup.terms, trained.schema.target, part.y)


def _settings(trained: Trained, source: str) -> dict[str, Any]:
    setup, target = trained.setup, trained.schema.target
    is_scaled = setup.terms.loss in SCALED
    scaled = {"target as trained on": scaling_words(target)} if is_scaled else {}
    chosen = {name.replace("_", " "): getattr(setup, name) for name in _LISTED}
    return {
        "table": source,
        **scaled,
        "optimizer": optimizer_words(setup.optimizer, setup.momentum, setup.weight_decay),
        "learning rate": f"{setup.learning_rate:g} ({setup.rate_rule})",
        "schedule": schedule_words(setup.schedule, setup.span, setup.warmup),
        **chosen,
    }
