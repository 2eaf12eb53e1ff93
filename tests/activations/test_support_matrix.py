"""docs/support-matrix.md is true: every cell is computed again and found on the page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.activations.rooms import DEFAULTS, room_name
from tests.activations.support import COMPILED, EAGER, cell, computed, rendered

ROOT = Path(__file__).parents[2]


def rows_of(name: str) -> dict[str, list[str]]:
    """One table of the page: its first column, and the cells behind it."""
    lines = [line.strip("|").split("|") for line in computed(name)[1].splitlines()]
    return {first.strip(): [cell.strip() for cell in cells] for first, *cells in lines}


@pytest.mark.parametrize("row", EAGER)
def test_eager_cells_are_on_the_page(row) -> None:
    """What torch can do with every room now is what the page says, and the numbers are right."""
    assert [cell(EAGER[row], sigma) for sigma in DEFAULTS] == rows_of("eager")[row]


@pytest.mark.parametrize(("name", "checks"), [("eager", EAGER), ("compiled", COMPILED)])
def test_every_room_has_a_column_and_every_capability_a_row(name, checks) -> None:
    """Nothing is left out of the page, and nothing is there that is not computed."""
    rows = rows_of(name)
    assert rows[""] == [room_name(sigma) for sigma in DEFAULTS]
    assert [row for row in rows if row not in ("", "---")] == [*checks]
    assert {cell for row in checks for cell in rows[row]} <= {"yes", "refused"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_compiled_cells_are_on_the_page() -> None:
    """The same for the compiler, asked in a process without the shape checks of a test run."""
    command = [sys.executable, "-m", "tests.activations.support", "compiled"]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert rendered(json.loads(answer.stdout)) == computed("compiled")[1]
