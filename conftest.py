"""Every test: annotated shapes are checked, one thread, its own random state, warnings as errors."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

SOURCES = Path(__file__).parent / "src"


def _annotated_with_shapes() -> list[str]:
    """Modules with shapes in their annotations; mypy checks the types of the others."""
    files = [file for file in SOURCES.rglob("*.py") if "from jaxtyping import" in file.read_text()]
    return [".".join(file.relative_to(SOURCES).with_suffix("").parts) for file in files]


# before a test imports any of them; the check of a call takes about 50 us
install_import_hook(_annotated_with_shapes(), "beartype.beartype")


@pytest.fixture(autouse=True)
def _one_thread_and_own_random_state() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def float64() -> Iterator[None]:
    """Parameters and inputs made in the test are float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)
