"""Processes side by side."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SWEEP = """
import os, pathlib, sys, time
from experiments.app.workers import in_order_of_completion

def work(place):
    pathlib.Path(place, str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    list(in_order_of_completion(work, [sys.argv[1]] * 4, workers=2))
"""


def _alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_sweep_leaves_no_worker_behind(how: signal.Signals, tmp_path: Path) -> None:
    """Killed or interrupted, the process that hands out work ends, and the two at work within seconds."""
    script, place = tmp_path / "sweep.py", tmp_path / "at_work"
    script.write_text(SWEEP)
    place.mkdir()
    parent = subprocess.Popen(
        [sys.executable, str(script), str(place)],
        stderr=subprocess.DEVNULL,
        # a shell that starts this suite in the background has its children ignore interrupts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while len(list(place.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(path.name) for path in place.iterdir()]
    assert len(workers) == 2
    os.kill(parent.pid, how)
    parent.wait(timeout=20)
    deadline = time.monotonic() + 10
    while any(map(_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_alive, workers))


ENDED = """
import multiprocessing
from experiments.app.workers import in_order_of_completion

def work(piece):
    if piece == 2 and multiprocessing.parent_process() is not None:
        raise SystemExit(143)
    return 10 * piece

if __name__ == "__main__":
    print(sorted(in_order_of_completion(work, [0, 1, 2, 3], workers=2)))
"""


def test_the_work_of_a_worker_that_was_told_to_end_is_done_here(tmp_path: Path) -> None:
    """No piece is lost, and the others are not stopped."""
    script = tmp_path / "ended.py"
    script.write_text(ENDED)
    command = [sys.executable, str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert ran.stdout.strip() == "[(0, 0), (1, 10), (2, 20), (3, 30)]"
    assert "pieces run in this process: 1" in ran.stderr
