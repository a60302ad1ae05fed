"""SciPy's functions that ask for plain arrays, and what carries a traced value in their place."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import scipy

from chainrule.errors import ChainruleError

SCIPY: Final = str(Path(scipy.__file__).resolve().parent) + os.sep

_ANY: Final = (
    "np.stack for np.array([...]); cr.logsumexp, cr.softmax, cr.log_softmax for SciPy's; "
    "cr.at(x)[i].get() for x[i] of a plain x"
)
_COMPOSE: Final = "compose it from NumPy and SciPy's special ufuncs, which can be traced"

#: SciPy's name: ours.
SPELLINGS: Final[dict[str, str]] = {
    "logsumexp": "cr.logsumexp(x, axis)",
    "softmax": "cr.softmax(x, axis)",
    "log_softmax": "cr.log_softmax(x, axis)",
    "solve_triangular": "cr.solve_triangular(a, b, trans, lower)",
    "cho_solve": "cr.cho_solve((c, lower), b)",
    "cho_factor": "(np.linalg.cholesky(a), True), for cr.cho_solve",
    "cholesky": "np.linalg.cholesky(a, upper=True)",
    "cdist": "cr.cdist(x, y)",
    "polygamma": "cr.polygamma(n, x)",
    "eigh": "np.linalg.eigh(a)",
    "eigvalsh": "np.linalg.eigvalsh(a)",
    "svd": "np.linalg.svd(a, full_matrices=False)",
    "svdvals": "np.linalg.svdvals(a)",
    "qr": "np.linalg.qr(a)",
    **{name: f"np.linalg.{name}" for name in ("inv", "solve", "det", "lstsq", "pinv", "norm")},
    **dict.fromkeys(("convolve", "correlate", "convolve2d", "correlate2d"), "nn.conv(x, weight)"),
}


def call(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What f gives; of an error of ours that NumPy took for one of its own, ours.

    ``y[0] = x`` with a plain y asks a traced x for a float, and says "with a sequence" if it
    refuses.
    """
    try:
        return f(*args, **kwargs)
    except ValueError as error:
        if isinstance(error.__cause__, ChainruleError):
            raise error.__cause__ from None
        raise


def scipy_caller() -> str | None:
    """The name of the SciPy function that the running code was called through, if any."""
    frame: FrameType | None = sys._getframe(1)
    found = None
    while frame is not None:
        if frame.f_code.co_filename.startswith(SCIPY):
            found = frame
        frame = frame.f_back
    if found is None:
        return None
    inner = found.f_locals.get("f") if found.f_code.co_name == "wrapper" else None
    return str(getattr(inner, "__name__", found.f_code.co_name))


def refusal() -> tuple[str, str]:
    """(who asked, what to write instead) where a traced value was asked to become an array."""
    name = scipy_caller()
    if name is None:
        return "a traced value was asked to become a plain array", _ANY
    return f"SciPy's {name} asks for plain arrays", SPELLINGS.get(name, _COMPOSE)
