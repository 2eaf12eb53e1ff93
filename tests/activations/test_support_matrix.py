"""docs/support-matrix.md is true: every cell is computed again and found on the page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.activations.rooms import DEFAULTS, room_name
from tests.activations.support import COMPILED, EAGER, PAGE, cell, rendered

ROOT = Path(__file__).parents[2]


def row_of(name: str) -> list[str]:
    """The cells that the page has for one capability."""
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {name} |")]
    return [part.strip() for part in line.strip("|").split("|")][1:]


@pytest.mark.parametrize("row", EAGER)
def test_eager_cells_are_on_the_page(row) -> None:
    """What torch can do with every room now is what the page says, and the numbers are right."""
    assert [cell(EAGER[row], sigma) for sigma in DEFAULTS] == row_of(row)


def test_the_page_has_a_column_for_every_room_and_a_row_for_every_capability() -> None:
    """Nothing is left out of the page, and nothing is there that is not computed."""
    header = "| " + " | ".join(["", *map(room_name, DEFAULTS)]) + " |"
    lines = PAGE.read_text().splitlines()
    assert lines.count(header) == 2
    rows = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    assert [row for row in rows if row not in ("", "---")] == [*EAGER, *COMPILED]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_compiled_cells_are_on_the_page() -> None:
    """The same for the compiler, asked in a process without the shape checks of a test run."""
    command = [sys.executable, "-m", "tests.activations.support", "compiled"]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert rendered(json.loads(answer.stdout)) in PAGE.read_text()
