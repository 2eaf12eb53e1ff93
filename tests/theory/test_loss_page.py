"""The page on squared error and cross-entropy: every number on it is computed again."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "mse-vs-cross-entropy.md"


def test_every_number_on_the_page_holds():
    """The page's own lines, run in order, print what the page says."""
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert failed == 0
    assert tried > 20
