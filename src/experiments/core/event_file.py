"""An event file for TensorBoard, written synchronously: no thread, no queue.

A record is its length, a checksum of that, an ``Event`` as a protocol buffer, and a checksum of that
(the TFRecord format). TensorBoard's own writer computes the checksums in Python, byte by byte, which
takes longer than training a small network.
"""

import itertools
import os
import socket
import struct
import time
from pathlib import Path
from typing import final

import google_crc32c
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from experiments.core.errors import describe

_FILES = itertools.count()


@final
class EventFile:
    """Appends summaries; each is readable as soon as ``add`` returns.

    Args:
        folder: the folder, which is created if needed; TensorBoard shows every folder as a run.
        suffix: end of the name of the file, by which it can be recognised.

    Attributes:
        path: of the file.
    """

    def __init__(self, folder: Path, suffix: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        writer = f"{socket.gethostname()}.{os.getpid()}.{next(_FILES)}"
        self.path = folder / f"events.out.tfevents.{int(time.time()):010d}.{writer}{suffix}"
        self._file = self.path.open("xb")
        self._append(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, summary: Summary, step: int = 0) -> None:
        """Append one event with all values of the summary at one step."""
        self._append(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self, alone: bool = False) -> None:
        """Close the file; everything that was added is already written.

        Args:
            alone: remove the folder's other event files. Of two processes that write the same curves,
                the first to end keeps its file.
        """
        self._file.close()
        if alone and self.path.exists():
            remove_event_files(self.path.parent, but=self.path)

    def _append(self, event: Event) -> None:
        if self._file.closed:
            found, remedy = "an event for a closed file", "make a new EventFile"
            raise ValueError(describe(found, "none after close()", remedy))
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        self._file.write(length + _checksum(length) + data + _checksum(data))
        self._file.flush()


def remove_event_files(folder: Path, suffix: str = "", but: Path | None = None) -> None:
    """Remove the event files of a folder and those below it that end in ``suffix``, except one."""
    for path in set(folder.glob(f"**/events.out.tfevents.*{suffix}")) - {but}:
        path.unlink(missing_ok=True)  # another process may have just removed it


def _checksum(data: bytes) -> bytes:
    """CRC-32C, rotated and shifted: the format masks it, since data may itself hold checksums."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
