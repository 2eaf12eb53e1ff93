"""Branches that are left out where no entry needs them."""

import pytest
import torch

from experiments.core.branching import where_rare


def test_the_rare_branch_is_computed_only_for_entries_that_need_it() -> None:
    """Without one it is not even called; with one every entry is what torch.where gives."""
    z = torch.tensor([1.0, 4.0, 9.0])
    assert torch.equal(where_rare(z < 0, lambda: pytest.fail("computed"), z.sqrt()), z.sqrt())
    assert where_rare(z > 5, lambda: -z, z).tolist() == [1.0, 4.0, -9.0]


def test_inside_a_transform_both_branches_are_computed() -> None:
    """There are no values to ask there."""
    root = torch.vmap(lambda z: where_rare(z < 0, lambda: -z, z.sqrt()))
    assert root(torch.tensor([-1.0, 4.0])).tolist() == [1.0, 2.0]
