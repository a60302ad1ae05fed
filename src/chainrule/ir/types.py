"""Types: an element type and a shape, in which one dimension may be the symbolic batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np


class Batch:
    """The number of examples, known only when the native code runs. There is one: ``BATCH``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "batch"


BATCH: Final = Batch()
Size: TypeAlias = int | Batch
Shape: TypeAlias = tuple[Size, ...]

DTYPE_NAMES: Final[dict[np.dtype, str]] = {
    np.dtype(np.float32): "f32",
    np.dtype(np.float64): "f64",
    np.dtype(np.int32): "i32",
    np.dtype(np.int64): "i64",
    np.dtype(np.bool_): "bool",
}
NAMED_DTYPES: Final[dict[str, np.dtype]] = {name: d for d, name in DTYPE_NAMES.items()}


def sized(shape: Shape, batch: int = 0) -> tuple[int, ...]:
    """The shape for one number of examples."""
    return tuple(n if isinstance(n, int) else batch for n in shape)


@dataclass(frozen=True, slots=True)
class ArrayType:
    """An array's element type and shape, printed as ``f32[batch, 784]``."""

    dtype: np.dtype
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype.kind == "f"

    def with_shape(self, shape: Shape) -> ArrayType:
        return ArrayType(self.dtype, shape)

    def __str__(self) -> str:
        sizes = ", ".join(str(n) for n in self.shape)
        return f"{DTYPE_NAMES.get(self.dtype, str(self.dtype))}[{sizes}]"


def parse_type(text: str) -> ArrayType:
    """The inverse of ``str``: ``parse_type("f32[batch, 2]")``."""
    name, _, rest = text.strip().partition("[")
    if name not in NAMED_DTYPES or not rest.endswith("]"):
        raise ValueError(f"not a type: {text!r}; expected something like f32[batch, 2]")
    sizes = [s.strip() for s in rest[:-1].split(",") if s.strip()]
    return ArrayType(NAMED_DTYPES[name], tuple(BATCH if s == "batch" else int(s) for s in sizes))
