"""Files that are written whole or not at all, by however many writers."""

import threading

import pytest

from experiments.core.atomic import replacing


def test_an_error_leaves_the_old_file_and_no_draft(tmp_path) -> None:
    """What was there is there still, and nothing else."""
    path = tmp_path / "table"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as draft:
            draft.write_text("half of the")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file_of_two_writers(tmp_path) -> None:
    """One thread finishes while the other has written half: the file is the finished one's, whole."""
    path, half, finished = tmp_path / "table", threading.Event(), threading.Event()

    def slow() -> None:
        with replacing(path) as draft, draft.open("w") as file:
            file.write("slow, ")
            file.flush()
            half.set()
            finished.wait(10)
            file.write("whole")

    thread = threading.Thread(target=slow)
    thread.start()
    half.wait(10)
    with replacing(path) as draft:
        draft.write_text("quick, whole")
    assert path.read_text() == "quick, whole"
    finished.set()
    thread.join()
    assert path.read_text() == "slow, whole"
    assert list(tmp_path.iterdir()) == [path]
