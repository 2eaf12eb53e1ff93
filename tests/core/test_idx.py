"""The IDX reader on files fabricated by hand."""

import gzip
import struct

import numpy as np
import pytest
import torch

from experiments.core.errors import DataError
from experiments.core.idx import read_idx

ENTRIES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + ENTRIES.tobytes()


@pytest.mark.parametrize("name", ["plain", "packed.gz"])
def test_entries_and_axes_are_read(tmp_path, name) -> None:
    """Plain and gzipped files give the same tensor, last axis fastest."""
    (tmp_path / name).write_bytes(gzip.compress(CONTENT) if name.endswith("gz") else CONTENT)
    got = read_idx(tmp_path / name)
    assert torch.equal(got, torch.as_tensor(ENTRIES))
    assert got.dtype == torch.uint8


def test_no_entries_are_an_empty_tensor(tmp_path) -> None:
    """No image is a tensor of no images, for its reader to judge."""
    (tmp_path / "none").write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 0, 28, 28))
    assert read_idx(tmp_path / "none").shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("short", CONTENT[:-5], "19 bytes of entries"),
        ("long", CONTENT + b"!", "25 bytes of entries"),
        ("header", CONTENT[:7], "begins with"),
        ("empty", b"", "begins with"),
        ("floats", bytes([0, 0, 13]) + CONTENT[3:], "begins with"),
        ("text", b"<html>not found</html>", "begins with"),
        ("cut.gz", gzip.compress(CONTENT)[:-9], "EOFError"),
        ("plain.gz", CONTENT, "BadGzipFile"),
        ("damaged.gz", gzip.compress(CONTENT)[:10] + b"\xff" * 20, "error: Error -3"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_files_are_refused(tmp_path, name, content, found) -> None:
    """The message says what was found, in which file, and to get the file again."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{found}.*{name}.*get it again"):
        read_idx(tmp_path / name)


def test_what_cannot_be_read_is_not_called_damaged(tmp_path) -> None:
    """A missing file and a folder: the path is wrong."""
    for path, found in ((tmp_path / "missing", "FileNotFoundError"), (tmp_path, "IsADirectory")):
        with pytest.raises(DataError, match=f"{path}.*{found}.*check the path"):
            read_idx(path)
