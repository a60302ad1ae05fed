"""Fashion-MNIST as it lies on disk: four files in the IDX format, compressed."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Where Debian's package puts them.
FOLDER: Final = Path("/usr/share/datasets/fashion-mnist")
HOW: Final = (
    "apt-get install dataset-fashion-mnist (Debian, 31 MB), or --data DIR with the four files"
    " {train,t10k}-{images-idx3,labels-idx1}-ubyte.gz"
)
_BYTES: Final = 0x08  # the code of the format for uint8


@dataclass(frozen=True, eq=False)
class Images:
    """x (rows, 784) float32 from 0 to 1, y (rows,) int64 from 0 to 9."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def rows(self, first: int, last: int) -> Images:
        """Some of them."""
        return Images(self.x[first:last], self.y[first:last])

    @property
    def pair(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """As ``cr.train`` takes them."""
        return self.x, self.y


def load(folder: Path) -> tuple[Images, Images]:
    """60,000 images to train with, and 10,000 to test with.

    Raises:
        FileNotFoundError: they are not there; says how to get them.
        ValueError: a file that is no array of bytes in the IDX format.
    """
    return _images(folder, "train"), _images(folder, "t10k")


def _images(folder: Path, part: str) -> Images:
    x = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    y = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    return Images(x.reshape(len(x), -1).astype(np.float32) / np.float32(255), y.astype(np.int64))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An array: two zero bytes, the element's type, the number of axes, their sizes, the bytes."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: {HOW}")
    content = gzip.decompress(path.read_bytes())
    zeros, kind, axes = content[:2], content[2], content[3]
    shape = np.frombuffer(content, ">u4", axes, 4).astype(int)
    if zeros != b"\0\0" or kind != _BYTES or len(content) != 4 + 4 * axes + shape.prod():
        raise ValueError(f"{path} holds no array of bytes in the IDX format")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
