"""The shapes of annotations hold in every test."""

import pytest
import torch
from jaxtyping import TypeCheckError

from experiments.data import sine


def test_an_annotated_shape_is_checked() -> None:
    """Points of a cube are (examples, n_in); a vector is refused before anything is computed."""
    with pytest.raises(TypeCheckError, match="examples n_in"):
        sine(torch.ones(3), cycles=1)
