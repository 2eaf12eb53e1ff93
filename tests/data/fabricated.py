"""Small image sets in MNIST's layout, written to a folder of the test."""

import gzip
import struct
from pathlib import Path

import numpy as np

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def write_idx(path: Path, entries: np.ndarray) -> None:
    """An IDX file of unsigned bytes, gzipped if the name says so."""
    header = bytes([0, 0, 8, entries.ndim]) + struct.pack(f">{entries.ndim}I", *entries.shape)
    content = header + entries.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_images(folder: Path, train: int = 200, test: int = 50, suffix: str = ".gz") -> None:
    """Four files of random images; labels run through the ten classes."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for (images, labels), n in zip((NAMES[:2], NAMES[2:]), (train, test), strict=True):
        write_idx(folder / f"{images}{suffix}", random.integers(0, 256, (n, 28, 28)))
        write_idx(folder / f"{labels}{suffix}", np.arange(n) % 10)
