"""IDX: the file format of MNIST and its relatives.

::

    bytes 0-1   0, 0
    byte  2     8: unsigned bytes follow
    byte  3     number of axes, d
    4 d bytes   the axes' lengths, big-endian
    the rest    the entries, last axis fastest

References:
    LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section on file formats.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from experiments.core.errors import DataError, describe

_UNSIGNED_BYTES = 8


def read_idx(path: Path) -> UInt8[Tensor, "*axes"]:
    """The tensor in an IDX file of unsigned bytes, gzipped if its name ends in ``.gz``.

    Raises:
        DataError: for a file that cannot be opened, is not an IDX file, or whose length does not match its
            header.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            describe(
                f"{path}, which cannot be read ({type(error).__name__}: {error})",
                "a readable file",
                "check the path and its permissions",
            )
        ) from error
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}", "a readable file") from error
    axes = content[3] if len(content) > 3 else 0
    start = 4 + 4 * axes
    if content[:3] != bytes([0, 0, _UNSIGNED_BYTES]) or axes == 0 or len(content) < start:
        raise _unreadable(
            path, f"a file that begins with {content[:4]!r}", "an IDX header, 0 0 8 d"
        )
    lengths = struct.unpack(f">{axes}I", content[4:start])
    if len(content) - start != math.prod(lengths):
        expected = f"{math.prod(lengths)}, as its header says: {' x '.join(map(str, lengths))}"
        raise _unreadable(path, f"{len(content) - start} bytes of entries", expected)
    # torch.frombuffer refuses a buffer without entries
    entries = np.frombuffer(bytearray(content), np.uint8, offset=start)
    return torch.from_numpy(entries.reshape(lengths))


def _unreadable(path: Path, found: str, expected: str) -> DataError:
    return DataError(
        describe(
            f"{found} in {path}", expected, "the file is damaged or not an IDX file: get it again"
        )
    )
