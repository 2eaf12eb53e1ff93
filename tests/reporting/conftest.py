"""A made-up sweep for the tests of reporting."""

from pathlib import Path

import pytest
from tests.reporting.fabricated import fabricate


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two activations, three depths, three seeds, all finished."""
    gains = {("sigmoid", "glorot"): 0.2, ("relu", "he"): 1.0}
    return fabricate(tmp_path / "sweep", gains, depths=(2, 5, 10), seeds=3)
