"""Programs of one array that reduce, order and accumulate, by name."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(0)
A, B = RNG.uniform(0.3, 2.0, size=(2, 3, 4))
W = np.array([[True, False, True, True], [True, True, False, True], [False, True, True, True]])
K = np.array([2, 0, 1])

REDUCING: dict[str, Any] = {
    "sum where": lambda x: np.sum(x, where=W),
    "sum initial": lambda x: np.sum(x, axis=0, initial=2),
    "sum where 1": lambda x: x.sum(axis=1, where=W, keepdims=True, initial=1),
    "sum of a mask": lambda x: np.sum(x, where=x > 1),
    "sum f4": lambda x: np.sum(x, dtype="f4"),
    "prod": np.prod,
    "prod 0": lambda x: x.prod(axis=0),
    "prod where": lambda x: np.prod(x, 1, where=W),
    "prod initial": lambda x: np.prod(x, axis=(0, 1), keepdims=True, initial=3),
    "prod of zeros": lambda x: np.prod(x * (x > 0.6), axis=1),
    "prod of none": lambda x: np.prod(x[:0], axis=0),
    "max initial": lambda x: np.max(x, axis=0, initial=1),
    "min initial": lambda x: x.min(initial=1),
    "max where": lambda x: np.max(x, axis=0, where=W, initial=0),
    "min where": lambda x: np.min(x, axis=1, where=W, initial=9, keepdims=True),
    "max of none": lambda x: np.max(x[:0], axis=0, initial=3),
    "max (0, 1)": lambda x: x.max((0, 1)),
    "ptp": np.ptp,
    "ptp 0": lambda x: np.ptp(x, 0),
    "ptp kept": lambda x: np.ptp(x, 1, keepdims=True),
    "mean": np.mean,
    "mean where": lambda x: np.mean(x, axis=0, where=W),
    "mean f4": lambda x: np.mean(x, dtype="f4"),
    "mean of few": lambda x: x[:1, :1].mean(),
    "var": np.var,
    "var 0": lambda x: x.var(0, ddof=1),
    "var correction": lambda x: np.var(x, 1, correction=1),
    "var where": lambda x: np.var(x, axis=0, where=W),
    "var ddof where": lambda x: np.var(x, 0, where=W, ddof=1),
    "var about": lambda x: np.var(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)),
    "std": np.std,
    "std 1": lambda x: x.std(1, ddof=1, keepdims=True),
    "std correction": lambda x: np.std(x, correction=1),
    "std where": lambda x: np.std(x, where=W),
    "any": lambda x: np.any(x > 1.5, axis=0),
    "all": lambda x: (x > 0.5).all(1, keepdims=True),
    "any of numbers": lambda x: x.any(),
    "all of numbers": np.all,
    "any where": lambda x: np.any(x > 1, axis=1, where=W),
    "all where": lambda x: np.all(x > 1, 0, where=W),
    "any of none": lambda x: np.any(x[:0], axis=0),
    "all of none": lambda x: np.all(x[:0], axis=0),
    "count_nonzero": lambda x: np.count_nonzero(x > 1, axis=0),
    "count_nonzero all": lambda x: np.count_nonzero(x, keepdims=True),
    "argmax": np.argmax,
    "argmax 0": lambda x: x.argmax(0),
    "argmax kept": lambda x: np.argmax(x, 1, keepdims=True),
    "argmin": np.argmin,
    "argmin 1": lambda x: x.argmin(axis=-1),
    "argmax all kept": lambda x: np.argmax(x, keepdims=True),
    "average": np.average,
    "average 1": lambda x: np.average(x, axis=1, weights=[1, 2, 3, 4.0]),
    "average of all": lambda x: np.average(x, weights=B),
    "average kept": lambda x: np.average(x, 0, keepdims=True),
    "average returned": lambda x: list(np.average(x, axis=0, weights=[1.0, 2, 3], returned=True)),
    "average two": lambda x: np.average(x, axis=(1, 0), weights=B.T),
    "median": np.median,
    "median 0": lambda x: np.median(x, axis=0),
    "median kept": lambda x: np.median(x, 1, keepdims=True),
    "quantile": lambda x: np.quantile(x, 0.3),
    "percentile": lambda x: np.percentile(x, [5, 50, 100], axis=1),
    "quantile two": lambda x: np.quantile(x, [[0.1], [0.7]], axis=0, keepdims=True),
    "quantile (0, 1)": lambda x: np.quantile(x[None], 0.21, axis=(0, 2)),
    **{
        f"quantile {m}": lambda x, m=m: np.quantile(x, [0, 0.13, 0.5, 0.77, 1], axis=1, method=m)
        for m in (
            "linear",
            "hazen",
            "weibull",
            "median_unbiased",
            "normal_unbiased",
            "interpolated_inverted_cdf",
            "lower",
            "higher",
            "midpoint",
            "nearest",
        )
    },
    "cov": np.cov,
    "cov columns": lambda x: np.cov(x, rowvar=False),
    "cov biased": lambda x: np.cov(x, bias=True),
    "cov of two": lambda x: np.cov(x[0], x[1]),
    "cov of one": lambda x: np.cov(x[0]),
    "cov weighted": lambda x: np.cov(x, fweights=[1, 2, 3, 1], aweights=[0.5, 1, 2, 1.0]),
    "corrcoef": np.corrcoef,
    "corrcoef of two": lambda x: np.corrcoef(x[0], x[1]),
    "nansum": lambda x: np.nansum(np.where(x > 1, np.nan, x), axis=0),
    "nanprod": lambda x: np.nanprod(np.where(x > 1, np.nan, x), axis=0),
    "nanmax": lambda x: np.nanmax(np.where(x > 1.7, np.nan, x), axis=1),
    "nanmin": np.nanmin,
    "nanmean": lambda x: np.nanmean(np.where(x > 1.7, np.nan, x), axis=1),
    "nanvar": lambda x: np.nanvar(np.where(x > 1.7, np.nan, x), axis=1),
    "nanstd": lambda x: np.nanstd(np.where(x > 1.5, np.nan, x), ddof=1),
}
ORDERING: dict[str, Any] = {
    "sort": np.sort,
    "sort 0": lambda x: np.sort(x, axis=0),
    "sort all": lambda x: np.sort(x, axis=None),
    "sort stable": lambda x: np.sort(x, stable=True),
    "argsort": lambda x: np.argsort(x, stable=True),
    "argsort 0": lambda x: x.argsort(axis=0, kind="stable"),
    "argsort all": lambda x: np.argsort(x, axis=None, kind="stable"),
    "partition": lambda x: np.sort(np.partition(x, 2, axis=0), axis=0),
    "kth": lambda x: np.partition(x, 2, axis=1)[:, 2],
    "searchsorted": lambda x: np.searchsorted(np.sort(x[0]), x),
    "searchsorted right": lambda x: np.searchsorted([0.5, 1, 1, 2], x, side="right"),
    "nanargmax": lambda x: np.nanargmax(np.where(x > 1.5, np.nan, x), axis=0),
    "nanargmin": np.nanargmin,
    "x.searchsorted": lambda x: np.sort(x[0]).searchsorted(x[1]),
    "searchsorted sorter": lambda x: np.searchsorted(x[0], x[1], sorter=np.argsort(x[0])),
    "searchsorted far": lambda x: np.searchsorted(np.linspace(0, 2, 100), x),
    "searchsorted far right": lambda x: np.searchsorted(np.linspace(0, 2, 100), x, side="right"),
    "digitize": lambda x: np.digitize(x, [0.5, 1, 1.5]),
    "digitize down": lambda x: np.digitize(x, [1.5, 1, 0.5]),
    "digitize right": lambda x: np.digitize(x, [0.5, 1, 1.5], right=True),
    "digitize down right": lambda x: np.digitize(x, [1.5, 1, 0.5], right=True),
    "isin": lambda x: np.isin(x, [x[0, 0], 1.0]),
    "isin not": lambda x: np.isin(x, x[1], invert=True),
    "select": lambda x: np.select([x > 1.5, x > 1], [x, x * 2], 7.0),
    "select 0": lambda x: np.select([x > 1], [x]),
    "choose": lambda x: np.choose(K[:, None], [x, x * 2, 0.5 * x]),
    "compress": lambda x: np.compress([1, 0, 1], x, axis=0),
    "take": lambda x: np.take(x, [5, -1]),
    "x.take": lambda x: x.take([[1, -1]], axis=1),
    "take wrap": lambda x: np.take(x, [7, -9], axis=1, mode="wrap"),
    "take number": lambda x: np.take(x, 1, axis=0),
    "take clip": lambda x: np.take(x, [7, -9], axis=1, mode="clip"),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(x, axis=0), axis=0),
    "take_along_axis 1": lambda x: np.take_along_axis(
        x, np.argmax(x, axis=1, keepdims=True), axis=1
    ),
}
CUMULATIVE: dict[str, Any] = {
    "cumsum": np.cumsum,
    "cumsum 0": lambda x: x.cumsum(0),
    "cumsum f4": lambda x: np.cumsum(x, 1, dtype="f4"),
    "cumprod": np.cumprod,
    "cumprod 1": lambda x: x.cumprod(axis=1),
    "cumprod of zeros": lambda x: np.cumprod(x * (x > 0.6), axis=1),
    "cumulative_sum": lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    "cumulative_prod": lambda x: np.cumulative_prod(x, axis=0, include_initial=True),
    "cumulative_sum of one": lambda x: np.cumulative_sum(x[0]),
    "nancumsum": lambda x: np.nancumsum(np.where(x > 1, np.nan, x), axis=0),
    "nancumprod": lambda x: np.nancumprod(np.where(x > 1, np.nan, x), axis=0),
    "diff": np.diff,
    "diff 2": lambda x: np.diff(x, 2, axis=0),
    "diff 0": lambda x: np.diff(x, 0),
    "diff ends": lambda x: np.diff(x, prepend=0, append=x[:, :2]),
    "ediff1d": np.ediff1d,
    "ediff1d ends": lambda x: np.ediff1d(x, to_begin=[1, 2], to_end=9),
    "trapezoid": lambda x: np.trapezoid(x, axis=0),
    "trapezoid dx": lambda x: np.trapezoid(x, dx=0.5),
    "trapezoid x": lambda x: np.trapezoid(x, x=[1.0, 2, 4, 8]),
    "trapezoid by x": lambda x: np.trapezoid(x, x=x * 2),
    "trapezoid x 0": lambda x: np.trapezoid(x, x=[1.0, 2, 4], axis=0),
    "gradient": lambda x: list(np.gradient(x)),
    "gradient 1": lambda x: np.gradient(x, 0.5, axis=1),
    "interp": lambda x: np.interp(x, [0.4, 1.0, 1.3, 1.9], [1.0, 3.0, 2.0, 5.0]),
    "interp ends": lambda x: np.interp(x, [0.9, 1.3], [1.0, 3.0], left=-1, right=7),
    "interp values": lambda x: np.interp([0.5, 1.2, 9], [0.4, 1.0, 1.5, 1.9], x[0]),
    "interp points": lambda x: np.interp([0.5, 1.2, 9], np.cumsum(x[0]), x[1]),
    **{
        f"convolve {m}": lambda x, m=m: np.convolve(x[0], x[1, :3], m)
        for m in ("full", "same", "valid")
    },
    **{
        f"convolve two {m}": lambda x, m=m: np.convolve(x[0, :2], x[1], m)
        for m in ("full", "same", "valid")
    },
    **{
        f"correlate {m}": lambda x, m=m: np.correlate(x[0], x[1, :3], m)
        for m in ("full", "same", "valid")
    },
    **{
        f"correlate two {m}": lambda x, m=m: np.correlate(x[0, :2], x[1], m)
        for m in ("full", "same", "valid")
    },
}
METHODS: dict[str, Any] = {
    **{
        f"{u.__name__}.reduce": lambda x, u=u: u.reduce(x)
        for u in (np.add, np.multiply, np.maximum, np.minimum, np.logaddexp, np.logaddexp2)
    },
    **{
        f"{u.__name__}.reduce 1": lambda x, u=u: u.reduce(x, axis=1, keepdims=True)
        for u in (np.add, np.multiply, np.maximum, np.minimum, np.logaddexp, np.logaddexp2)
    },
    **{
        f"{u.__name__}.reduce all": lambda x, u=u: u.reduce(x, axis=None, initial=1)
        for u in (np.add, np.multiply, np.maximum, np.minimum)
    },
    **{
        f"{u.__name__}.reduce where": lambda x, u=u: u.reduce(x, axis=1, where=W, initial=1)
        for u in (np.add, np.multiply, np.maximum, np.minimum)
    },
    **{
        f"{u.__name__}.reduce": lambda x, u=u: u.reduce(x > 1, axis=1)
        for u in (np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or)
    },
    "add.reduce of truths": lambda x: np.add.reduce(x > 1, axis=0),
    "logaddexp.reduce two": lambda x: np.logaddexp.reduce(x, axis=(0, 1)),
    "logaddexp.reduce initial": lambda x: np.logaddexp.reduce(x, axis=0, initial=0.5),
    **{
        f"{u.__name__}.accumulate": lambda x, u=u: u.accumulate(x, axis=1)
        for u in (np.add, np.multiply, np.maximum, np.minimum, np.logaddexp, np.logaddexp2)
    },
    **{
        f"{u.__name__}.accumulate": lambda x, u=u: u.accumulate(x > 1)
        for u in (np.logical_and, np.logical_or)
    },
    **{
        f"{u.__name__}.outer": lambda x, u=u: u.outer(x, x[0])
        for u in (np.add, np.multiply, np.subtract, np.divide, np.maximum, np.less)
    },
    "outer with a list": lambda x: np.add.outer([1.0, 2.0], x),
}
