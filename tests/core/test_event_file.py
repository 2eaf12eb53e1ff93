"""Event files, read back by TensorBoard's own loader, which checks every record."""

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.summary_pb2 import Summary

from experiments.core.event_file import EventFile


def summary(value: float) -> Summary:
    """Three scalars."""
    return Summary(value=[Summary.Value(tag=f"tag_{k}", simple_value=value + k) for k in range(3)])


def test_what_was_added_is_read(tmp_path) -> None:
    """A version first, then one event a call with all its values, step and time."""
    file = EventFile(tmp_path / "run")
    for step in (0, 7, 10**12):
        file.add(summary(step), step)
    file.close()
    (path,) = (tmp_path / "run").iterdir()
    first, *events = EventFileLoader(str(path)).Load()
    assert first.file_version == "brain.Event:2"
    assert [event.step for event in events] == [0, 7, 10**12]
    assert [value.tag for value in events[1].summary.value] == ["tag_0", "tag_1", "tag_2"]
    assert events[1].summary.value[2].tensor.float_val == [9.0]
    assert first.wall_time <= events[0].wall_time <= events[-1].wall_time


def test_files_of_one_folder_do_not_meet(tmp_path) -> None:
    """Two at the same second have names of their own, and a closed one takes nothing."""
    one, other = EventFile(tmp_path), EventFile(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    one.close()
    other.close()
    with pytest.raises(ValueError, match="make a new EventFile"):
        one.add(summary(0.0))


def test_a_checksum_protects_every_record(tmp_path) -> None:
    """One changed byte, and the loader stops before the record."""
    file = EventFile(tmp_path)
    file.add(summary(1.0), 1)
    file.add(summary(2.0), 2)
    file.close()
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    assert [event.step for event in EventFileLoader(str(path)).Load()] == [0, 1]
