"""Checks of the target, and of categories that only the test rows have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from chainrule.data.checks.finding import Finding
from chainrule.data.checks.seen import Subject
from chainrule.data.number import CLIP
from chainrule.data.statistics import farthest, mean_and_scale
from chainrule.data.values import codes, spelled
from chainrule.data.words import count, in_short, listed

RARE: Final = 0.05  # a class of fewer rows than this is rarely met
NEARLY_ALL: Final = 0.99
SAME_NUMBER: Final = 0.9


def imbalance(subject: Subject) -> Iterator[Finding]:
    """A class that nearly all rows have, or one that few have."""
    target = subject.schema.target
    if not subject.classes:
        return
    shares = np.bincount(subject.y, minlength=subject.classes) / len(subject.y)
    most, least = int(shares.argmax()), int(shares.argmin())
    if shares[most] > NEARLY_ALL:
        yield Finding(
            "warning", "nearly constant target", target.name,
            f"{shares[most]:.2%} of the rows are {spelled(target.classes[most])}: an accuracy of "
            "that much means nothing", float(shares[most]),
            "--metric average_precision scores the ranking of the rare rows",
        )  # fmt: skip
    elif shares[least] < RARE / max(1, subject.classes / 4):
        rows = round(shares[least] * len(subject.y))
        yield Finding(
            "warning", "imbalance", target.name,
            f"{spelled(target.classes[least])} is the class of {shares[least]:.2%} of the rows "
            f"({rows:,}), {spelled(target.classes[most])} of {shares[most]:.1%}",
            float(shares[least]), "--metric balanced_accuracy counts each class alike",
        )  # fmt: skip


def one_number(subject: Subject) -> Iterator[Finding]:
    """A target of numbers that is nearly constant, or has a few huge values."""
    target = subject.schema.target
    if subject.classes:
        return
    ordered = np.sort(subject.y)
    starts = np.flatnonzero(np.append(True, np.diff(ordered) != 0))
    times, values = np.diff(starts, append=len(ordered)), ordered[starts]
    share = float(times.max() / len(ordered))
    if share > SAME_NUMBER:
        yield Finding(
            "warning", "nearly constant target", target.name,
            f"{target.name} is {values[times.argmax()]:.4g} in {share:.1%} of the rows", share,
            "predict first whether it is that number",
        )  # fmt: skip
    centre, scale = mean_and_scale(subject.y)
    far = farthest(values[0], values[-1], centre, scale)
    if far > CLIP:
        yield Finding(
            "warning", "heavy-tailed target", target.name,
            f"{target.name} reaches {in_short(far)} standard deviations from its mean: the squared "
            "error hangs on a few rows", far,
            "--loss huber; --loss gamma for amounts above 0, negative_binomial for counts",
        )  # fmt: skip


def only_in_test(subject: Subject) -> Iterator[Finding]:
    """Categories of test rows that training rows do not have."""
    for seen in subject.columns:
        if seen.levels is None:
            continue
        levels, texts = codes(subject.kept[seen.name])
        known = np.zeros(len(texts) + 1, dtype=bool)
        known[levels[subject.split.train]] = True
        new = ~known[levels[subject.split.test]]
        if new.any():
            places = np.unique(levels[subject.split.test][new])
            names = listed([texts[i] if i >= 0 else "missing" for i in places], 3)
            share = float(new.mean())
            yield Finding(
                "warning" if share > RARE else "note", "only in test rows", seen.name,
                f"{seen.name}: {count(len(places), 'category', 'categories')} in {share:.2%} of "
                f"the test rows that no training row has ({names})", share,
            )  # fmt: skip
